"""The rules of the review desk: which detections come to it by themselves, and how it decides."""

import hashlib
import uuid
from typing import Any

from django.db import transaction
from django.forms.models import model_to_dict

from accounts import audit
from accounts.models import User
from detection.models import ReviewItem, ReviewRules

Reason = ReviewItem.Reason
# What somebody waits for comes before what the desk asks itself.
URGENCY = {
    Reason.DISPUTED: 50,
    Reason.FLAGGED: 50,
    Reason.REOPENED: 50,
    Reason.DISAGREEMENT: 30,
    Reason.INCONCLUSIVE: 20,
    Reason.SAMPLE: 10,
}
ESCALATED = 100  # comes on top
BY_RULE = (Reason.DISAGREEMENT, Reason.INCONCLUSIVE, Reason.SAMPLE)
MOST_URGENT_BY_RULE = max(URGENCY[reason] for reason in BY_RULE)
ONLY_ROW = 1


def rules() -> ReviewRules:
    """The rules in force; those of a new desk while nobody has set any."""
    return ReviewRules.objects.first() or ReviewRules()


def set_rules(*, by: User, **wanted: bool | int | float) -> ReviewRules:
    """Change some of the rules, named as the columns of `ReviewRules`.

    Raises:
        ValidationError: a share is none, or a limit is below nought; nothing was changed.
    """
    with transaction.atomic():
        row = held_rules()
        before = _said(row)
        for name, value in wanted.items():
            setattr(row, name, value)
        row.full_clean()
        if (after := _said(row)) == before:
            return row
        row.save(update_fields=list(wanted))
        changed = [name for name in after if after[name] != before[name]]
        audit.record(
            "review_rules.changed",
            actor=by,
            target=row,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    return row


def held_rules() -> ReviewRules:
    """The row, which nobody else holds until the transaction ends."""
    ReviewRules.objects.get_or_create(pk=ONLY_ROW)
    return ReviewRules.objects.select_for_update().get(pk=ONLY_ROW)


def is_drawn(pk: uuid.UUID, share: float, *, for_what: str) -> bool:
    """Whether a row is of a random share; always the same answer, so that it can be checked again.

    Who is drawn at a share is drawn at every larger one too.
    """
    digest = hashlib.sha256(f"{for_what}:{pk}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _said(row: ReviewRules) -> dict[str, Any]:
    return model_to_dict(row, exclude=["id"])
