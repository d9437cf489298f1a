"""Finding detections again among a million, page by page."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from accounts.models import User
from detection import paging
from detection.history_question import COUNTED_TO, Asked, Found, Order
from detection.history_search import Search
from detection.models import Detection
from detection.time_limit import TooSlow, time_limit

__all__ = [
    "COUNTED_TO",
    "Asked",
    "Found",
    "Order",
    "TooSlow",
    "count",
    "detections",
    "find",
    "is_cursor",
]

TIMEOUT_MS = 3000
# Few are read of many: what the planner would compile or share is read before, and reading all in
# the hope of finding enough soon costs a second where there is nothing.
SETTINGS = """SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_seqscan = off"""


def find(
    by: User, asked: Asked, *, cursor: str = "", size: int, counted_to: int | None = None
) -> Found:
    """One page. An unreadable cursor is the first page.

    Args:
        counted_to: count all rows as well, as `count` does.
    Raises:
        TooSlow: it took longer than `TIMEOUT_MS`.
    """
    with _in_time():
        search = Search(by, asked)
        after = _after(asked.order, cursor)
        rows = _merged(search, asked.order, after, size + 1)
        more = len(rows) > size
        total = 0
        if counted_to is not None:
            is_all = after is None and not more
            total = min(len(rows), counted_to + 1) if is_all else search.count(counted_to + 1)
    ids = [pk for key_of, pk in rows[:size]]
    return Found(ids, _cursor(asked.order, rows, size) if more else "", total)


def count(by: User, asked: Asked, *, up_to: int = COUNTED_TO) -> int:
    """How many rows there are, at most one more than `up_to`.

    Raises:
        TooSlow: as `find`.
    """
    with _in_time():
        return Search(by, asked).count(up_to + 1)


def is_cursor(order: str, text: str) -> bool:
    """Whether `find` can read this; empty is the first page."""
    return not text or _after(order, text) is not None


def detections(by: User, ids: list[uuid.UUID]) -> list[Detection]:
    """The rows of a page in its order, for somebody who may see them."""
    rows = Detection.objects.select_related("image__owner", "model_version")
    found = rows.shown_to(by, ids)
    return [found[pk] for pk in ids if pk in found]


@contextmanager
def _in_time() -> Iterator[None]:
    """A block whose statements the database ends in time."""
    with time_limit(TIMEOUT_MS):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(SETTINGS)
        yield


def _merged(search: Search, order: str, after: Any, limit: int) -> list[tuple[Any, uuid.UUID]]:
    """The first rows of all sources together."""
    found = search.pages(order, after, limit)
    rows = [
        (_as_asked(key), pk if isinstance(pk, uuid.UUID) else uuid.UUID(pk)) for key, pk in found
    ]
    return sorted(rows, key=lambda row: (row[0], row[1].hex), reverse=order != Order.OLDEST)[:limit]


def _after(order: str, cursor: str) -> Any:
    is_rank = order == Order.LIKELIEST
    return paging.rank_position(cursor) if is_rank else paging.position(cursor)


def _cursor(order: str, rows: list[tuple[Any, uuid.UUID]], size: int) -> str:
    key, pk = rows[size - 1]
    if order == Order.LIKELIEST:
        return paging.cursor_at_rank(key, pk)
    return paging.cursor_at(key, pk)


def _as_asked(key: Any) -> Any:
    """A moment with its zone: SQLite gives what it keeps, as text or without one."""
    key = datetime.fromisoformat(key) if isinstance(key, str) else key
    is_bare = isinstance(key, datetime) and key.tzinfo is None
    return key.replace(tzinfo=UTC) if is_bare else key
