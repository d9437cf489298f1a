"""An upload's bytes while they come in pieces: one file below `incoming/`, one writer at a time."""

import errno
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detection import storage
from detection.errors import Refused
from detection.uploads import DISK_IS_FULL, StoredUpload

CHUNK_BYTES = 64 * 1024  # what a reset connection may cost
PATIENCE_S = 2.0  # for a writer whose line has broken and who is about to notice
SUFFIX = ".part"
NO_NAMES = {"", ".", ".."}  # a file of a form has none of them either
WRITABLE = 0o600


class PartFile:
    """What came of one upload, in the hands of its one writer; see `held`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def append(
        self, read: Callable[[int], bytes], length: int, checksum: tuple[str, bytes] | None = None
    ) -> None:
        """Append `length` bytes, or as many as come before the line breaks; durable on return.

        Args:
            read: gives the next bytes, none at the end, or raises OSError where the line breaks.
            checksum: an algorithm of hashlib and the digest of these `length` bytes.
        Raises:
            Refused: checksum_mismatch, and nothing of it was kept; disk_full, and what fitted was.
        """
        before = self.size
        digest = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
        with self.path.open("ab", buffering=0) as file:
            try:
                for chunk in _chunks(read, length):
                    _write(file.write, chunk)
                    if digest:
                        digest.update(chunk)
            except OSError as error:
                if error.errno in DISK_IS_FULL:
                    raise Refused("disk_full") from error
                raise
            finally:
                os.fsync(file.fileno())
            if digest and checksum and digest.digest() != checksum[1]:
                file.truncate(before)
                raise Refused("checksum_mismatch")

    def beginning(self, length: int) -> bytes:
        with self.path.open("rb") as file:
            return file.read(length)

    def as_upload(self, name: str) -> StoredUpload:
        """The whole file under a second name, so that a crash while it is kept loses nothing."""
        link = storage.incoming_dir() / uuid.uuid4().hex
        os.link(self.path, link)
        link.chmod(WRITABLE)  # an attempt that a crash ended may have made it read-only
        upload = StoredUpload(link.open("rb+"), link, None if name in NO_NAMES else name, None)
        upload.size = self.size
        with self.path.open("rb") as file:
            upload.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return upload

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def path_of(upload_id: uuid.UUID) -> Path:
    return storage.incoming_dir() / f"{upload_id}{SUFFIX}"


def upload_id(path: Path) -> uuid.UUID | None:
    """The upload that a file in `incoming/` is part of; None for any other."""
    return storage.image_id(path.with_suffix("")) if path.suffix == SUFFIX else None


def size_of(upload_id: uuid.UUID) -> int | None:
    """How many bytes came, also while somebody writes; None without a file."""
    try:
        return path_of(upload_id).stat().st_size
    except FileNotFoundError:
        return None


@contextmanager
def held(upload_id: uuid.UUID, *, is_patient: bool = True) -> Iterator[PartFile]:
    """An upload's file, held against every other writer of any process.

    Raises:
        FileNotFoundError: there is none, or no longer.
        Refused: upload_locked: another still writes, after `PATIENCE_S` for the patient.
    """
    path = path_of(upload_id)
    handle = os.open(path, os.O_RDONLY)  # also where keeping it has made it read-only
    try:
        _lock(handle, time.monotonic() + (PATIENCE_S if is_patient else 0))
        if not os.fstat(handle).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "the file was removed while this waited")
        yield PartFile(path)
    finally:
        os.close(handle)


def _lock(handle: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Refused("upload_locked") from None
            time.sleep(0.05)


def _chunks(read: Callable[[int], bytes], length: int) -> Iterator[bytes]:
    while length > 0:
        try:
            chunk = read(min(CHUNK_BYTES, length))
        except OSError:  # the line broke: what came is kept
            return
        if not chunk:
            return
        length -= len(chunk)
        yield chunk


def _write(write: Callable[[memoryview], int | None], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[write(rest) or 0 :]
