"""What a person may say about a verdict, and what the owner allows, as a page shows it."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models import Detection, Feedback, ReviewItem
from detection.review_words import review_card
from detection.services import review
from detection.services.feedback import own_claim
from detection.services.reviewed import reviews_shown_to

Choices = list[tuple[str, str | Promise]]
# What can be said about each verdict: category and label in one, as the form sends them.
SAYINGS: dict[str, Choices] = {
    Detection.Verdict.LIKELY_MANIPULATED: [
        ("false_positive.real", _("It is wrong: this is a real photograph")),
        ("confirmation.fake", _("It is right: this was generated or manipulated")),
        ("other.unknown", _("Something else")),
    ],
    Detection.Verdict.LIKELY_AUTHENTIC: [
        ("false_negative.fake", _("It is wrong: this was generated or manipulated")),
        ("confirmation.real", _("It is right: this is a real photograph")),
        ("other.unknown", _("Something else")),
    ],
    Detection.Verdict.INCONCLUSIVE: [
        ("other.real", _("I know that this is a real photograph")),
        ("other.fake", _("I know that this was generated or manipulated")),
        ("confirmation.unknown", _("It is right: one cannot tell")),
        ("other.unknown", _("Something else")),
    ],
}


def outcome_section(detection: Detection, user: User) -> dict[str, object]:
    """What reviewers decided, beside the verdict; nothing for whoever may still decide."""
    image = detection.image_id
    review = reviews_shown_to(user, [image]).get(image)
    return {"review": review_card(review, detection.verdict)}


def claims_section(detection: Detection, user: User) -> dict[str, object]:
    """What this person says about the verdict, and what they could say."""
    choices = SAYINGS.get(detection.verdict)
    if choices is None:
        return {}
    claim = own_claim(user, detection)
    image = detection.image
    return {
        "claim": claim,
        "claim_says": _said(claim, choices) if claim else "",
        "sayings": choices,
        "chosen_saying": f"{claim.category}.{claim.label}" if claim else "",
        "claim_comment": claim.comment if claim else "",
        "asks_consent": image.owner_id == user.pk
        and not image.is_confidential
        and image.training_consent_at is None,
        "asking": "" if user.is_reviewer else _asking(detection),
    }


def _asking(detection: Detection) -> str:
    """Of a moderator to look: `possible`, `asked` while one is to, or empty."""
    items = list(detection.review_items.of_the_desk())
    if any(item.status == ReviewItem.Status.OPEN for item in items):
        return "asked"
    is_answered = detection.image.is_confidential or review.standing_among(items) is not None
    return "" if is_answered else "possible"


def _said(claim: Feedback, choices: Choices) -> str | Promise:
    """A claim in the words of the form; in its own where the API kept what no form offers."""
    known = dict(choices).get(f"{claim.category}.{claim.label}")
    return known or Feedback.Category(claim.category).label
