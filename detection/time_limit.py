"""A block whose statements the database ends in time, so that no page hangs on a slow one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

QUERY_CANCELED = "57014"
STEPS = 10_000  # of SQLite's machine between two looks at the clock: under a millisecond


class TooSlow(Exception):  # noqa: N818 (it says how the database was)
    """A statement took longer than it may."""


@contextmanager
def time_limit(milliseconds: int) -> Iterator[None]:
    """Each statement of PostgreSQL may take so long; on SQLite the whole block may.

    Raises:
        TooSlow: one took longer, and was ended.
    """
    try:
        with _postgresql(milliseconds) if _is_postgresql() else _sqlite(milliseconds):
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") == QUERY_CANCELED or "interrupted" in str(error):
            raise TooSlow from error
        raise


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


@contextmanager
def _postgresql(milliseconds: int) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {int(milliseconds)}")
        yield
        cursor.execute("SET LOCAL statement_timeout = DEFAULT")


@contextmanager
def _sqlite(milliseconds: int) -> Iterator[None]:
    connection.ensure_connection()
    deadline = time.monotonic() + milliseconds / 1000
    connection.connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        yield
    finally:
        connection.connection.set_progress_handler(None, 0)
