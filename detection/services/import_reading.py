"""The first half of an import: list its files, then read each through the limited decoder."""

import time

from django.db import transaction

from detection import labelled_files
from detection.import_sources import ImportSource
from detection.labelled_files import Listed, Seen
from detection.models import DatasetImport, ImportedFile

Outcome, Stage = ImportedFile.Outcome, DatasetImport.Stage
ROWS_AT_ONCE = 1_000
FILES_AT_ONCE, SECONDS_AT_ONCE = 20, 2.0  # so much is read anew after a crash
READ_COLUMNS = ["outcome", "note", "sha256", "perceptual_hash", "mirrored_hash", "key"]


def list_files(claim: DatasetImport, source: ImportSource) -> None:
    """A row for every file, all of them or none.

    Raises:
        Refused: there is nothing to import.
        LeaseLost: another worker holds the import.
    """
    dataset = claim.dataset
    found = labelled_files.listed(source, name=dataset.name, licence=dataset.licence)
    with transaction.atomic():
        claim.advance(stage=Stage.READ, total=len(found), done=0)
        claim.files.all().delete()
        rows = (_row(claim, at, one) for at, one in enumerate(found))
        ImportedFile.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def read_files(claim: DatasetImport, source: ImportSource, *, ends_at: float) -> bool:
    """Read files until the time is over; whether all of them were read.

    Raises:
        LeaseLost: another worker holds the import.
        ml.errors.DecoderUnavailable: the decoder does not start.
    """
    if claim.stage != Stage.READ:
        return True
    waiting = claim.files.filter(outcome=Outcome.WAITING).order_by("position")
    while rows := list(waiting[:FILES_AT_ONCE]):
        _keep(claim, _read_some(rows, source))
        if time.monotonic() >= ends_at:
            break
    if waiting.exists():
        return False
    claim.advance(stage=Stage.GROUP, done=claim.total)
    return True


def _read_some(rows: list[ImportedFile], source: ImportSource) -> list[ImportedFile]:
    """Those of the rows that were read within a moment, at least one."""
    ends_at, done = time.monotonic() + SECONDS_AT_ONCE, []
    for row in rows:
        _fill(row, labelled_files.seen(source, row.name, sha256=row.sha256))
        done.append(row)
        if time.monotonic() >= ends_at:
            break
    return done


def _keep(claim: DatasetImport, rows: list[ImportedFile]) -> None:
    with transaction.atomic():
        claim.advance()
        ImportedFile.objects.bulk_update(rows, READ_COLUMNS)
        left = claim.files.filter(outcome=Outcome.WAITING).count()
        claim.advance(done=claim.total - left)


def _fill(row: ImportedFile, seen: Seen) -> None:
    row.outcome, row.note = seen.outcome, seen.note[:200]
    row.sha256 = row.key = seen.sha256 or row.sha256
    row.perceptual_hash, row.mirrored_hash = seen.upright, seen.mirrored


def _row(claim: DatasetImport, position: int, one: Listed) -> ImportedFile:
    return ImportedFile(
        dataset_import=claim,
        position=position,
        name=one.name,
        outcome=one.outcome,
        note=one.note[:200],
        label=one.label,
        source=one.source,
        method=one.method,
        stated_group=one.group,
        stated_split=one.split,
        sha256=one.sha256,
    )
