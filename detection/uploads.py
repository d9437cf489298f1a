"""Streams an upload to disk while hashing and counting it; nothing over the limit is stored."""

import errno
import hashlib
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload
from django.http import HttpRequest

from detection import storage

DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT}
# Past this we cut the connection instead of reading on just to answer politely.
PATIENCE = 4
MAX_REQUEST_BYTES = 500 * 1024 * 1024  # all files of one request together
# Addresses that take archives of labelled images, from administrators; by name.
ARCHIVE_ROUTES = {"dataset_import", "api_dataset_imports"}
REFUSAL = "upload_refusal"  # attribute of a request whose body was cut short, naming why


class StoredUpload(UploadedFile):
    """An upload on disk, not yet kept. Closing or forgetting it removes what was not kept.

    `refusal` names why there is no usable file: "too_large", "disk_full" or empty.
    """

    file: BinaryIO

    def __init__(
        self, file: BinaryIO, path: Path, name: str | None, content_type: str | None
    ) -> None:
        super().__init__(file, name=name, content_type=content_type, size=0)
        self.name = name  # without one, Django would take that of our file
        self.path = path
        self.sha256 = ""
        self.refusal = ""
        # A request that breaks off is not closed by Django, only let go.
        self._remove = weakref.finalize(self, path.unlink, missing_ok=True)

    def close(self) -> None:
        super().close()
        self._remove()


class UploadWriter:
    """Writes one upload to `incoming/`; what is refused keeps none of its bytes."""

    def __init__(
        self, name: str | None, content_type: str | None = None, max_bytes: int | None = None
    ) -> None:
        self.max_bytes = settings.MAX_UPLOAD_BYTES if max_bytes is None else max_bytes
        path = storage.incoming_dir() / uuid.uuid4().hex
        self.upload = StoredUpload(path.open("xb+"), path, name, content_type)
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Hash, count and store the next bytes, unless the upload is refused by them."""
        self.upload.size = (self.upload.size or 0) + len(data)
        if self.upload.size > self.max_bytes:
            self.refuse("too_large")
            return
        self._hash.update(data)
        with self._refused_when_full():
            self.upload.file.write(data)

    def finish(self) -> StoredUpload:
        """The upload with its SHA-256, to be read from its beginning."""
        if not self.upload.refusal:
            with self._refused_when_full():
                self.upload.file.flush()
        self.upload.sha256 = self._hash.hexdigest()
        self.upload.file.seek(0)
        return self.upload

    def refuse(self, code: str) -> None:
        self.upload.refusal = code
        self.upload.file.truncate(0)

    @contextmanager
    def _refused_when_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in DISK_IS_FULL:
                raise
            self.refuse("disk_full")


def interrupted(request: HttpRequest) -> str:
    """Code of why a request's body was not read to its end; empty when it was."""
    return getattr(request, REFUSAL, "")


def uploaded(request: HttpRequest, field: str) -> list[StoredUpload]:
    """The files of one form field, as our handler stored them."""
    return [file for file in request.FILES.getlist(field) if isinstance(file, StoredUpload)]


def _max_bytes(request: HttpRequest | None) -> int:
    """The largest file that this request may bring."""
    route = getattr(getattr(request, "resolver_match", None), "url_name", "")
    is_administrator = getattr(getattr(request, "user", None), "is_superuser", False)
    if route in ARCHIVE_ROUTES and is_administrator:
        return settings.MAX_ARCHIVE_BYTES
    return settings.MAX_UPLOAD_BYTES


class StreamToDiskUploadHandler(FileUploadHandler):
    """One file at a time: SHA-256 and byte count on the way to `incoming/`."""

    chunk_size = 256 * 1024

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803 (Django's own name)
        content_length: int,
        *rest: Any,
    ) -> None:
        self.body_length = content_length
        self.received = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open a file for somebody known; a stranger's bytes are read past, not stored."""
        user = getattr(self.request, "user", None)
        if user is None or not user.is_authenticated:
            raise SkipFile
        super().new_file(*args, **kwargs)
        self.max_bytes = _max_bytes(self.request)
        self.writer = UploadWriter(self.file_name or None, self.content_type, self.max_bytes)
        # By this name Django finds, and closes, what it was reading when it stops.
        self.file = self.writer.upload

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.file.refusal:
            return
        self.received += len(raw_data)
        if self.received > max(MAX_REQUEST_BYTES, self.max_bytes):
            self.writer.refuse("too_large")
            self._break_off()
        self.writer.write(raw_data)
        is_too_large = self.file.refusal == "too_large"
        if is_too_large and self.body_length > PATIENCE * self.max_bytes:
            self._break_off()

    def file_complete(self, file_size: int) -> StoredUpload:
        upload = self.writer.finish()
        upload.size = file_size
        return upload

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()

    def _break_off(self) -> NoReturn:
        setattr(self.request, REFUSAL, "too_large")
        raise StopUpload(connection_reset=True)
