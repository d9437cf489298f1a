"""Accepting a request to judge an image."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from detection.errors import Refused
from detection.history_words import words_of
from detection.models import Batch, Case, Detection, Image, ModelVersion, Submission
from detection.services import cases, custody, waiting, webhooks
from detection.services.keeping import Kept, kept
from detection.uploads import StoredUpload
from detection.words import TRANSIENT_FAILURES

# Uploading brings what was missing, so a detection that failed for want of it gets another try.
MENDED_BY_UPLOAD = TRANSIENT_FAILURES | {"original_missing"}


@dataclass(frozen=True)
class Request:
    """What somebody asked for, beside the image itself; one request may bring many.

    Attributes:
        batch: the request's own row, where it brought many.
        case: the id of a case that the image goes into; empty for none.
        wants_review: whether a person is to look at it, whatever the verdict.
    """

    by: User
    via: str
    api_key: ApiKey | None = None
    priority: str = Submission.Priority.INTERACTIVE
    metadata: dict[str, Any] = field(default_factory=dict)
    callback_url: str = ""
    source_url: str = ""
    is_confidential: bool = False
    batch: Batch | None = None
    case: str = ""
    wants_review: bool = False


def submit_image(
    *,
    by: User,
    upload: StoredUpload,
    via: str,
    api_key: ApiKey | None = None,
    priority: str = Submission.Priority.INTERACTIVE,
    metadata: dict[str, Any] | None = None,
    callback_url: str = "",
    source_url: str = "",
    is_confidential: bool = False,
    case: str = "",
    wants_review: bool = False,
) -> Submission:
    """Accept one request: the file durable first, then one transaction, then the doorbell.

    The same bytes from the same owner are judged once per model version; every request is kept. Any
    one request may make an image confidential, none makes it public again: that is for its owner
    on the page. The bytes of an image whose stored original was lost, or found altered, put it
    back.
    A crash between file and row leaves an orphan, which the sweeper removes after a day.

    Raises:
        Refused: the file, or the moment, is not acceptable; nothing was kept.
    """
    request = Request(
        by,
        via,
        api_key,
        priority,
        metadata or {},
        callback_url,
        source_url,
        is_confidential=is_confidential,
        case=case,
        wants_review=wants_review,
    )
    with kept(upload, by=by) as file, transaction.atomic():
        return accept(file, request)


@dataclass(frozen=True)
class Written:
    """The rows of one accepted image; `events` are still to be recorded, after all rows.

    An event locks its chain, and whoever holds a chain while waiting for a row waits for the one
    who holds the row and wants the chain. So where one transaction writes several images, all of
    their rows come first.
    """

    submission: Submission
    events: tuple[Callable[[], object], ...]

    def record(self) -> None:
        for event in self.events:
            event()


def accept(file: Kept, request: Request) -> Submission:
    """Write what one accepted image is, in the caller's transaction; the doorbell rings after it.

    Raises:
        Refused: the moment is not acceptable; the transaction must not be committed.
    """
    (written,) = write([file], request, [request.metadata])
    if isinstance(written, Refused):
        raise written
    written.record()
    return written.submission


def write(
    files: Sequence[Kept],
    request: Request,
    metadata: Sequence[dict[str, Any]],
    places: Sequence[int | None] = (),
) -> list[Written | Refused]:
    """As `accept`, for several images in hardly more statements than for one; without the events.

    A refused image leaves no row.

    Args:
        metadata: of each file, instead of the request's.
        places: of each file in its batch, where it came in one.
    Raises:
        Refused: what the request as a whole would meet; the transaction must not be committed.
    """
    if request.wants_review and request.is_confidential:
        raise Refused("confidential_not_reviewed")
    case = cases.for_submission(request.by, request.case) if request.case else None
    version = ModelVersion.objects.serving()
    held = _images_of(files, request)
    found = [_admitted(file, held.get(file.upload.sha256), request) for file in files]
    images = {image.pk: image for image in found if isinstance(image, Image)}
    hidden = _hide(images.values()) if request.is_confidential else set()
    queue = waiting.queue_for(request.priority)
    detections, new, turns = _detections_of(images, version, queue, by=request.by)
    rows = [
        _Row(file, image, detections[image.pk], said, turns.get(image.pk), place)
        for file, image, said, place in zip(
            files, found, metadata, places or [None] * len(files), strict=True
        )
        if isinstance(image, Image)
    ]
    submissions = Submission.objects.bulk_create([_submission(row, request, case) for row in rows])
    if request.wants_review:
        # Also what ended long ago is looked at once more, by whoever looks at what has just ended.
        done = Detection.objects.filter(image__in=images, status=Detection.Status.DONE)
        done.filter(model_version=version).update(awaits_screening=True)
    written = []
    for row, submission in zip(rows, submissions, strict=True):
        pk = row.image.pk
        written.append(
            _followed_up(
                row,
                submission,
                is_confidential=request.is_confidential,
                is_new_work=pk in new,
                is_hidden_now=pk in hidden,
            )
        )
        new.discard(pk)  # of the same bytes twice in one request, the second finds them known
        hidden.discard(pk)
    good = iter(written)
    return [image if isinstance(image, Refused) else next(good) for image in found]


@dataclass(frozen=True)
class _Row:
    """One admitted file of a request, with its image held and its detection as it stands."""

    file: Kept
    image: Image
    detection: Detection
    metadata: dict[str, Any]
    turn: waiting.Turn | None
    place: int | None


def _images_of(files: Sequence[Kept], request: Request) -> dict[str, Image]:
    """The rows of these bytes, held fast; by their SHA-256, in whose order they are taken: of two
    requests that bring the same images, neither then waits for the other with some in its hands.
    """
    new = {
        file.upload.sha256: Image(
            id=file.new_id,
            owner=request.by,
            sha256=file.upload.sha256,
            is_confidential=request.is_confidential,
            **file.facts,
        )
        for file in reversed(files)
        if file.known is None  # what was known and is gone now is not made anew
    }
    Image.objects.bulk_create([new[sha256] for sha256 in sorted(new)], ignore_conflicts=True)
    wanted = {file.upload.sha256 for file in files}
    rows = Image.objects.filter(owner=request.by, sha256__in=wanted, erased_at=None)
    held = {row.sha256: row for row in rows.select_for_update().order_by("sha256")}
    for row in held.values():
        row.owner = request.by  # at hand, so not read again
    return held


def _admitted(file: Kept, image: Image | None, request: Request) -> Image | Refused:
    if image is None:  # erased since it was looked up, so the file was not kept
        return Refused("erased_meanwhile")
    file.is_named = image.pk == file.new_id
    if request.is_confidential and not image.is_confidential and image.held_at:
        return Refused("held_stays_visible")
    if request.wants_review and image.is_confidential:
        return Refused("confidential_not_reviewed")
    return image


def _hide(images: Iterable[Image]) -> set[uuid.UUID]:
    """Make images confidential; which of them were not."""
    hidden = {image.pk for image in images if not image.is_confidential}
    if hidden:
        Image.objects.filter(pk__in=hidden).update(is_confidential=True)
    return hidden


def _detections_of(
    images: Mapping[uuid.UUID, Image], version: ModelVersion, queue: str, *, by: User
) -> tuple[dict[uuid.UUID, Detection], set[uuid.UUID], dict[uuid.UUID, waiting.Turn]]:
    """By image: its detection by this version, whether it had none before, and when what is to
    wait comes up.

    The images are held, and so nobody else makes a detection of one meanwhile.
    """
    found = {}
    for row in Detection.objects.filter(image__in=images, model_version=version):
        row.image, row.model_version = images[row.image_id], version  # at hand
        found[row.image_id] = row
    now, new = timezone.now(), set(images) - set(found)
    wanted = {pk: queue for pk in images if pk in new}
    for pk, row in found.items():
        if row.failure_code in MENDED_BY_UPLOAD:
            wanted[pk] = row.queue
        elif queue == Detection.Queue.DETECT != row.queue and not row.is_finished:
            wanted[pk] = queue  # should it wait, it waits there
    turns = waiting.turns_of(wanted, by=by)
    made = [
        Detection(
            image=images[pk],
            model_version=version,
            queue=queue,
            turn=turns[pk].number,
            turn_of=by,
            rung_at=now,
        )
        for pk in images
        if pk in new
    ]
    for row in Detection.objects.bulk_create(made):
        found[row.image_id] = row
    return found, new, turns


def _submission(row: _Row, request: Request, case: Case | None) -> Submission:
    name = shown_name(row.file.upload.name)
    return Submission(
        image=row.image,
        detection=row.detection,
        by=request.by,
        api_key=request.api_key,
        batch=request.batch,
        batch_position=row.place,
        case=case,
        file_name=name,
        source_url=request.source_url,
        words=words_of(name, request.source_url),
        metadata=row.metadata,
        callback_url=request.callback_url,
        via=request.via,
        priority=request.priority,
        wants_review=request.wants_review,
    )


def _followed_up(
    row: _Row,
    submission: Submission,
    *,
    is_confidential: bool,
    is_new_work: bool,
    is_hidden_now: bool,
) -> Written:
    """What a submission brings about: the doorbell, another try, its case, its callback."""
    image, detection, by, turn = row.image, row.detection, submission.by, row.turn
    events: list[Callable[[], object]] = []
    if is_hidden_now:
        events += custody.withdraw(image, by=by)
    if submission.case is not None:
        events += cases.enter_submitted(submission.case, image, by)
    if submission.callback_url:
        detection = webhooks.expect_callback(submission, tried_again=MENDED_BY_UPLOAD)
    if is_new_work:
        waiting.ring_after_commit(detection)
    elif turn is not None and detection.failure_code in MENDED_BY_UPLOAD:
        if turn.queue == detection.queue and (queued_again := waiting.queue_again(detection, turn)):
            events.append(partial(waiting.record_retry, by, *queued_again))
    elif turn is not None and turn.queue != detection.queue:
        waiting.hurry(detection, turn)
    if row.file.is_restored:
        events.append(partial(_record_restoration, by, image))
    if is_hidden_now:
        hide = partial(custody.record_confidentiality, by=by, image=image)
        events.append(partial(hide, is_confidential=True))
    accept = partial(_record_acceptance, submission)
    events.append(partial(accept, is_confidential=is_confidential))
    return Written(submission, tuple(events))


def _record_restoration(by: User, image: Image) -> None:
    audit.record("image.restored", actor=by, target=image, owner=by, target_sha256=image.sha256)


def shown_name(client_name: str | None) -> str:
    """The client's file name as plain text for display: printable, at most 400 characters."""
    printable = "".join(char for char in client_name or "" if char.isprintable())
    return printable.strip()[:400]


def _record_acceptance(submission: Submission, *, is_confidential: bool) -> None:
    audit.record(
        "submission.accepted",
        actor=submission.by,
        target=submission,
        owner=submission.image.owner,
        target_sha256=submission.image.sha256,
        after={
            "image": str(submission.image_id),
            "detection": str(submission.detection_id),
            "via": submission.via,
            "is_confidential": is_confidential,
        },
        detail={"file_name": submission.file_name}
        | ({"source_url": submission.source_url} if submission.source_url else {}),
    )
