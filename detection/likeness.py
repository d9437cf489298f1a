"""How alike two pictures are: distances of perceptual hashes, and the bands they are found by.

The 63 bits that differ between pictures (the first is the picture's brightness, and always set) are
dealt out to three bands. Hashes that differ in at most eight bits differ in at most two of them in
one band at least, so an index on each band finds all of them.

Source: Norouzi, Punjani and Fleet, Fast Search in Hamming Space with Multi-Index Hashing,
CVPR 2012.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

# Measured on copies and on other pictures; see docs/performance.md.
NEAR_DISTANCE, POSSIBLE_DISTANCE = 4, 8
BANDS, BAND_BITS = 3, 21
RADIUS = POSSIBLE_DISTANCE // BANDS
# A picture sets half of its 64 bits; one colour, a gradient or a line sets up to 5.
FEWEST_BITS = 16

_ODD_ACROSS = 0x5555555555555555  # frequencies that change their sign in a mirror
_FLIPS = [
    sum(1 << bit for bit in bits)
    for count in range(RADIUS + 1)
    for bits in combinations(range(BAND_BITS), count)
]


def is_telling(perceptual_hash: str) -> bool:
    """Whether a hash says what is in a picture; that of a uniform one is that of every other."""
    return bool(perceptual_hash) and int(perceptual_hash, 16).bit_count() >= FEWEST_BITS


def distance(one: str, other: str) -> int:
    """How many of their 64 bits differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def bands(perceptual_hash: str) -> tuple[int, ...]:
    """The hash in three numbers: every third bit of it each, so that none holds the sky alone."""
    bits = f"{int(perceptual_hash, 16):064b}"[1:]
    return tuple(int(bits[start::BANDS], 2) for start in range(BANDS))


def probes(band: int) -> list[int]:
    """Every value of a band that a picture within `POSSIBLE_DISTANCE` may have in it."""
    return [band ^ flip for flip in _FLIPS]


def mirrored(perceptual_hash: str) -> str:
    """About the hash of the mirrored picture, where the picture itself is not at hand.

    The median moves a little when half of the frequencies change their sign: 98 % of 1,150 were
    within 8 bits of the real one, 75 % within 4.
    """
    return f"{int(perceptual_hash, 16) ^ _ODD_ACROSS:016x}"


def columns(upright: str, in_mirror: str) -> dict[str, Any]:
    """Columns of Image for the hash of a picture and of its mirrored copy."""
    values: Iterable[int | None] = bands(upright) if is_telling(upright) else [None] * BANDS
    return {
        "perceptual_hash": upright,
        "mirrored_hash": in_mirror,
        **{f"band_{number}": value for number, value in enumerate(values)},
    }


NO_COLUMNS = {
    "perceptual_hash": "",
    "mirrored_hash": "",
    **{f"band_{number}": None for number in range(BANDS)},
}
