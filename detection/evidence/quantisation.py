"""The quantisation steps that a JPEG file states about itself, read by our own code and bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

MOST_SEGMENTS = 4000
START, SCAN, TABLES = 0xD8, 0xDA, 0xDB
FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
)
# The luminance table of ITU-T T.81, annex K, which most programs scale by their quality.
STANDARD = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def luminance_table(path: Path) -> np.ndarray | None:
    """Steps of the first component, shape (8, 8); None where the file does not say them."""
    with path.open("rb") as file:
        if file.read(2) != bytes([0xFF, START]):
            return None
        tables: dict[int, np.ndarray] = {}
        for marker, body in _segments(file):
            if marker == TABLES:
                tables |= _tables(body)
            elif marker in FRAMES and len(body) >= 9:
                table = tables.get(body[8])
                return table if table is None or table.min() > 0 else None
    return None


def standard_table(quality: int) -> np.ndarray:
    """The standard's luminance table at a quality from 1 to 100, as the IJG's library scales it."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((STANDARD * scale + 50) // 100, 1, 255)


def quality_of(table: np.ndarray) -> int | None:
    """The quality whose standard table this is; None for a table of somebody's own."""
    qualities = (q for q in range(1, 101) if np.array_equal(standard_table(q), table))
    return next(qualities, None)


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Marker and body of what comes before the first scan."""
    for _ in range(MOST_SEGMENTS):
        head = file.read(2)
        while len(head) == 2 and head[0] == 0xFF and head[1] == 0xFF:  # fill bytes
            head = head[1:] + file.read(1)
        if len(head) < 2 or head[0] != 0xFF or head[1] == SCAN:
            return
        if head[1] in ALONE:
            continue
        length = int.from_bytes(file.read(2), "big")
        body = file.read(length - 2) if length >= 2 else b""
        if length < 2 or len(body) < length - 2:
            return
        yield head[1], body


def _tables(body: bytes) -> dict[int, np.ndarray]:
    """Tables of one DQT segment by their number."""
    found, at = {}, 0
    while at < len(body):
        precision, number = body[at] >> 4, body[at] & 15
        size = 128 if precision else 64
        values = np.frombuffer(body[at + 1 : at + 1 + size], ">u2" if precision else "u1")
        if len(values) < 64:
            break
        table = np.zeros(64, np.int64)
        table[ZIGZAG] = values
        found[number] = table.reshape(8, 8)
        at += 1 + size
    return found
