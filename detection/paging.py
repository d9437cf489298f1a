"""Keyset pages: a cursor names the last row seen, so that page 500 costs what page 1 does."""

import base64
import binascii
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from django.db import models

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


AnyRow = TypeVar("AnyRow", bound=models.Model)
AnyRow_co = TypeVar("AnyRow_co", bound=models.Model, covariant=True)


class Rows(Protocol[AnyRow_co]):
    """A queryset that knows its order: newest first by `created_at`, and what follows a row."""

    def before(self, created_at: datetime, pk: uuid.UUID) -> "Rows[AnyRow_co]": ...

    def newest_first(self) -> "models.QuerySet[AnyRow_co]": ...


@dataclass(frozen=True)
class Page(Generic[AnyRow]):
    """Rows of one page, and the cursor of the next; empty when there is none."""

    rows: list[AnyRow]
    next_cursor: str


def is_cursor(text: str) -> bool:
    """Whether `page` can read this; empty is the first page."""
    return not text or _parse(text) is not None


def page(found: Rows[AnyRow], *, cursor: str, size: int) -> Page[AnyRow]:
    """One page, newest first. An unreadable cursor is the first page."""
    if position := _parse(cursor):
        found = found.before(*position)
    rows = list(found.newest_first()[: size + 1])
    more = len(rows) > size
    return Page(rows[:size], _cursor(rows[size - 1]) if more else "")


def cursor_at(created_at: datetime, pk: uuid.UUID) -> str:
    """The cursor of what follows this row, in either order by time."""
    microseconds = (created_at - EPOCH) // timedelta(microseconds=1)
    return _encoded(f"{microseconds}.{pk}")


def cursor_at_rank(rank: float, pk: uuid.UUID) -> str:
    """The cursor of what follows this row, most likely manipulated first."""
    return _encoded(f"p{rank!r}.{pk}")


def cursor_at_urgency(urgency: int, created_at: datetime, pk: uuid.UUID) -> str:
    """The cursor of what follows this row, most urgent first."""
    microseconds = (created_at - EPOCH) // timedelta(microseconds=1)
    return _encoded(f"u{urgency}.{microseconds}.{pk}")


class Urgent(Protocol[AnyRow_co]):
    """A queryset that knows an order by urgency, and what follows a row in it."""

    def after(self, urgency: int, created_at: datetime, pk: uuid.UUID) -> "Urgent[AnyRow_co]": ...

    def most_urgent_first(self) -> "models.QuerySet[AnyRow_co]": ...


def page_by_urgency(found: Urgent[AnyRow], *, cursor: str, size: int) -> Page[AnyRow]:
    """One page, most urgent first. An unreadable cursor is the first page."""
    if place := urgency_position(cursor):
        found = found.after(*place)
    rows = list(found.most_urgent_first()[: size + 1])
    if len(rows) <= size:
        return Page(rows, "")
    last: Any = rows[size - 1]
    return Page(rows[:size], cursor_at_urgency(last.urgency, last.created_at, last.pk))


def urgency_position(cursor: str) -> tuple[int, datetime, uuid.UUID] | None:
    """Where a page by urgency begins; None for what is no such cursor."""
    text = _decoded(cursor)
    try:
        urgency, microseconds, pk = text.removeprefix("u").split(".")
        at = EPOCH + timedelta(microseconds=int(microseconds))
        found = int(urgency), at, uuid.UUID(pk)
    except (ValueError, OverflowError):
        return None
    return found if text.startswith("u") and 0 <= found[0] < 2**15 else None


def position(cursor: str) -> tuple[datetime, uuid.UUID] | None:
    """Where a page by time begins; None for what is no such cursor."""
    return _parse(cursor)


def rank_position(cursor: str) -> tuple[float, uuid.UUID] | None:
    """Where a page by rank begins; None for what is no such cursor."""
    text = _decoded(cursor)
    try:
        rank, pk = float(text[1:-37]), uuid.UUID(text[-36:])
    except ValueError:
        return None
    return (rank, pk) if text[0] == "p" and -1 <= rank <= 1 else None


def _cursor(row: Any) -> str:
    return cursor_at(row.created_at, row.pk)


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        return ""


def _parse(cursor: str) -> tuple[datetime, uuid.UUID] | None:
    microseconds, _dot, pk = _decoded(cursor).partition(".")
    try:
        return EPOCH + timedelta(microseconds=int(microseconds)), uuid.UUID(pk)
    except (ValueError, OverflowError):
        return None
