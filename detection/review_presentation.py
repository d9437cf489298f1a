"""Items of the review desk as pages show them: why, in whose hands, what was said and done.

Nobody is shown what others decided before they have decided themselves: neither here, nor in what
is asked of the database for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.models import User
from detection import review_waiting
from detection.models import (
    Decision,
    Detection,
    Feedback,
    GoldenImage,
    Image,
    PassedOn,
    ReviewItem,
)
from detection.presentation import VerdictCard, verdict_card
from detection.review_waiting import reason_words
from detection.services.history_export import file_names
from detection.services.review import standing
from detection.services.review_decisions import UNDONE_WITHIN, blind_to, shown_to

CLAIMS = 20  # shown of one item


class State(StrEnum):
    """What an item is to one reviewer."""

    MINE = "mine"
    FREE = "free"
    HELD = "held"
    DECIDED = "decided"
    NOT_YOURS = "not_yours"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class LifeEvent:
    """One thing that happened to an item."""

    at: datetime
    words: str
    who: User | None = None
    note: str = ""


@dataclass(frozen=True)
class ItemView:
    """One item for one reviewer.

    Attributes:
        seconds_left: of the lease.
        has_several_opinions: whether more than one person is asked.
        more_claims: how many there are beside those shown.
        is_blind: whether this reviewer is not to know yet what others decided.
        hides_decisions: whether there is something of that.
    """

    state: State
    is_blind: bool
    reasons: list[str | Promise]
    seconds_left: int
    has_several_opinions: bool
    claims: list[Feedback]
    more_claims: int
    life: list[LifeEvent]
    hides_decisions: bool

    @property
    def can_reopen(self) -> bool:
        return self.state == State.CLOSED and not self.is_blind


@dataclass(frozen=True)
class QueueRow:
    """An item in a list."""

    item: ReviewItem
    card: VerdictCard
    file_name: str
    reasons: list[str | Promise]
    is_mine: bool
    is_held: bool


@dataclass(frozen=True)
class OwnDecision:
    """One of one's own decisions, and whether it can be taken back."""

    decision: Decision
    file_name: str
    can_undo: bool


@dataclass(frozen=True)
class DeskSection:
    """What a detection's page tells a reviewer about the desk.

    Attributes:
        open_item: what is open about it; None without any.
        last: the last outcome, unless this reviewer may still have to decide.
        can_bring: whether it can be brought to the desk.
    """

    open_item: ReviewItem | None
    reasons: list[str | Promise]
    is_held: bool
    is_mine: bool
    last: ReviewItem | None
    can_bring: bool


@dataclass(frozen=True)
class GoldenRow:
    """An image whose truth is known, with the last detection that shows it."""

    golden: GoldenImage
    detection: Detection | None
    file_name: str


def item_view(item: ReviewItem, user: User) -> ItemView:
    claims = item.detection.feedback.standing().defer("by", "api_key").order_by("-created_at")
    shown = list(claims[: CLAIMS + 1])
    is_blind = is_blind_to(user, item)
    return ItemView(
        state=state_of(item, user),
        is_blind=is_blind,
        reasons=[reason_words(code) for code in item.reasons],
        seconds_left=seconds_left(item),
        has_several_opinions=item.opinions_wanted > 1,
        claims=shown[:CLAIMS],
        more_claims=claims.count() - CLAIMS if len(shown) > CLAIMS else 0,
        life=_life(item, user, is_blind=is_blind),
        hides_decisions=is_blind and _was_decided(item, user),
    )


def state_of(item: ReviewItem, user: User) -> State:
    if item.status != ReviewItem.Status.OPEN:
        is_closed = item.status == ReviewItem.Status.CLOSED
        return State.CLOSED if is_closed else State.WITHDRAWN
    if not ReviewItem.objects.reviewable_by(user).filter(pk=item.pk).exists():
        has_decided = item.decisions.filter(by=user, undone_at=None).exists()
        return State.DECIDED if has_decided else State.NOT_YOURS
    if not is_held(item):
        return State.FREE
    return State.MINE if item.claimed_by_id == user.pk else State.HELD


def is_held(item: ReviewItem) -> bool:
    return item.claimed_until is not None and item.claimed_until > timezone.now()


def seconds_left(item: ReviewItem) -> int:
    """Of the lease; 0 without one."""
    if item.claimed_until is None:
        return 0
    return max(0, int((item.claimed_until - timezone.now()).total_seconds()))


