"""Lists of what is and was at the review desk, in keyset pages."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from accounts.models import User
from detection import paging
from detection.models import ReviewItem
from detection.models.review_item import ReviewItemQuerySet
from detection.paging import Page

Status = ReviewItem.Status


@dataclass(frozen=True)
class Asked:
    """Which items; what is empty excludes nothing.

    Attributes:
        reason: one that they have among others.
        is_mine: those that the reviewer holds, or of what is not open, decided.
        opened_before: those that wait since then or longer.
    """

    status: str = Status.OPEN
    reason: str = ""
    is_mine: bool = False
    is_escalated: bool = False
    opened_before: datetime | None = None


def items(by: User, asked: Asked) -> ReviewItemQuerySet:
    """All that match and that this reviewer may see, in no order."""
    rows = ReviewItem.objects.visible_to(by).filter(status=asked.status)
    if asked.reason:
        rows = rows.with_reason(asked.reason)
    if asked.is_mine and asked.status == Status.OPEN:
        rows = rows.filter(pk__in=ReviewItem.objects.held_by(by).values("pk"))
    elif asked.is_mine:
        rows = rows.filter(decisions__by=by, decisions__undone_at=None)
    if asked.is_escalated:
        rows = rows.filter(is_escalated=True)
    if asked.opened_before:
        rows = rows.filter(created_at__lt=asked.opened_before)
    return rows


def page(by: User, asked: Asked, *, cursor: str, size: int) -> Page[ReviewItem]:
    """One page: what is open most urgent first, what is closed the latest first.

    An unreadable cursor, and that of another order, is the first page.
    """
    rows = items(by, asked)
    if asked.status == Status.OPEN:
        return paging.page_by_urgency(rows, cursor=cursor, size=size)
    name = "closed_at" if asked.status == Status.CLOSED else "created_at"
    found = list(_after_moment(rows, cursor, name).order_by(f"-{name}", "-id")[: size + 1])
    last = found[size - 1] if len(found) > size else None
    end = paging.cursor_at(last.closed_at or last.created_at, last.pk) if last else ""
    return Page(found[:size], end)


def is_cursor(cursor: str, status: str) -> bool:
    """Whether `page` can read this for items of that status; empty is the first page."""
    if not cursor:
        return True
    read = paging.urgency_position if status == Status.OPEN else paging.position
    return read(cursor) is not None


def _after_moment(rows: ReviewItemQuerySet, cursor: str, name: str) -> ReviewItemQuerySet:
    if (place := paging.position(cursor)) is None:
        return rows
    at, pk = place
    return rows.filter(Q(**{f"{name}__lt": at}) | Q(**{name: at, "pk__lt": pk}))
