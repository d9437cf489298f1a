"""Accepting many images in one request: one bad file never fails the rest."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import Count

from accounts.models import User
from detection.errors import NothingKept, Refused
from detection.models import Batch, Detection, Image, Submission
from detection.services import keeping, submission
from detection.services.keeping import Kept
from detection.services.submission import Request, Written
from detection.uploads import StoredUpload

MAX_IMAGES = 100
# Statuses that say nothing of a file: the same request may do later, whole.
DESK_IS_TO_BLAME = {503, 507}
SYNCS_AT_ONCE = 8  # a file system writes syncs that come together in one go


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a submission, or why there is none."""

    file_name: str
    submission: Submission | None = None
    refusal: Refused | None = None


@contextmanager
def kept(uploads: Sequence[StoredUpload], *, by: User) -> Iterator[list[Kept | Refused]]:
    """Make every acceptable upload durable, in their order; see `keeping.kept`.

    Raises:
        Refused: what every file would meet, such as a full disk; nothing was kept.
    """
    files = _keep_all(uploads, by=by)
    good = [file for file in files if isinstance(file, Kept)]
    for file in files:
        if isinstance(file, Refused) and file.status in DESK_IS_TO_BLAME:
            for other in good:
                keeping.drop(other)
            raise file
    try:
        yield files
    except NothingKept:
        for file in good:
            keeping.drop(file)
        raise
    for file in good:
        if not file.is_named:
            keeping.drop(file)


def accept(
    files: Sequence[Kept | Refused],
    uploads: Sequence[StoredUpload],
    request: Request,
    metadata: Sequence[dict[str, Any]],
) -> tuple[Batch, list[Outcome]]:
    """Write what a batch is, in the caller's transaction.

    Args:
        files: what `kept` gave for the uploads.
        metadata: of each image.
    """
    batch = Batch.objects.create(by=request.by, api_key=request.api_key, size=len(uploads))
    if request.is_confidential:  # what was learnt of one goes, and images are held before datasets
        _hold_known(request.by, uploads)
    found: dict[int, Written | Refused] = {}
    # In the order of the bytes, so that two batches that hold the same images do not each wait for
    # the other; and every row before the first event, as `submission.Written` says.
    for number in sorted(range(len(files)), key=lambda number: uploads[number].sha256):
        wanted = replace(request, batch=batch, metadata=metadata[number])
        found[number] = _written(files[number], wanted)
    outcomes = []
    for number, upload in enumerate(uploads):
        one, name = found[number], submission.shown_name(upload.name)
        if isinstance(one, Refused):
            outcomes.append(Outcome(name, refusal=one))
        else:
            one.record()
            outcomes.append(Outcome(name, one.submission))
    return batch, outcomes


def _hold_known(by: User, uploads: Sequence[StoredUpload]) -> None:
    known = Image.objects.filter(owner=by, sha256__in={upload.sha256 for upload in uploads})
    list(known.select_for_update().order_by("sha256").values_list("pk"))


def progress(batch: Batch) -> dict[str, int]:
    """How many of its images are in each state; `refused` never became one."""
    found = (
        Submission.objects.filter(batch=batch)
        .values_list("detection__status")
        .annotate(count=Count("pk"))
    )
    counts = dict.fromkeys(Detection.Status.values, 0) | dict(found)
    return {**counts, "refused": batch.size - sum(counts.values())}


def _written(file: Kept | Refused, wanted: Request) -> Written | Refused:
    if isinstance(file, Refused):
        return file
    try:
        with transaction.atomic():
            return submission.write(file, wanted)
    except Refused as refusal:
        file.is_named = False
        return refusal


def _keep_all(uploads: Sequence[StoredUpload], *, by: User) -> list[Kept | Refused]:
    checked = [_check(upload, by) for upload in uploads]
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        return list(pool.map(_store, checked))


def _check(upload: StoredUpload, by: User) -> Kept | Refused:
    try:
        return keeping.check(upload, by=by)
    except Refused as refusal:
        return refusal


def _store(file: Kept | Refused) -> Kept | Refused:
    if isinstance(file, Refused):
        return file
    try:
        keeping.store(file)
    except Refused as refusal:
        return refusal
    return file
