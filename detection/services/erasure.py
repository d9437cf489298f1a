"""Forgetting an image: its bytes and all that was drawn from them or said about them.

What stays are rows without content, under their numbers: that an image was submitted, when, by
whom, and which verdict it got. See docs/decisions/0009.
"""

import logging
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import AuditDetail, User
from accounts.trail import life_of
from detection import likeness, storage
from detection.doorbell import announce_end
from detection.errors import Refused, StorageAway
from detection.models import (
    Detection,
    EvidenceLayer,
    Feedback,
    IdempotencyKey,
    Image,
    Region,
    ResumableUpload,
    Submission,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services import reports, review, shadowing, snapshots, telling
from detection.services.cases import drop_image
from detection.services.consent import drop_training_consent
from detection.services.tags import untag

log = logging.getLogger(__name__)

RETENTION_BATCH = 200


def erase_image(
    *, by: User | None, image: Image, reason: str = "", because: str = "retention"
) -> bool:
    """Forget an image for good; False where somebody did so before.

    The rows commit first and the files go after that; what a crash leaves, `finish` removes.

    Args:
        by: its owner, or an administrator; None when its time ran out, or on the command line.
        because: where nobody is named, what erased it.
    Raises:
        Refused: it is on legal hold; nothing was changed.
    """
    with transaction.atomic():
        rows = Image.objects.select_for_update(of=("self",)).select_related("owner")
        row = rows.filter(pk=image.pk, erased_at=None).first()
        if row is None:
            return False
        if row.held_at:
            raise Refused("on_hold")
        AuditDetail.objects.filter(event__in=life_of("image", str(row.pk))).delete()
        left = [
            *drop_image(row, by=by),
            *review.forget_image(row, by=by),
            *drop_training_consent(row, by=by, because="erasure"),
        ]
        counts = _forget(row)
        audit.record(
            "image.erased",
            actor=by,
            target=row,
            owner=row.owner,
            target_sha256=row.sha256,
            before={"received": row.created_at.isoformat()},
            after={"because": _because(by, row) or because, **counts},
            detail={"reason": reason} if reason else None,
        )
        for record in left:
            record()
        transaction.on_commit(lambda: storage.erase(row.pk), robust=True)
    return True


def erase_expired(*, limit: int = RETENTION_BATCH) -> int:
    """Erase images that nobody submitted for as long as the desk keeps them; oldest first.

    Those on legal hold stay. Each is its own transaction, so a crash loses no more than its place.
    """
    if not settings.RETENTION_DAYS:
        return 0
    cutoff = timezone.now() - timedelta(days=settings.RETENTION_DAYS)
    newer = Submission.objects.filter(image=OuterRef("pk"), created_at__gte=cutoff)
    expired = Image.objects.filter(
        ~Exists(newer), erased_at=None, held_at=None, created_at__lt=cutoff
    )
    erased = 0
    for image in expired.order_by("created_at")[:limit]:
        try:
            erased += erase_image(by=None, image=image)
        except Refused:  # put on hold in this moment
            continue
    return erased


def finish() -> int:
    """Remove files of erased images: what a crash left, or a worker wrote too late."""
    removed = 0
    snapshots.finish()
    for kind in ("originals", "previews", "reports"):
        for folder in storage.listed(kind):
            ids = [pk for one in folder if (pk := storage.image_id(one.path))]
            erased = Image.objects.filter(pk__in=ids).exclude(erased_at=None)
            for pk in erased.values_list("pk", flat=True):
                try:
                    storage.erase(pk)
                except StorageAway as error:
                    log.error("files of the erased image %s are still there: %s", pk, error.code)
                    continue
                removed += 1
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:  # old pages of its log still hold what was deleted
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def is_erased(pk: uuid.UUID) -> bool:
    return not Image.objects.filter(pk=pk, erased_at=None).exists()


def _because(by: User | None, image: Image) -> str:
    if by is None:
        return ""
    return "owner" if by.pk == image.owner_id else "administrator"


def _forget(image: Image) -> dict[str, int]:
    """Empty every row about an image of its content; says how many there were."""
    Status = Detection.Status  # noqa: N806 (an enum's own name)
    detections = Detection.objects.filter(image=image)
    submissions = Submission.objects.filter(image=image)
    # Whatever else one answer told of goes with it: a retry finds the rows by their bytes.
    # Two statements, because one with OR reads the table of keys from end to end.
    IdempotencyKey.objects.filter(detection__in=detections).delete()
    IdempotencyKey.objects.filter(batch__in=submissions.values("batch")).delete()
    ResumableUpload.objects.filter(submission__image=image).delete()
    EvidenceLayer.objects.filter(image=image).delete()
    Region.objects.filter(detection__in=detections).delete()
    shadowing.forget_image(image.pk)
    unfinished = detections.filter(status__in=[Status.QUEUED, Status.RUNNING])
    ended = list(unfinished.select_for_update(no_key=True).values_list("pk", flat=True))
    unfinished.update(
        status=Status.FAILED,
        failure_code="erased",
        completed_at=Now(),
        lease_until=None,
        lease_owner="",
    )
    Feedback.objects.filter(detection__image=image).update(comment="")
    telling.forget_image(image)
    reports.forget_image(image)
    told = WebhookDelivery.objects.filter(detection__in=detections)
    WebhookEndpoint.objects.filter(pk__in=told.values("endpoint")).lock()
    told.cancel()
    told.update(payload="", url="")
    counts = {
        "detections": detections.update(
            transforms={}, faces=[], activation=None, activation_shape=[]
        ),
        "submissions": submissions.update(
            file_name="", source_url="", words="", metadata={}, callback_url="", case=None
        ),
    }
    transaction.on_commit(lambda: _announce(ended), robust=True)
    image.cases.clear()
    untag(image)
    Image.objects.filter(pk=image.pk).update(
        erased_at=Now(),
        sha256=f"erased-{image.pk.hex}",  # so that its owner may submit the same bytes again
        size_bytes=0,
        format="",
        media_type="",
        width=0,
        height=0,
        facts={},
        training_consent_at=None,
        **likeness.NO_COLUMNS,
    )
    return counts


def _announce(ended: list[uuid.UUID]) -> None:
    for pk in ended:
        announce_end(pk)
