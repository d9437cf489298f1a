"""Accepting a request to judge an image."""

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from detection import storage, validators
from detection.doorbell import ring
from detection.errors import Refused
from detection.models import Detection, Image, ModelVersion, Submission
from detection.uploads import DISK_IS_FULL, StoredUpload
from detection.words import TRANSIENT_FAILURES


def submit_image(
    *,
    by: User,
    upload: StoredUpload,
    via: str,
    api_key: ApiKey | None = None,
    priority: str = Submission.Priority.INTERACTIVE,
    metadata: dict[str, Any] | None = None,
    callback_url: str = "",
    is_confidential: bool = False,
) -> Submission:
    """Accept one request: the file durable first, then one transaction, then the doorbell.

    The same bytes from the same owner are judged once per model version; every request is kept. Any
    one request may make an image confidential, none makes it public again.
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
    is_new = not Image.objects.filter(owner=by, sha256=upload.sha256).exists()
    if is_new:
        _keep(upload, new_id)
    with transaction.atomic():
        image, created = Image.objects.get_or_create(owner=by, sha256=upload.sha256, defaults=facts)
        if is_confidential and not image.is_confidential:
            Image.objects.filter(pk=image.pk).update(is_confidential=True)
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
            metadata=metadata or {},
            callback_url=callback_url,
            via=via,
            priority=priority,
        )
        audit.record(
            "submission.accepted",
            actor=by,
            target=submission,
            owner=by,
            target_sha256=image.sha256,
            after={
                "image": str(image.pk),
                "detection": str(detection.pk),
                "via": via,
                "is_confidential": is_confidential,
            },
            detail={"file_name": submission.file_name},
        )
        if is_new_work:
            _ring_after_commit(detection)
        elif detection.failure_code in TRANSIENT_FAILURES:
            retry_detection(by=by, detection=detection)
    if is_new and not created:  # another request brought the same bytes in the meantime
        storage.drop_original(new_id)
    return submission


def retry_detection(*, by: User, detection: Detection) -> bool:
    """Queue a failed detection for another set of attempts; False when it is not failed."""
    limit = detection.attempt + Detection._meta.get_field("attempt_limit").default
    with transaction.atomic():
        won = Detection.objects.filter(
            pk=detection.pk, status=Detection.Status.FAILED, attempt=detection.attempt
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
        storage.keep_original(upload.path, image_id)
    except OSError as error:
        storage.drop_original(image_id)
        if error.errno in DISK_IS_FULL:
            raise Refused("disk_full") from error
        raise


def _ring_after_commit(detection: Detection) -> None:
    # Not a partial: Django names a robust callback that fails by its __qualname__.
    transaction.on_commit(lambda: ring(detection.pk, detection.queue), robust=True)


def _active_version() -> ModelVersion:
    try:
        return ModelVersion.objects.active()
    except ModelVersion.DoesNotExist:
        raise Refused("no_active_model") from None


def _queue_for(priority: str) -> str:
    is_bulk = priority == Submission.Priority.BULK
    return Detection.Queue.BULK if is_bulk else Detection.Queue.DETECT
