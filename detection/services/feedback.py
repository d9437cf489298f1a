"""What people say about verdicts: claims, which change nothing by themselves."""

from django.db import transaction

from accounts import audit
from accounts.models import ApiKey, User
from detection.errors import Refused
from detection.models import Detection, Feedback, Image


def give(
    *,
    by: User,
    detection: Detection,
    label: str,
    category: str,
    comment: str = "",
    api_key: ApiKey | None = None,
) -> Feedback:
    """Keep a claim about a verdict; to be called in a transaction.

    Raises:
        Refused: there is no verdict yet that it could be about, or its image was being erased.
    """
    if detection.status != Detection.Status.DONE:
        raise Refused("no_verdict_yet")
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(detection.image_id)
        row = Feedback.objects.create(
            by=by,
            detection=detection,
            label=label,
            category=category,
            comment=comment,
            api_key=api_key,
        )
        audit.record(
            "feedback.given",
            actor=by,
            target=row,
            owner=image.owner,
            target_sha256=image.sha256,
            after={"detection": str(detection.pk), "label": label, "category": category},
            detail={"comment": comment} if comment else None,
        )
    return row


def forget_person(person: User) -> None:
    """Empty what an erased person wrote; what they claimed stays under their number."""
    Feedback.objects.filter(by=person).update(comment="")
