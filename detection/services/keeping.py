"""Making what was uploaded durable before any row names it."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from detection import storage, validators
from detection.errors import NothingKept, Refused, StorageAway
from detection.models import Image, ModelVersion
from detection.uploads import DISK_IS_FULL, StoredUpload


@dataclass
class Kept:
    """An upload that is durable, or known already, before any row says so.

    Attributes:
        facts: what the header says, as columns of Image.
        known: the image of the same bytes and owner, if there was one.
        is_named: whether a row names the new file.
    """

    upload: StoredUpload
    facts: dict[str, Any]
    new_id: uuid.UUID
    known: Image | None
    is_restored: bool
    is_named: bool = False


@contextmanager
def kept(upload: StoredUpload, *, by: User) -> Iterator[Kept]:
    """Make an upload durable for a transaction that names it; undone where none did.

    After any error but a refusal the bytes stay: the transaction may have reached the database.

    Raises:
        Refused: the file, or the moment, is not acceptable; nothing was kept.
    """
    file = keep(upload, by=by)
    try:
        yield file
    except NothingKept:
        drop(file)
        raise
    if not file.is_named:  # another request brought the same bytes in the meantime
        drop(file)


def keep(upload: StoredUpload, *, by: User) -> Kept:
    """Check an upload and make its bytes durable; see `kept`, which also undoes it.

    Raises:
        Refused: the file, or the moment, is not acceptable; nothing was kept.
    """
    file = check(upload, known_to(by, [upload]).get(upload.sha256))
    ModelVersion.objects.serving()  # before many bytes are written for a desk that cannot judge
    store(file)
    return file


def known_to(owner: User, uploads: Iterable[StoredUpload]) -> dict[str, Image]:
    """A person's images of the same bytes as these, by their SHA-256."""
    wanted = {upload.sha256 for upload in uploads}
    return {image.sha256: image for image in owner.images.filter(sha256__in=wanted)}


def check(upload: StoredUpload, known: Image | None) -> Kept:
    """What a header says, before the bytes are durable; puts a lost original back.

    Args:
        known: the image of the same bytes and owner, if there is one.
    Raises:
        Refused: as `keep`.
    """
    header = validators.accept(upload)
    facts = {
        "size_bytes": upload.size,
        "format": header.format,
        "media_type": header.media_type,
        "width": header.width,
        "height": header.height,
    }
    is_restored = known is not None and _restore_if_lost(upload, known)
    return Kept(upload, facts, uuid.uuid4(), known, is_restored)


def store(file: Kept) -> None:
    """Make new bytes durable. Asks no database, so that many may be synced at once.

    Raises:
        Refused: the disk is full; nothing was kept.
    """
    if file.known is None:
        _keep(file.upload, file.new_id)


def drop(file: Kept) -> None:
    """Remove the bytes that no row names."""
    if file.known is None:
        _drop(file.new_id)


def _drop(image_id: uuid.UUID) -> None:
    with suppress(OSError, StorageAway):  # what stays no row names, and is found after a day
        storage.drop_original(image_id)


def _keep(upload: StoredUpload, image_id: uuid.UUID) -> None:
    try:
        with _refused_when_full():
            storage.keep_original(upload.path, image_id)
    except (OSError, Refused):
        _drop(image_id)
        raise


def _restore_if_lost(upload: StoredUpload, image: Image) -> bool:
    """Put a missing original back, or one that judging found altered; hashing each costs time."""
    if storage.exists(storage.original_path(image.pk)):
        is_suspect = image.detections.filter(failure_code="original_missing").exists()
        if not is_suspect or storage.is_intact(image.pk, image.sha256):
            return False
    with _refused_when_full():
        storage.restore_original(upload.path, image.pk)
    return True


@contextmanager
def _refused_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise Refused("disk_full") from error
        raise
