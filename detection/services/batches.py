"""Accepting many images in one request: one bad file never fails the rest."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count

from accounts.models import User
from detection.errors import NothingKept, Refused
from detection.models import Batch, Detection, Image, ModelVersion, Submission
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
    good = [number for number, file in enumerate(files) if isinstance(file, Kept)]
    written = submission.write(
        [file for file in files if isinstance(file, Kept)],
        replace(request, batch=batch),
        [metadata[number] for number in good],
        good,
    )
    found: dict[int, Written | Refused] = dict(zip(good, written, strict=True))
    outcomes, refused = [], {}
    for number, (file, upload) in enumerate(zip(files, uploads, strict=True)):
        one, name = found.get(number, file), submission.shown_name(upload.name)
        if isinstance(one, Written):
            one.record()
            outcomes.append(Outcome(name, one.submission))
        elif isinstance(one, Refused):
            outcomes.append(Outcome(name, refusal=one))
            refused[str(number)] = one.code
    if refused:
        batch.refused = refused
        batch.save(update_fields=["refused"])
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


def _keep_all(uploads: Sequence[StoredUpload], *, by: User) -> list[Kept | Refused]:
    ModelVersion.objects.serving()  # before many bytes are written for a desk that cannot judge
    known = keeping.known_to(by, uploads)
    checked = [_check(upload, known.get(upload.sha256)) for upload in uploads]
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        return list(pool.map(_store, checked))


def _check(upload: StoredUpload, known: Image | None) -> Kept | Refused:
    try:
        return keeping.check(upload, known)
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
