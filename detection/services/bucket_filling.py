"""Bringing what machines share from a data folder into a bucket, file by file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from detection import bucket, storage
from detection.models import Installation
from detection.services.installation import ForeignData

MARK = "installation"
# Not previews, which are drawn again.
KINDS = ("originals", "reports", "labelled", "snapshots", "artifacts", "imports", "orphans")


@dataclass
class Filled:
    """How many files were brought, were there already, and are there with other bytes."""

    brought: int = 0
    known: int = 0
    differing: int = 0


def fill(filled: Filled) -> Iterator[str]:
    """Copy every file that is not there yet, and count; gives the name of each that differs.

    The mark goes last, so that no desk starts on half a bucket. Nothing here is removed.

    Raises:
        ForeignData: folder, database and bucket are not one installation's; nothing was copied.
        StorageAway: the bucket does not answer; saying it again goes on.
    """
    row = Installation.objects.first()
    mark = settings.DATA_DIR / MARK
    ours = f"{row.pk}\n".encode() if row else b""
    if not mark.is_file() or mark.read_bytes() != ours:
        raise ForeignData(f"{settings.DATA_DIR} does not belong to the database in use.")
    if storage.exists(mark) and storage.read(mark) != ours:
        raise ForeignData(f"The bucket {settings.S3_BUCKET} belongs to another installation.")
    for path in sorted(_files()):
        if not _bring(path, filled):
            yield storage.name_of(path)
    _bring(mark, filled)


def _files() -> Iterator[Path]:
    for kind in KINDS:
        yield from (path for path in (settings.DATA_DIR / kind).rglob("*") if path.is_file())


def _bring(path: Path, filled: Filled) -> bool:
    """False where an object of the name has other bytes, which stay."""
    name = storage.name_of(path)
    if bucket.exists(name):
        is_same = bucket.stated_sha256(name) == storage.sha256_of(path)
        filled.known += is_same
        filled.differing += not is_same
        return is_same
    with path.open("rb") as file:
        bucket.put(name, file, is_new=True)
    filled.brought += 1
    return True
