"""The photograph inside a screenshot: a busy rectangle between plain, straight borders.

An interface is painted in a few exact colours, a photograph in none. Pixels of those colours are
plain; the picture is cut along plain rows and columns, and the largest piece that is left is
proposed where its edges are straight and it looks like a photograph.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import PIL.Image

Shares = tuple[float, float, float, float]

VERSION = 1  # of the method: what an older one found is looked for again
SEARCH_SIDE_PX = 512
# A colour is one of the interface's if so much of the picture is exactly that.
MIN_COLOUR_SHARE = 0.03
MOST_COLOURS = 6
# Levels that a re-saved plain pixel may be off: blocks of JPEG ring beside text.
RINGING = 6
# A row or column is plain if no more of it is anything else.
MOST_OTHER = 0.03
MIN_AREA, MOST_AREA = 0.08, 0.95
# An edge is straight where a line is photograph so far, and one of the next outside no further.
MIN_EDGE, MOST_BEYOND = 0.7, 0.35
EDGE_PX = 3
MIN_PLAIN_AROUND = 0.55
# In a photograph less is plain, fewer neighbours are equal and no colour is so common.
MOST_PLAIN_INSIDE, MOST_FLAT_INSIDE, MOST_OF_ONE_COLOUR = 0.3, 0.7, 0.4


@dataclass(frozen=True)
class _Piece:
    """Rows `top` to `bottom` and columns `left` to `right`, the last of each left out."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def of(self, pixels: np.ndarray) -> np.ndarray:
        return pixels[self.top : self.bottom, self.left : self.right]


def photograph_inside(picture: PIL.Image.Image) -> Shares | None:
    """Left, top, width, height of the photograph, in shares; None where there seems to be none.

    Args:
        picture: RGB; a preview is enough.
    """
    pixels = _reduced(picture)
    codes, flat = _codes(pixels), _flat(pixels)
    plain = _plain(pixels, codes, flat)
    whole = _Piece(0, 0, pixels.shape[1], pixels.shape[0])
    sizes = (MIN_AREA * whole.area, MOST_AREA * whole.area)
    found = [
        piece
        for piece in (_trimmed(piece, ~plain) for piece in _pieces(~plain, whole))
        if sizes[0] <= piece.area <= sizes[1]
        and _is_photograph(piece, plain, codes, flat)
        and _is_framed(piece, ~plain)
    ]
    return _shares(max(found, key=lambda piece: piece.area), whole) if found else None


def _reduced(picture: PIL.Image.Image) -> np.ndarray:
    small = picture.convert("RGB")
    # not averaged: a plain border keeps its exact colour up to the edge
    factor = max(1, round(max(small.size) / SEARCH_SIDE_PX))
    return np.asarray(small)[::factor, ::factor].astype(np.int16)


def _codes(pixels: np.ndarray) -> np.ndarray:
    """One number for each colour, four levels of a channel together."""
    red, green, blue = (pixels >> 2).astype(np.int32).transpose(2, 0, 1)
    return red << 12 | green << 6 | blue


def _flat(pixels: np.ndarray) -> np.ndarray:
    """Whether a pixel is as the one before it, across and down."""
    flat = np.ones(pixels.shape[:2], bool)
    for channel in pixels.transpose(2, 0, 1):
        flat[:, 1:] &= np.abs(np.diff(channel, axis=1)) <= 1
        flat[1:] &= np.abs(np.diff(channel, axis=0)) <= 1
    return flat


def _plain(pixels: np.ndarray, codes: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Which pixels have one of the interface's colours."""
    counts = np.bincount(codes[flat], minlength=1)
    common = np.flatnonzero(counts >= MIN_COLOUR_SHARE * codes.size)
    plain = np.zeros(codes.shape, bool)
    for code in sorted(common, key=lambda code: -counts[code])[:MOST_COLOURS]:
        colour = np.median(pixels[flat & (codes == code)], axis=0)
        near = np.abs(pixels - colour.astype(np.int16)) <= RINGING
        plain |= near[..., 0] & near[..., 1] & near[..., 2]
    return plain


def _pieces(other: np.ndarray, piece: _Piece) -> Iterator[_Piece]:
    """What is left between plain rows and columns, cut by turns until nothing more is."""
    runs = _runs(piece.of(other).mean(axis=1) > MOST_OTHER)
    rows = [
        _Piece(piece.left, piece.top + start, piece.right, piece.top + end) for start, end in runs
    ]
    for row in rows:
        columns = [
            _Piece(row.left + start, row.top, row.left + end, row.bottom)
            for start, end in _runs(row.of(other).mean(axis=0) > MOST_OTHER)
        ]
        for cut in columns:
            if cut == piece:
                yield cut
            elif cut.area >= MIN_AREA * other.size:
                yield from _pieces(other, cut)


def _runs(holds: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each stretch in which something holds."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(steps[::2], steps[1::2], strict=True)]


def _is_photograph(piece: _Piece, plain: np.ndarray, codes: np.ndarray, flat: np.ndarray) -> bool:
    around = (plain.sum() - piece.of(plain).sum()) / (plain.size - piece.area)
    most_common = np.bincount(piece.of(codes).ravel()).max() / piece.area
    return bool(
        around >= MIN_PLAIN_AROUND
        and piece.of(plain).mean() <= MOST_PLAIN_INSIDE
        and piece.of(flat).mean() <= MOST_FLAT_INSIDE
        and most_common <= MOST_OF_ONE_COLOUR
    )


def _trimmed(piece: _Piece, other: np.ndarray) -> _Piece:
    """Without lines that are mostly plain: what rings beside an edge, or text right below it."""
    for axis in (1, 0, 1):
        busy = np.flatnonzero(piece.of(other).mean(axis=axis) >= MIN_EDGE)
        if not busy.size:
            return _Piece(piece.left, piece.top, piece.left, piece.top)
        start, end = int(busy[0]), int(busy[-1]) + 1
        if axis:
            piece = _Piece(piece.left, piece.top + start, piece.right, piece.top + end)
        else:
            piece = _Piece(piece.left + start, piece.top, piece.left + end, piece.bottom)
    return piece


def _is_framed(piece: _Piece, other: np.ndarray) -> bool:
    """Straight edges wherever the picture goes on, and that on two sides across from each other."""
    height, width = other.shape
    across, down = slice(piece.left, piece.right), slice(piece.top, piece.bottom)
    near = {  # the lines just outside each side
        "left": other[down, max(0, piece.left - EDGE_PX) : piece.left].mean(axis=0),
        "top": other[max(0, piece.top - EDGE_PX) : piece.top, across].mean(axis=1),
        "right": other[down, piece.right : piece.right + EDGE_PX].mean(axis=0),
        "bottom": other[piece.bottom : piece.bottom + EDGE_PX, across].mean(axis=1),
    }
    ends_there = {"left": 0, "top": 0, "right": width, "bottom": height}
    free = {side for side, end in ends_there.items() if getattr(piece, side) != end}
    is_between = free >= {"left", "right"} or free >= {"top", "bottom"}
    return is_between and all(near[side].min() <= MOST_BEYOND for side in free)


def _shares(piece: _Piece, whole: _Piece) -> Shares:
    """Without the outermost line at its free sides, which may be half a border."""
    left, top = piece.left + (piece.left > 0), piece.top + (piece.top > 0)
    right = piece.right - (piece.right < whole.right)
    bottom = piece.bottom - (piece.bottom < whole.bottom)
    return (
        left / whole.right,
        top / whole.bottom,
        (right - left) / whole.right,
        (bottom - top) / whole.bottom,
    )
