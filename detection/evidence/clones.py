"""Clone hints: places that look as if one was copied from the other (copy-move).

0. A picture of more than MOST_PIXELS is reduced to that first ("full size" below).
1. Y, reduced to MATCHED_PIXELS where it is larger (from each pixel once, because a copy need not
   have moved by whole reduced pixels), is described at every pixel by the slowest DCT coefficients
   of the 16 × 16 block there, rounded to STEP; flat blocks are left out.
2. About SEARCHED_BLOCKS blocks are looked for among all; those with the same description vote for
   the shift between them.
3. A shift with many votes is refined at full size, to the pixel at which the blocks differ least,
   and checked there: both places must differ, on average over a square, by less than ALIKE of what
   a place differs from its own surroundings, have more detail than FLAT, and fit this shift
   alone: PEAK_PX pixels beside it they differ by more than 1 / SHARP times as much.
4. What is left and covers at least LEAST_AREA of the picture is a pair.

Found are parts that were moved without turning or scaling. Source: J. Fridrich, D. Soukal and
J. Lukáš, "Detection of Copy-Move Forgery in Digital Images", DFRWS 2003; the measure of what such
methods find and miss in V. Christlein et al., "An Evaluation of Popular Copy-Move Forgery Detection
Approaches", IEEE TIFS 7(6), 2012.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detection.evidence.layer import (
    Drawn,
    NotDrawn,
    Source,
    luminance,
    pooled,
    shrink_factor,
    strips,
)

VERSION = 2
BLOCK = 16
MOST_PIXELS, MATCHED_PIXELS = 12_000_000, 1_500_000
STEP = 14.0
# (row, column) of the coefficients that describe a block; the mean is not among them.
DESCRIBED = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))
LEAST_SHIFT = 24  # reduced pixels: nearer than this, everything is like itself
SEARCHED_BLOCKS = 100_000
ALIKE_AT_ONCE = 4  # searched blocks with one description that another is held against
MOST_MATCHES = 50_000  # of one kind; a picture of tiles matches everywhere
LEAST_VOTES = 25
LOOKED_AT = 9  # shifts for each that is checked: those next to it get votes, too
MOST_SHIFTS = 8
CHECKED_BLOCKS = 300
SQUARE = 8  # pixels, over which places are compared
ALIKE, FLAT = 0.4, 2.0
LEAST_AREA = 0.0008
PEAK_PX, SHARP = (4, 5), 0.5  # two distances, so that one of the ways lies along any edge
CHECKED_SQUARES = 600
LETTERS = "ABCD"
COLOURS = ((255, 176, 0), (0, 190, 255), (255, 90, 170), (120, 220, 60))


@dataclass(frozen=True)
class Pair:
    """Two places that look alike.

    Attributes:
        shift: pixels to the right and down from the one to the other.
        first: which squares of the picture belong to the one; the other lies at the shift.
    """

    shift: tuple[int, int]
    first: np.ndarray


def draw(source: Source) -> Drawn:
    """Marks, to lie over the picture: both places of each pair in one colour, with a letter.

    Raises:
        NotDrawn: the picture is hardly larger than one block.
    """
    if min(source.pixels.shape[:2]) < 4 * BLOCK:
        raise NotDrawn("layer_too_small")
    outer, levels = _levels(source.pixels)
    pairs = find_pairs(levels)
    figures = {"pairs": [_described(pair, outer) for pair in pairs]}
    return Drawn(_marked(pairs, levels.shape[0], levels.shape[1]), figures)


def _levels(pixels: np.ndarray) -> tuple[int, np.ndarray]:
    """Luminance, and the whole number it was reduced by to have no more than MOST_PIXELS."""
    height, width = pixels.shape[:2]
    factor = max(1, int(np.ceil(np.sqrt(height * width / MOST_PIXELS))))
    parts = (luminance(pixels[top:end]) for top, end in strips(height, factor))
    return factor, np.concatenate([pooled(p, factor) if factor > 1 else p for p in parts])


def find_pairs(levels: np.ndarray) -> list[Pair]:
    """Pairs in a picture of luminance, the largest first."""
    votes = _voted(levels)
    levels = _softened(levels)
    pairs: list[Pair] = []
    for shift, places in votes:
        fine = _refined(levels, shift, places)
        first = _alike(levels, fine)
        is_new = first.mean() >= LEAST_AREA and not _is_known(first, fine, pairs)
        if is_new and _sharpness(levels, fine, first) < SHARP:
            pairs.append(Pair((int(fine[1]), int(fine[0])), first))
        if len(pairs) == len(COLOURS):
            break
    return sorted(pairs, key=lambda pair: -int(pair.first.sum()))


def _voted(levels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shifts (down, right) with many votes and the places (n, 2) that voted, in pixels."""
    factor = max(1, int(np.ceil(np.sqrt(levels.size / MATCHED_PIXELS))))
    keys, places = _searched(_reduced(levels, factor, 0, 0), factor)
    if not len(keys):
        return []
    ones, shifts = [], []
    for down in range(factor):
        for right in range(factor):
            others, there = _descriptions(_reduced(levels, factor, down, right))
            there = there * factor + np.array([down, right])
            for one, other in _matched(keys, places, others, there):
                far = np.hypot(*(other - one).T) >= LEAST_SHIFT * factor
                ones.append(one[far])
                shifts.append((other - one)[far])
    return _most_voted(np.concatenate(ones), np.concatenate(shifts), levels.shape[1], factor)


