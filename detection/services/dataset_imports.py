"""Imports of labelled files: ordered on a page, by the API or on the command line, then worked
off in slices by the bulk queue, so that a long one holds nobody up.

The database owns the work. Each slice is an attempt with a lease of its own and rings for the
next; only attempts that came no further are counted, so a worker may be killed at any moment.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from detection import doorbell, storage
from detection.errors import Refused, StorageAway
from detection.import_sources import checked_archive, opened
from detection.models import Dataset, DatasetImport, ImportedFile
from detection.models.dataset import LeaseLost
from detection.services import import_placing, import_reading
from detection.services.submission import shown_name
from detection.uploads import DISK_IS_FULL, StoredUpload
from detection.validators import at_most
from ml.errors import DecoderUnavailable

log = logging.getLogger(__name__)

QUEUE = "bulk"
TASK = "detection.tasks.import_labelled"
SLICE_S = 12.0
Stage = DatasetImport.Stage


def order_archive(*, by: User | None, dataset: Dataset, upload: StoredUpload) -> DatasetImport:
    """Import an uploaded ZIP; it is durable before any row names it.

    Raises:
        Refused: it is too large, damaged or hostile, or the dataset is filled by reviews.
    """
    if upload.refusal:
        is_too_large = upload.refusal == "too_large"
        raise Refused(upload.refusal, at_most(settings.MAX_ARCHIVE_BYTES) if is_too_large else "")
    if not upload.size:
        raise Refused("empty_file")
    _refuse_reviews(dataset)
    with checked_archive(upload.path):
        pass
    name = shown_name(os.path.basename(upload.name or "")) or "archive.zip"
    row = DatasetImport(dataset=dataset, by=by, name=name)
    row.path = str(storage.import_path(row.pk).resolve())
    storage.keep_durably(upload.path, Path(row.path))
    try:
        return _ordered(row)
    except BaseException:
        storage.remove(Path(row.path))
        raise


def order_path(*, by: User | None, dataset: Dataset, path: str) -> DatasetImport:
    """Import a folder, manifest or archive that lies below the desk's folder for that.

    Args:
        path: relative to `UNMASK_IMPORT_DIR`.
    Raises:
        Refused: the desk imports from no folder, or there is no such thing below it.
    """
    if settings.IMPORT_DIR is None:
        raise Refused("import_folder_off")
    top = settings.IMPORT_DIR.resolve()
    try:
        found = (top / path).resolve()
        is_there = found.is_relative_to(top) and found.exists()
    except (OSError, ValueError):  # a NUL, or a name longer than any may be
        is_there = False
    if not path or not is_there:
        raise Refused("import_path_outside")
    return order_local(by=by, dataset=dataset, path=found)


def order_local(
    *, by: User | None, dataset: Dataset, path: Path, is_rung: bool = True
) -> DatasetImport:
    """Import what an operator names, wherever it lies.

    Raises:
        Refused: there is no such thing, or the archive is hostile.
    """
    _refuse_reviews(dataset)
    with opened(path.resolve()):
        pass
    row = DatasetImport(dataset=dataset, by=by, name=path.name[:200], path=str(path.resolve()))
    return _ordered(row, is_rung=is_rung)


def work(import_id: uuid.UUID | str, *, worker: str, seconds: float = SLICE_S) -> bool:
    """Work one slice off; whether there is more to do.

    A repeated delivery, or a second worker, finds nothing to claim and returns.
    """
    claim = DatasetImport.objects.claim(import_id, worker=worker)
    if claim is None:
        return False
    ends_at = time.monotonic() + seconds
    try:
        is_ended = _worked(claim, ends_at)
    except LeaseLost:
        return False
    except (DecoderUnavailable, StorageAway) as error:
        log.error("import %s: %s", claim.pk, error.code)
        return _paused(claim)
    except Refused as refusal:
        _fail(claim, refusal.code)
        return False
    except OSError as error:
        log.error("import %s: %s", claim.pk, error.strerror)
        _fail(claim, "disk_full" if error.errno in DISK_IS_FULL else "import_path_gone")
        return False
    return False if is_ended else _paused(claim)


def give_up_slice(import_id: uuid.UUID | str, *, worker: str) -> None:
    """End the slice that this process had begun when its time ran out; another goes on."""
    held = DatasetImport.objects.filter(
        pk=import_id, status=DatasetImport.Status.RUNNING, lease_owner=worker
    )
    for row in held:
        _paused(row)


def ring(imports: Iterable[uuid.UUID]) -> bool:
    """Have these imports worked on; False where the broker is away and the sweeper has to."""
    return all(doorbell.send(TASK, [str(pk)], QUEUE) for pk in imports)


def ring_waiting(*, again_after: timedelta, at_most: int) -> int:
    """Ring for rows nobody took and for expired leases, those unheard longest first."""
    waiting = DatasetImport.objects.unheard(again_after)
    some = list(waiting.values_list("pk", flat=True)[:at_most])
    if not some or not ring(some):
        return 0
    DatasetImport.objects.filter(pk__in=some).update(rung_at=Now())
    return len(some)


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    return sum(_fail(row, "attempts_exhausted") for row in DatasetImport.objects.exhausted())


def outcomes(row: DatasetImport) -> dict[str, int]:
    """How many files became what, those that became anything."""
    rows = row.files.order_by().values("outcome").annotate(files=Count("pk"))
    found = {one["outcome"]: one["files"] for one in rows}
    return {name: found[name] for name in ImportedFile.Outcome.values if name in found}


def _ordered(row: DatasetImport, *, is_rung: bool = True) -> DatasetImport:
    with transaction.atomic():
        if not is_rung:  # whoever ordered it works it off at once; the sweeper need not
            row.rung_at = Now()
        row.save(force_insert=True)
        audit.record(
            "dataset_import.ordered",
            actor=row.by,
            target=row,
            after={"dataset": str(row.dataset_id), "name": row.name},
        )
        if is_rung:
            transaction.on_commit(lambda: ring([row.pk]), robust=True)
    return row


def _refuse_reviews(dataset: Dataset) -> None:
    if dataset.is_of_reviews:
        raise Refused("dataset_fills_itself")


def _worked(claim: DatasetImport, ends_at: float) -> bool:
    """Go through the stages until the time is over; whether the last one ended."""
    if claim.stage in {Stage.LIST, Stage.READ}:
        with storage.local(Path(claim.path)) as path, opened(path) as source:
            if claim.stage == Stage.LIST:
                import_reading.list_files(claim, source)
            if not import_reading.read_files(claim, source, ends_at=ends_at):
                return False
    if claim.stage == Stage.GROUP:
        import_placing.group_files(claim)
    if not import_placing.place_files(claim, ends_at=ends_at):
        return False
    if claim.complete(outcomes(claim)):
        _drop_archive(claim)
    return True


def _paused(claim: DatasetImport) -> bool:
    """Leave the rest for another slice; False where none may follow."""
    if claim.pause():
        if ring([claim.pk]):
            DatasetImport.objects.filter(pk=claim.pk).update(rung_at=Now())
        return True
    _fail(claim, "attempts_exhausted")
    return False


def _fail(claim: DatasetImport, code: str) -> bool:
    log.warning("import %s: %s", claim.pk, code)
    is_ended = claim.fail(code, outcomes(claim))
    if is_ended:
        _drop_archive(claim)
    return is_ended


def _drop_archive(row: DatasetImport) -> None:
    """The archive of an import that ended; folders of the server are not ours."""
    storage.remove(storage.import_path(row.pk))
