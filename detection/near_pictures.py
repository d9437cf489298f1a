"""Which of many pictures are near copies of each other, by their perceptual hashes alone.

Hashes at most `NEAR_DISTANCE` = 4 bits apart agree in one of five bands at least, so pictures
are compared with those of their bands only. A mirrored copy is a copy too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detection.likeness import NEAR_DISTANCE, is_telling

BANDS = NEAR_DISTANCE + 1
BLOCK = 1 << 20  # pairs compared at once
_BAND_OF_BIT = np.arange(64) % BANDS  # dealt out, so that no band holds one part of the picture
_MASKS = [
    np.uint64(sum(1 << int(bit) for bit in np.flatnonzero(band == _BAND_OF_BIT)))
    for band in range(BANDS)
]


@dataclass(frozen=True)
class Hashed:
    """A picture's hash and that of its mirrored copy; 16 hex digits each, empty where unknown."""

    upright: str
    mirrored: str = ""


def near_pairs(new: Sequence[Hashed], known: Sequence[Hashed]) -> set[tuple[int, int]]:
    """Places in `new` and in `known` of pictures that are near copies, mirrored ones too.

    A picture of one colour, a gradient or a line is near to nothing: its hash does not tell it.
    """
    at_known, upright = _telling([one.upright for one in known])
    found: set[tuple[int, int]] = set()
    for hashes in ([one.upright for one in new], [one.mirrored for one in new]):
        at_new, values = _telling(hashes)
        for one, other in _near(values, upright):
            found.update(zip(at_new[one].tolist(), at_known[other].tolist(), strict=True))
    return found


def near_among(pictures: Sequence[Hashed]) -> set[tuple[int, int]]:
    """Pairs of places, the lower first, of pictures that are near copies of each other."""
    return {(min(pair), max(pair)) for pair in near_pairs(pictures, pictures) if pair[0] != pair[1]}


def _telling(hashes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    kept = [at for at, one in enumerate(hashes) if is_telling(one)]
    values = [int(hashes[at], 16) for at in kept]
    return np.asarray(kept, dtype=np.int64), np.asarray(values, dtype=np.uint64)


def _near(new: np.ndarray, known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for mask in _MASKS:
        order = np.argsort(known & mask, kind="stable")
        bands = (known & mask)[order]
        first = np.searchsorted(bands, new & mask, side="left")
        count = np.searchsorted(bands, new & mask, side="right") - first
        for block in _blocks(count):
            one = np.repeat(block, count[block])
            ends = np.cumsum(count[block])
            within = np.arange(one.size) - np.repeat(ends - count[block], count[block])
            other = order[np.repeat(first[block], count[block]) + within]
            is_near = np.bitwise_count(new[one] ^ known[other]) <= NEAR_DISTANCE
            yield one[is_near], other[is_near]


def _blocks(count: np.ndarray) -> Iterator[np.ndarray]:
    """Places whose candidates are few enough to be compared at once."""
    places = np.flatnonzero(count)
    if places.size:
        number = np.cumsum(count[places]) // BLOCK
        yield from np.split(places, np.flatnonzero(np.diff(number)) + 1)


class Together:
    """Which things belong together: whatever is joined to one of them, directly or through others.

    The first of a group, in order, stands for it.
    """

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.first_of(one), self.first_of(other)))
        self._parent[second] = first

    def first_of(self, one: int) -> int:
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one
