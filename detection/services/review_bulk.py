"""The same done to many items of the desk: each for itself, so that one refusal stops no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils.translation import gettext as _

from accounts.models import User
from detection.errors import Refused
from detection.models import Decision, Outcome, ReviewItem
from detection.services import review_claims, review_decisions

MAX_AT_ONCE = 100
# Nobody waits for the outcome of these, so that they may be closed without a look at each.
UNASKED = {ReviewItem.Reason.INCONCLUSIVE, ReviewItem.Reason.SAMPLE}
Change = Callable[[User, ReviewItem], bool]


@dataclass(frozen=True)
class ItemOutcome:
    """What became of one item.

    Attributes:
        is_changed: False where it was so already, or could not be done.
        refusal: why it could not be done; empty where it was.
    """

    item: ReviewItem
    is_changed: bool
    refusal: str = ""


def change_each(*, by: User, items: Sequence[ReviewItem], change: Change) -> list[ItemOutcome]:
    """Change item by item, each in a transaction of its own with its event."""
    return [_outcome(by, item, change) for item in items]


def skipping(by: User, item: ReviewItem) -> bool:
    review_claims.skip(item=item, by=by)
    return True


def releasing(by: User, item: ReviewItem) -> bool:
    return review_claims.release(item=item, by=by)


def escalating(note: str) -> Change:
    def escalate(by: User, item: ReviewItem) -> bool:
        review_claims.escalate(item=item, by=by, note=note)
        return True

    return escalate


def closing_as_unknown(note: str) -> Change:
    """Decide "cannot tell", where nobody waits for an answer."""

    def close(by: User, item: ReviewItem) -> bool:
        if not may_close_unseen(item):
            raise Refused("review_wants_a_look")
        row = review_claims.claim(item=item, by=by)
        try:
            if not may_close_unseen(row):  # somebody asked for it in this moment
                raise Refused("review_wants_a_look")
            review_decisions.decide(
                item=item,
                by=by,
                outcome=Outcome.CANNOT_TELL,
                reason=Decision.Reason.NOT_ENOUGH,
                note=note,
            )
        except Refused:
            review_claims.release(item=item, by=by)
            raise
        return True

    return close


def may_close_unseen(item: ReviewItem) -> bool:
    """Whether it came by a rule that only asks whether somebody can tell, and nobody escalated."""
    return set(item.reasons) <= UNASKED and not item.is_escalated


def _outcome(by: User, item: ReviewItem, change: Change) -> ItemOutcome:
    try:
        return ItemOutcome(item, change(by, item))
    except Refused as refusal:
        return ItemOutcome(item, False, str(refusal))
    except DatabaseError:
        return ItemOutcome(item, False, _("The database could not do this now. Try again."))
