"""What people say about verdicts: claims, which change nothing by themselves.

A claim that the verdict is wrong brings the detection to the review desk, and only what is decided
there can become a label.
"""

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from deepfake_site.rate_limits import Limit, take
from detection.errors import Refused
from detection.models import Detection, Feedback, Image, ReviewItem
from detection.models.review import FeedbackQuerySet
from detection.services import review

CLAIMED_BY_ONE = Limit(60, 60)
Category, Label, Verdict = Feedback.Category, Feedback.Label, Detection.Verdict
# What a claim of this kind holds the image to be.
LABELS = {Category.FALSE_POSITIVE: Label.REAL, Category.FALSE_NEGATIVE: Label.FAKE}


def give(
    *,
    by: User,
    detection: Detection,
    label: str,
    category: str,
    comment: str = "",
    api_key: ApiKey | None = None,
) -> Feedback:
    """Keep a claim about a verdict, in place of an earlier one of the same person.

    Raises:
        Refused: there is no verdict yet that it could be about, its image was being erased, or
            there were too many claims just now.
    """
    if detection.status != Detection.Status.DONE:
        raise Refused("no_verdict_yet")
    if not take("feedback", str(by.pk), CLAIMED_BY_ONE).is_allowed:
        raise Refused("too_many_claims")
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(detection.image_id)
        replaced = _standing(by, detection).first()
        _standing(by, detection).update(withdrawn_at=timezone.now())
        row = Feedback.objects.create(
            by=by,
            detection=detection,
            label=label,
            category=category,
            comment=comment,
            api_key=api_key,
        )
        if is_dispute(detection, label, category):
            review.open_item(detection, ReviewItem.Reason.DISPUTED, by=by)
        audit.record(
            "feedback.given",
            actor=by,
            target=row,
            owner=image.owner,
            target_sha256=image.sha256,
            before={"replaces": str(replaced.pk)} if replaced else None,
            after={"detection": str(detection.pk), "label": label, "category": category},
            detail={"comment": comment} if comment else None,
        )
    return row


def withdraw(*, by: User, detection: Detection) -> bool:
    """Take one's claim back; False where there is none.

    Whether somebody looks at the detection all the same is for the review desk to say.
    """
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(detection.image_id)
        row = _standing(by, detection).first()
        if row is None:
            return False
        _standing(by, detection).update(withdrawn_at=timezone.now(), comment="")
        audit.record(
            "feedback.withdrawn",
            actor=by,
            target=row,
            owner=image.owner,
            target_sha256=image.sha256,
            after={"detection": str(detection.pk)},
        )
    return True


def own_claim(user: User, detection: Detection) -> Feedback | None:
    """What this person says about a verdict as it stands."""
    return _standing(user, detection).first()


def is_dispute(detection: Detection, label: str, category: str) -> bool:
    """Whether a claim says that the verdict is wrong, or knows what the desk could not tell."""
    if category in LABELS:
        return True
    is_undecided = detection.verdict == Verdict.INCONCLUSIVE
    return is_undecided and category == Category.OTHER and label != Label.UNKNOWN


def forget_person(person: User) -> None:
    """Empty what an erased person wrote; what they claimed stays under their number."""
    Feedback.objects.filter(by=person).update(comment="")


def _standing(by: User, detection: Detection) -> FeedbackQuerySet:
    return Feedback.objects.standing().filter(by=by, detection=detection)
