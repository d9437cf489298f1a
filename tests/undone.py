"""What a test tries and takes back, so that the next try finds what this one found."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import connection, transaction


@contextmanager
def undone() -> Iterator[None]:
    """Rows written within it are gone after it, and limits count from nothing in it."""
    counting = mock.patch("deepfake_site.rate_limits.PREFIX", uuid.uuid4().hex)
    with counting, transaction.atomic():
        yield
        connection.check_constraints()  # as at the end of a test: keys that lead nowhere
        transaction.set_rollback(True)
