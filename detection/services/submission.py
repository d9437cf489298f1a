"""Accepting a request to judge an image."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from detection import storage, validators
from detection.doorbell import ring
from detection.errors import Refused
from detection.models import Detection, Image, ModelVersion, Submission
from detection.services import webhooks
from detection.services.custody import record_confidentiality
from detection.uploads import DISK_IS_FULL, StoredUpload
from detection.words import TRANSIENT_FAILURES

# Uploading brings what was missing, so a detection that failed for want of it gets another try.
MENDED_BY_UPLOAD = TRANSIENT_FAILURES | {"original_missing"}


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
    header = validators.accept(upload)
    version = _active_version()
    new_id = uuid.uuid4()
    facts = {
        "id": new_id,
        "size_bytes": upload.size,
        "format": header.format,
        "media_type": header.media_type,
        "width": header.width,
        "height": header.height,
        "is_confidential": is_confidential,
    }
    known = Image.objects.filter(owner=by, sha256=upload.sha256).first()
    if known is None:
        _keep(upload, new_id)
    is_restored = known is not None and _restore_if_lost(upload, known)
    with transaction.atomic():
        image, created = Image.objects.get_or_create(owner=by, sha256=upload.sha256, defaults=facts)
        is_hidden_now = False
        if not created:
            image = _held_fast(image)
            is_hidden_now = is_confidential and not image.is_confidential
            if is_hidden_now and image.held_at:
                raise Refused("held_stays_visible")
            if is_hidden_now:
                Image.objects.filter(pk=image.pk).update(is_confidential=True)
        elif known is not None:  # erased since it was looked up, so the file was not kept
            raise Refused("erased_meanwhile")
        detection, is_new_work = Detection.objects.get_or_create(
            image=image,
            model_version=version,
            defaults={"queue": _queue_for(priority), "rung_at": timezone.now()},
        )
        submission = Submission.objects.create(
            image=image,
            detection=detection,
            by=by,
            api_key=api_key,
            file_name=shown_name(upload.name),
            source_url=source_url,
            metadata=metadata or {},
            callback_url=callback_url,
            via=via,
            priority=priority,
        )
        # Every row before the first event: an event locks its chain, and whoever holds a chain
        # while waiting for a row waits for the one who holds the row and wants the chain.
        if callback_url:
            detection = webhooks.expect_callback(submission, tried_again=MENDED_BY_UPLOAD)
        if is_new_work:
            _ring_after_commit(detection)
        elif detection.failure_code in MENDED_BY_UPLOAD:
            retry_detection(by=by, detection=detection)
        if is_restored:
            audit.record(
                "image.restored", actor=by, target=image, owner=by, target_sha256=image.sha256
            )
        if is_hidden_now:
            record_confidentiality(by=by, image=image, is_confidential=True)
        _record_acceptance(submission, is_confidential=is_confidential)
    if known is None and not created:  # another request brought the same bytes in the meantime
        storage.drop_original(new_id)
    return submission


def _held_fast(image: Image) -> Image:
    """The same row, which nobody can erase until this transaction ends."""
    row = Image.objects.select_for_update().filter(pk=image.pk, erased_at=None).first()
    if row is None:
        raise Refused("erased_meanwhile")
    return row


def retry_detection(*, by: User, detection: Detection) -> bool:
    """Queue a failed detection for another set of attempts; False when it is not failed."""
    limit = detection.attempt + Detection._meta.get_field("attempt_limit").default
    with transaction.atomic():
        won = Detection.objects.filter(
            pk=detection.pk,
            status=Detection.Status.FAILED,
            attempt=detection.attempt,
            image__erased_at=None,
        ).update(
            status=Detection.Status.QUEUED,
            failure_code="",
            completed_at=None,
            attempt_limit=limit,
            queued_at=timezone.now(),
            rung_at=timezone.now(),
        )
        if won:
            audit.record(
                "detection.retried",
                actor=by,
                target=detection,
                owner=detection.image.owner,
                target_sha256=detection.image.sha256,
                before={"status": "failed", "failure_code": detection.failure_code},
                after={"status": "queued", "attempt_limit": limit},
            )
            _ring_after_commit(detection)
    return bool(won)


def shown_name(client_name: str | None) -> str:
    """The client's file name as plain text for display: printable, at most 400 characters."""
    printable = "".join(char for char in client_name or "" if char.isprintable())
    return printable.strip()[:400]


def _keep(upload: StoredUpload, image_id: uuid.UUID) -> None:
    try:
        with _refused_when_full():
            storage.keep_original(upload.path, image_id)
    except (OSError, Refused):
        storage.drop_original(image_id)
        raise


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


def _restore_if_lost(upload: StoredUpload, image: Image) -> bool:
    """Put a missing original back, or one that judging found altered; hashing each costs time."""
    if storage.original_path(image.pk).is_file():
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


def _ring_after_commit(detection: Detection) -> None:
    def announce() -> None:
        if not ring(detection.pk, detection.queue):
            # Due at once, not only when this doorbell counts as unheard.
            Detection.objects.filter(pk=detection.pk).update(rung_at=None)

    transaction.on_commit(announce, robust=True)


def _active_version() -> ModelVersion:
    try:
        return ModelVersion.objects.active()
    except ModelVersion.DoesNotExist:
        raise Refused("no_active_model") from None


def _queue_for(priority: str) -> str:
    is_bulk = priority == Submission.Priority.BULK
    return Detection.Queue.BULK if is_bulk else Detection.Queue.DETECT
