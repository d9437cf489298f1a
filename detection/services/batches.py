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
from detection.models import Batch, Detection, Submission
from detection.services import submission
from detection.services.submission import Kept, Request
from detection.uploads import StoredUpload

MAX_IMAGES = 100
SYNCS_AT_ONCE = 8  # a file system writes syncs that come together in one go


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a submission, or why there is none."""

    file_name: str
    submission: Submission | None = None
    refusal: Refused | None = None


@contextmanager
def kept(uploads: Sequence[StoredUpload], *, by: User) -> Iterator[list[Kept | Refused]]:
    """Make every acceptable upload durable, in their order; see `submission.kept`."""
    files = _keep_all(uploads, by=by)
    good = [file for file in files if isinstance(file, Kept)]
    try:
        yield files
    except NothingKept:
        for file in good:
            submission.drop(file)
        raise
    for file in good:
        if not file.is_named:
            submission.drop(file)


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
    outcomes = []
    for file, upload, about in zip(files, uploads, metadata, strict=True):
        name = submission.shown_name(upload.name)
        wanted = replace(request, batch=batch, metadata=about)
        outcomes.append(Outcome(name, *_accepted(file, wanted)))
    return batch, outcomes


def progress(batch: Batch) -> dict[str, int]:
    """How many of its images are in each state; `refused` never became one."""
    found = (
        Submission.objects.filter(batch=batch)
        .values_list("detection__status")
        .annotate(count=Count("pk"))
    )
    counts = dict.fromkeys(Detection.Status.values, 0) | dict(found)
    return {**counts, "refused": batch.size - sum(counts.values())}


def _accepted(file: Kept | Refused, wanted: Request) -> tuple[Submission | None, Refused | None]:
    if isinstance(file, Refused):
        return None, file
    try:
        with transaction.atomic():
            return submission.accept(file, wanted), None
    except Refused as refusal:
        file.is_named = False
        return None, refusal


def _keep_all(uploads: Sequence[StoredUpload], *, by: User) -> list[Kept | Refused]:
    checked = [_check(upload, by) for upload in uploads]
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        return list(pool.map(_store, checked))


def _check(upload: StoredUpload, by: User) -> Kept | Refused:
    try:
        return submission.check(upload, by=by)
    except Refused as refusal:
        return refusal


def _store(file: Kept | Refused) -> Kept | Refused:
    if isinstance(file, Refused):
        return file
    try:
        submission.store(file)
    except Refused as refusal:
        return refusal
    return file