def is_blind_to(user: User, item: ReviewItem) -> bool:
    """Whether this reviewer may still decide about the detection, and so is to know of nothing
    that others decided about it: neither on this item nor on an earlier one."""
    if item.status == ReviewItem.Status.OPEN:
        return True
    return item.pk in blind_to(user, [item])


def open_item_of(detection: Detection, user: User) -> ReviewItem | None:
    """The item that is open about a detection: the one that this reviewer holds, else the desk's.

    Of those that measure reviewers, nobody else learns.
    """
    rows = detection.review_items.open().select_related("claimed_by")
    return rows.held_by(user).first() or rows.of_the_desk().first()


def desk_section(detection: Detection, user: User) -> DeskSection | None:
    """None where there is no verdict that anybody could look at."""
    if detection.status != Detection.Status.DONE:
        return None
    item = open_item_of(detection, user)
    to_decide = ReviewItem.objects.reviewable_by(user)
    is_blind = to_decide.filter(detection__image=detection.image_id).exists()
    return DeskSection(
        open_item=item,
        reasons=[reason_words(code) for code in item.reasons] if item else [],
        is_held=item is not None and is_held(item),
        is_mine=item is not None and is_held(item) and item.claimed_by_id == user.pk,
        last=None if is_blind else standing(detection),
        can_bring=item is None and not detection.image.is_confidential,
    )


def golden_rows(rows: list[GoldenImage], user: User) -> list[GoldenRow]:
    """Their pages and names as far as this administrator may see them."""
    seen = Image.objects.seen_by(user, (row.image_id for row in rows))
    judged = Detection.objects.filter(image__in=seen, status=Detection.Status.DONE)
    latest = {row.image_id: row for row in judged.order_by("created_at")}
    names = file_names(list(latest.values()), user)
    return [
        GoldenRow(row, found := latest.get(row.image_id), names.get(found.pk, "") if found else "")
        for row in rows
    ]


def queue_rows(items: Iterable[ReviewItem], user: User) -> list[QueueRow]:
    rows = list(items)
    names = file_names([row.detection for row in rows], user)
    return [
        QueueRow(
            item=row,
            card=verdict_card(row.detection),
            file_name=names.get(row.detection_id, ""),
            reasons=[reason_words(code) for code in row.reasons],
            is_mine=is_held(row) and row.claimed_by_id == user.pk,
            is_held=is_held(row) and row.claimed_by_id != user.pk,
        )
        for row in rows
    ]


def own_decisions(user: User, *, most: int) -> list[OwnDecision]:
    rows = review_waiting.last_decisions(user, most=most)
    names = file_names([row.item.detection for row in rows], user)
    return [OwnDecision(row, names.get(row.item.detection_id, ""), _can_undo(row)) for row in rows]


def undoable(user: User) -> Decision | None:
    """One's last decision, while it can be taken back."""
    since = timezone.now() - UNDONE_WITHIN
    return review_waiting.decisions_of(user).filter(undone_at=None, created_at__gt=since).first()


def _can_undo(decision: Decision) -> bool:
    return decision.undone_at is None and decision.created_at > timezone.now() - UNDONE_WITHIN


def _was_decided(item: ReviewItem, user: User) -> bool:
    """Whether there are decisions about it that are not one's own, without reading them."""
    others = Decision.objects.filter(undone_at=None).exclude(by=user)
    return others.filter(Q(item=item) | Q(item=item.previous_id)).exists()


def _life(item: ReviewItem, user: User, *, is_blind: bool) -> list[LifeEvent]:
    events = [LifeEvent(item.created_at, _opened(item))]
    events += [_passed_on(row) for row in item.passed_on.select_related("by")]
    decisions = shown_to(user, item)
    if is_blind:
        decisions = decisions.filter(by=user)
    events += [_decided(row) for row in decisions]
    return sorted(events, key=lambda event: event.at)


def _opened(item: ReviewItem) -> str:
    if item.previous_id:
        return _("Opened again: somebody wants it looked at once more")
    return _("Came to the desk")


def _passed_on(row: PassedOn) -> LifeEvent:
    words = PassedOn.Kind(row.kind).label
    return LifeEvent(row.created_at, str(words), row.by, row.note)


def _decided(row: Decision) -> LifeEvent:
    words = _("Decided: %(outcome)s. %(reason)s.") % {
        "outcome": row.get_outcome_display(),
        "reason": row.get_reason_display(),
    }
    return LifeEvent(row.created_at, words, row.by, row.note)
