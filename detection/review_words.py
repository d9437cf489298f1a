"""What reviewers decided, in words. Who decided is nowhere said."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from detection.models import Decision, Outcome
from detection.services.reviewed import OPPOSITE, Review

OUTCOME_TONES: dict[str, str] = {
    Outcome.AUTHENTIC: "authentic",
    Outcome.MANIPULATED: "manipulated",
    Outcome.CANNOT_TELL: "inconclusive",
}


@dataclass(frozen=True)
class ReviewCard:
    """A review beside a verdict, which stays as it is.

    Attributes:
        title: that a person says so, and what.
        outcome: that alone, for lists.
        because: why, in sentences.
        differs: whether the machine's verdict says the opposite.
    """

    tone: str
    title: str
    outcome: str
    because: tuple[str, ...]
    decided_at: datetime
    opinions: int
    differs: bool


def review_card(review: Review | None, verdict: str) -> ReviewCard | None:
    """Put a review into words, in the reader's language."""
    if review is None:
        return None
    outcome = str(Outcome(review.outcome).label)
    return ReviewCard(
        tone=OUTCOME_TONES[review.outcome],
        title=_("A reviewer says: %(outcome)s") % {"outcome": outcome},
        outcome=outcome,
        because=tuple(str(Decision.Reason(code).label) for code in review.reasons),
        decided_at=review.decided_at,
        opinions=review.opinions,
        differs=(verdict, review.outcome) in OPPOSITE,
    )