def _reduced(levels: np.ndarray, factor: int, down: int, right: int) -> np.ndarray:
    """Reduced from this pixel on: a copy need not have moved by whole reduced pixels."""
    part = levels[down:, right:]
    return pooled(part, factor).astype(np.float32) if factor > 1 else part


def _searched(small: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Descriptions of some blocks, sorted, and their places in pixels."""
    keys, places = _descriptions(small)
    every = max(2, round(np.sqrt(small.size / SEARCHED_BLOCKS)))
    chosen = (places % every == 0).all(axis=1)
    keys, places = keys[chosen], places[chosen] * factor
    order = np.argsort(keys, kind="stable")
    return keys[order], places[order]


def _matched(
    keys: np.ndarray, places: np.ndarray, others: np.ndarray, there: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places with the same description: searched ones, and for each another."""
    first = np.searchsorted(keys, others)
    for following in range(ALIKE_AT_ONCE):
        at = np.minimum(first + following, len(keys) - 1)
        found = np.flatnonzero(keys[at] == others)
        found = found[:: max(1, len(found) // MOST_MATCHES)]
        yield places[at[found]], there[found]


def _most_voted(
    one: np.ndarray, shift: np.ndarray, width: int, factor: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    backwards = shift[:, 0] < 0
    one = np.where(backwards[:, None], one + shift, one)
    shift = np.where(backwards[:, None], -shift, shift)
    codes = shift[:, 0] * (2 * width + 1) + shift[:, 1] + width
    order = np.argsort(codes, kind="stable")
    _codes, starts, votes = np.unique(codes[order], return_index=True, return_counts=True)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for i in np.argsort(-votes)[: LOOKED_AT * MOST_SHIFTS]:
        voters = order[starts[i] : starts[i] + votes[i]]
        this = shift[voters[0]]
        is_new = all(np.abs(this - other).max() > 3 * factor for other, _places in kept)
        if votes[i] >= LEAST_VOTES and is_new:
            kept.append((this, one[voters]))
        if len(kept) == MOST_SHIFTS:
            break
    return kept


def _descriptions(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number per block that is not flat, and its place; equal numbers mean like blocks."""
    waves = _waves()
    across = {k: _slid(small, waves[k], axis=1) for k in range(3)}
    values = [_slid(across[right], waves[down], axis=0) for down, right in DESCRIBED]
    key = np.zeros(values[0].shape, np.uint64)
    for coefficients in values:
        whole = np.clip(np.rint(coefficients / STEP), -127, 127).astype(np.int64) + 128
        key = (key << np.uint64(8)) | whole.astype(np.uint64)
    has_detail = sum(np.abs(coefficients) for coefficients in values) >= 4 * STEP
    rows, columns = np.nonzero(has_detail)
    return key[rows, columns], np.stack([rows, columns], axis=1)


def _waves() -> np.ndarray:
    """The three slowest waves of an orthonormal DCT over BLOCK pixels."""
    k, x = np.mgrid[:3, :BLOCK]
    waves = np.cos((2 * x + 1) * k * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


def _slid(values: np.ndarray, wave: np.ndarray, axis: int) -> np.ndarray:
    """Products with a wave at every place along one axis."""
    along = values if axis == 0 else values.T
    length = len(along) - BLOCK + 1
    total = along[:length] * wave[0]
    for i, weight in enumerate(wave[1:], 1):
        total += along[i : i + length] * weight
    return total if axis == 0 else total.T


def _refined(levels: np.ndarray, shift: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The shift, of this one and its neighbours, at which the blocks that voted differ least."""
    chosen = places[:: max(1, len(places) // CHECKED_BLOCKS)]
    steps = (-2, -1, 0, 1, 2)
    tried = [shift + np.array([down, right]) for down in steps for right in steps]
    return min(tried, key=lambda one: _difference(levels, one, chosen))


def _difference(levels: np.ndarray, shift: np.ndarray, places: np.ndarray) -> float:
    inside = np.array(levels.shape) - 8
    there = places + shift
    kept = ((there >= 0) & (there < inside) & (places < inside)).all(axis=1)
    if not kept.any():
        return np.inf
    offsets = np.argwhere(np.ones((8, 8)))
    one, other = (
        levels[tuple((at[kept][:, None] + offsets).transpose(2, 0, 1))] for at in (places, there)
    )
    return float(np.median(np.abs(one - other).mean(axis=1)))


def _sharpness(levels: np.ndarray, shift: np.ndarray, first: np.ndarray) -> float:
    """How much the squares differ at this shift, as a share of the least that they differ at those
    PEAK_PX from it. A copy fits one shift alone; along a straight edge or a slope all fit alike.
    """
    squares = np.argwhere(first) * SQUARE
    squares = squares[:: max(1, len(squares) // CHECKED_SQUARES)]
    pixels = (squares[:, None] + np.argwhere(np.ones((SQUARE, SQUARE)))).reshape(-1, 2)
    last = np.array(levels.shape) - 1
    one = levels[tuple(np.minimum(pixels, last).T)]

    def difference(step: np.ndarray) -> float:
        there = np.clip(pixels + shift + step, 0, last)
        return float(np.abs(one - levels[tuple(there.T)]).mean())

    furthest = max(PEAK_PX)
    around = np.argwhere(np.ones((2 * furthest + 1,) * 2)) - furthest
    beside = min(difference(step) for step in around if np.abs(step).max() in PEAK_PX)
    return difference(np.zeros(2, int)) / max(beside, 1e-6)


def _alike(levels: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Squares of SQUARE pixels that are like the place at this shift, without single ones."""
    down, right = int(shift[0]), int(shift[1])
    height, width = levels.shape
    rows = slice(max(0, -down), min(height, height - down))
    columns = slice(max(0, -right), min(width, width - right))
    one = levels[rows, columns]
    other = levels[
        rows.start + down : rows.stop + down, columns.start + right : columns.stop + right
    ]
    difference = np.zeros_like(levels)
    difference[rows, columns] = np.abs(one - other)
    inside = np.zeros_like(levels)
    inside[rows, columns] = 1
    detail = _detail(levels)
    alike = (
        (pooled(inside, SQUARE) == 1)
        & (detail > FLAT)
        & (pooled(difference, SQUARE) < ALIKE * detail)
    )
    return _together(alike)


def _softened(levels: np.ndarray) -> np.ndarray:
    """Means over 3 × 3 pixels: the noise of the last saving is not what is compared."""
    padded = np.pad(levels, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9


def _detail(levels: np.ndarray) -> np.ndarray:
    """Mean distance to the mean of the 3 × 3 squares around, per square."""
    means = pooled(levels, SQUARE)
    padded = np.pad(means, 1, mode="edge")
    rows, columns = means.shape
    around = np.mean(
        [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0
    )
    spread = np.repeat(np.repeat(around, SQUARE, axis=0), SQUARE, axis=1)
    return pooled(np.abs(levels - spread[: levels.shape[0], : levels.shape[1]]), SQUARE)


def _together(cells: np.ndarray) -> np.ndarray:
    """Cells most of whose 3 × 3 neighbourhood is set; what stands alone is chance."""
    padded = np.pad(cells, 1).astype(np.uint8)
    rows, columns = cells.shape
    count = sum(padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3))
    return np.asarray(count >= 6)


def _is_known(first: np.ndarray, shift: np.ndarray, pairs: list[Pair]) -> bool:
    """Whether a pair with nearly this shift covers the same squares."""
    return any(
        max(abs(pair.shift[1] - shift[0]), abs(pair.shift[0] - shift[1])) <= 2 * SQUARE
        and (pair.first & first).sum() > 0.3 * first.sum()
        for pair in pairs
    )


def _described(pair: Pair, outer: int) -> dict[str, Any]:
    """In pixels of the picture: the box around the one place, and the shift to the other."""
    rows, columns = np.nonzero(pair.first)
    corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    left, top, right, bottom = (int(corner) * SQUARE * outer for corner in corners)
    return {
        "box": [left, top, right - left, bottom - top],
        "shift": [part * outer for part in pair.shift],
        "area": round(float(pair.first.mean()), 4),
    }


def _marked(pairs: list[Pair], height: int, width: int) -> Image.Image:
    """Both places of each pair, filled, framed and lettered; transparent elsewhere."""
    factor = shrink_factor(height, width)
    size = (-(-height // factor), -(-width // factor))
    picture = Image.new("RGBA", (size[1], size[0]))
    for number, pair in enumerate(pairs):
        for right, down in ((0, 0), pair.shift):
            _mark(picture, pair.first, (right, down), factor, number)
    return picture


def _mark(
    picture: Image.Image, cells: np.ndarray, shift: tuple[int, int], factor: int, number: int
) -> None:
    """One place: its squares moved by the shift (right, down)."""
    rows = (np.arange(picture.height) * factor - shift[1]) // SQUARE
    columns = (np.arange(picture.width) * factor - shift[0]) // SQUARE
    inside = ((rows >= 0) & (rows < cells.shape[0]))[:, None] & (
        (columns >= 0) & (columns < cells.shape[1])
    )
    rows, columns = rows.clip(0, cells.shape[0] - 1), columns.clip(0, cells.shape[1] - 1)
    mask = Image.fromarray(cells[rows[:, None], columns] & inside)
    picture.paste((*COLOURS[number], 100), mask=mask)
    if box := mask.getbbox():
        _frame(ImageDraw.Draw(picture), box, number, max(12, max(picture.size) // 40))


def _frame(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], number: int, size: int
) -> None:
    """A frame in the pair's colour, and its letter in white on black."""
    draw.rectangle(
        (box[0], box[1], box[2] - 1, box[3] - 1), outline=(*COLOURS[number], 255), width=2
    )
    font, corner = ImageFont.load_default(size), (box[0] + 4, box[1] + 2)
    left, top, right, bottom = draw.textbbox(corner, LETTERS[number], font=font)
    draw.rectangle((left - 3, top - 3, right + 3, bottom + 3), fill=(0, 0, 0, 220))
    draw.text(corner, LETTERS[number], fill=(255, 255, 255, 255), font=font)
