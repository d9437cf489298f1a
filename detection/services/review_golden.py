"""Images whose truth is known: handed out among the others, they measure reviewers and models.

Whoever is handed one sees an item like any other. Its outcome is told to nobody and makes no label.
"""

import random
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Decision, Detection, GoldenImage, Image, Outcome, ReviewItem
from detection.models.image import visibility
from detection.services.review import withdraw
from detection.services.review_record import record
from detection.services.review_rules import URGENCY, rules

Reason = ReviewItem.Reason
_chance = random.SystemRandom()


def add(*, by: User, detection: Detection, outcome: str, note: str = "") -> GoldenImage:
    """Keep an image as one whose truth is known, from a detection of it that one may see.

    Raises:
        Refused: it has no verdict, it is confidential or erased, or it is a golden one already.
    """
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(detection.image_id)
        is_unfit = image.is_confidential or detection.status != Detection.Status.DONE
        if is_unfit or outcome not in (Outcome.AUTHENTIC, Outcome.MANIPULATED):
            raise Refused("golden_unfit")
        before = GoldenImage.objects.filter(image=image).first()
        if before is not None and before.retired_at is None:
            raise Refused("golden_already")
        row = before or GoldenImage(image=image)
        row.outcome, row.note, row.added_by, row.retired_at = outcome, note, by, None
        row.save()
        _record("golden_image.added", by=by, row=row)
    return row


def retire(*, by: User, golden: GoldenImage) -> bool:
    """Hand out an image no more; False where it was retired before. What it measured stays."""
    with transaction.atomic():
        image = Image.objects.select_related("owner").select_for_update(of=("self",))
        golden.image = image.get(pk=golden.image_id)
        standing = GoldenImage.objects.filter(pk=golden.pk, retired_at=None)
        if not standing.update(retired_at=timezone.now()):
            return False
        withdrawn = withdraw(ReviewItem.objects.open().filter(golden=golden), by=by)
        _record("golden_image.retired", by=by, row=golden)
        for record_withdrawal in withdrawn:
            record_withdrawal()
    return True


def mixed_in(*, by: User, instead_of: ReviewItem) -> ReviewItem | None:
    """Now and then an item about a golden image, made for this reviewer; else None."""
    if _chance.random() >= rules().golden_share:
        return None
    detection = _unknown_to(by)
    if detection is None or not _is_held(detection):
        return None
    reason = _believable(detection, instead_of)
    row = ReviewItem.objects.create(
        detection=detection,
        golden=detection.image.golden,
        reasons=[str(reason)],
        urgency=URGENCY[reason],
        created_at=instead_of.created_at - timedelta(seconds=_chance.uniform(1, 600)),
    )
    record("review.opened", by=None, item=row, after={"reason": str(reason)})
    return row


def _unknown_to(by: User) -> Detection | None:
    """The latest verdict about a golden image that this reviewer was not asked about before."""
    decided = Decision.objects.filter(by=by, item__detection__image=OuterRef("image"))
    # One that lies at the desk, with whomever, is handed out as it is.
    lying = ReviewItem.objects.open().filter(detection__image=OuterRef("image"))
    fit = GoldenImage.objects.filter(visibility(by, "image__"), retired_at=None)
    fit = fit.exclude(image__owner=by).exclude(added_by=by)
    ids = list(fit.filter(~Exists(decided), ~Exists(lying)).values_list("image", flat=True))
    if not ids:
        return None
    judged = Detection.objects.filter(image=_chance.choice(ids), status=Detection.Status.DONE)
    judged = judged.select_related("image__owner", "image__golden").exclude(feedback__by=by)
    return judged.order_by("-created_at").first()


def _is_held(detection: Detection) -> bool:
    """Hold the image until the transaction ends; not where somebody hides or erases it now."""
    rows = Image.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    fit = rows.filter(pk=detection.image_id, is_confidential=False, erased_at=None)
    return fit.filter(golden__retired_at=None).first() is not None


def _believable(detection: Detection, instead_of: ReviewItem) -> ReviewItem.Reason:
    """A reason that such an item could have; nothing on its page may contradict it."""
    if instead_of.reasons == [Reason.SAMPLE]:
        return Reason.SAMPLE
    is_inconclusive = detection.verdict == Detection.Verdict.INCONCLUSIVE
    if instead_of.reasons == [Reason.INCONCLUSIVE] and is_inconclusive:
        return Reason.INCONCLUSIVE
    return Reason.FLAGGED


def _record(action: str, *, by: User, row: GoldenImage) -> None:
    audit.record(
        action,
        actor=by,
        target=row,
        owner=row.image.owner,
        target_sha256=row.image.sha256,
        after={"image": str(row.image_id), "outcome": row.outcome},
        detail={"note": row.note} if row.note else None,
    )
