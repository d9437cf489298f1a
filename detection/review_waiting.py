"""What waits on the review desk for one reviewer: counted, and found by what it is about."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.functional import Promise

from accounts.models import User
from detection import paging
from detection.models import Decision, ReviewItem
from detection.models.image import visibility
from detection.models.newest_first import NewestFirst
from detection.models.review_item import ReviewItemQuerySet
from detection.paging import Page

COUNTED_TO = 99  # in the navigation
LISTED_TO = 1000  # above a list
LONG, VERY_LONG = timedelta(days=1), timedelta(days=7)


class Whose:
    """In whose hands an item is."""

    FREE = "free"
    MINE = "mine"


@dataclass(frozen=True)
class Asked:
    """Which items; what is empty excludes nothing."""

    reason: str = ""
    older_than: timedelta | None = None
    whose: str = ""
    is_escalated: bool | None = None


@dataclass(frozen=True)
class Waiting:
    """How many items wait for one reason; an item with several reasons counts for each."""

    reason: str
    label: str | Promise
    count: int
    long: int
    very_long: int


@dataclass(frozen=True)
class Overview:
    """The whole queue in numbers, each item once in the sums."""

    reasons: list[Waiting]
    count: int
    long: int
    very_long: int
    escalated: int


def for_reviewer(user: User) -> ReviewItemQuerySet:
    """Open items that this reviewer may decide, in whosever hands."""
    return ReviewItem.objects.reviewable_by(user)


def waiting_number(user: User) -> str:
    """How many the desk lists where nothing is asked, for the navigation; empty for none."""
    some = count(user, Asked(), up_to=COUNTED_TO)
    return f"{COUNTED_TO}+" if some > COUNTED_TO else str(some or "")


def overview(user: User) -> Overview:
    now = timezone.now()
    groups = (
        for_reviewer(user)
        .order_by()
        .values("reasons")
        .annotate(
            all=Count("pk"),
            long=Count("pk", filter=Q(created_at__lt=now - LONG)),
            very_long=Count("pk", filter=Q(created_at__lt=now - VERY_LONG)),
            escalated=Count("pk", filter=Q(is_escalated=True)),
        )
    )
    by_reason: dict[str, Counter[str]] = {reason: Counter() for reason in ReviewItem.Reason.values}
    sums: Counter[str] = Counter()
    for group in groups:
        counts = Counter({name: n for name, n in group.items() if name != "reasons"})
        sums.update(counts)
        for reason in group["reasons"]:
            by_reason.setdefault(reason, Counter()).update(counts)
    reasons = [
        Waiting(code, reason_words(code), found["all"], found["long"], found["very_long"])
        for code, found in by_reason.items()
        if found["all"]
    ]
    return Overview(reasons, sums["all"], sums["long"], sums["very_long"], sums["escalated"])


def find(user: User, asked: Asked) -> ReviewItemQuerySet:
    """Items most urgent first, with what a list shows of them."""
    rows = for_reviewer(user)
    now = timezone.now()
    if asked.reason:
        # as text, because SQLite finds nothing in JSON lists
        as_text = rows.annotate(reasons_text=Cast("reasons", TextField()))
        rows = as_text.filter(reasons_text__contains=f'"{asked.reason}"')
    if asked.older_than:
        rows = rows.filter(created_at__lt=now - asked.older_than)
    if asked.whose == Whose.MINE:
        rows = rows.filter(claimed_by=user, claimed_until__gte=now)
    elif asked.whose == Whose.FREE:
        rows = rows.filter(Q(claimed_until=None) | Q(claimed_until__lt=now))
    if asked.is_escalated is not None:
        rows = rows.filter(is_escalated=asked.is_escalated)
    return rows.most_urgent_first()


def page(user: User, asked: Asked, *, cursor: str, size: int) -> Page[ReviewItem]:
    """One page of `find`. An unreadable cursor is the first page."""
    rows = with_pictures(find(user, asked))
    return paging.page_by_urgency(rows, cursor=cursor, size=size)


def count(user: User, asked: Asked, *, up_to: int) -> int:
    """How many `find` finds; one more than `up_to` are not told from many more."""
    return find(user, asked).order_by()[: up_to + 1].count()


def held_by(user: User) -> ReviewItemQuerySet:
    """What this reviewer has in hand now."""
    return find(user, Asked(whose=Whose.MINE))


def with_pictures(rows: ReviewItemQuerySet) -> ReviewItemQuerySet:
    """And the rows that a line of a list is about."""
    return rows.select_related("detection__image", "detection__model_version", "claimed_by")


def decisions_of(user: User) -> NewestFirst[Decision]:
    """One's own, with those that were undone, about what one may still see; newest first."""
    visible = visibility(user, "item__detection__image__")
    return Decision.objects.filter(visible, by=user).newest_first()


def last_decisions(user: User, *, most: int) -> list[Decision]:
    return list(decisions_of(user).select_related("item__detection__image")[:most])


def reason_words(code: str) -> str | Promise:
    """Why something is on the desk; its code where no words are known."""
    return dict(ReviewItem.Reason.choices).get(code, code)
