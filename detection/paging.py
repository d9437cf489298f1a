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


def _cursor(row: Any) -> str:
    microseconds = (row.created_at - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds}.{row.pk}".encode()).decode().rstrip("=")


def _parse(cursor: str) -> tuple[datetime, uuid.UUID] | None:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        microseconds, _dot, pk = text.partition(".")
        return EPOCH + timedelta(microseconds=int(microseconds)), uuid.UUID(pk)
    except (ValueError, binascii.Error, OverflowError):
        return None
