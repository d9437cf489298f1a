"""Rows in lists of a few."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """All of them in their order, `size` at a time, fewer at the end."""
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some
