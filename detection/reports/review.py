"""What a report says of a review: outcome, reasons and when; never who decided."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from detection.reports.texts import left_to_right
from detection.review_words import review_card
from detection.services.reviewed import Review


def review_facts(review: Review | None) -> dict[str, Any] | None:
    """For machines; None where no review stands."""
    if review is None:
        return None
    return {
        "decided_at": review.decided_at.isoformat(),
        "opinions": review.opinions,
        "outcome": review.outcome,
        "reasons": list(review.reasons),
    }


def review_section(review: Review | None, verdict: str) -> dict[str, Any]:
    """For readers, in the language that is active; empty where no review stands."""
    card = review_card(review, verdict)
    if card is None:
        return {}
    rows = [
        (_("Decided"), left_to_right(f"{card.decided_at:%Y-%m-%d %H:%M:%S} UTC")),
        (_("Opinions"), number_format(card.opinions)),
    ]
    sentence = _(
        "A person of this desk looked at the image. What they decided stands beside the machine’s"
        " verdict and does not change it."
    )
    paragraphs = [sentence]
    if card.differs:
        paragraphs.append(_("It is the opposite of the machine’s verdict."))
    return {
        "name": "review",
        "title": card.title,
        "paragraphs": paragraphs,
        "points": list(card.because),
        "rows": rows,
    }
