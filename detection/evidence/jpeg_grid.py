"""JPEG block grid: where the 8 × 8 blocks of an earlier or the last saving begin, place by place.

JPEG sets most fast coefficients of a block to zero. Seen from where its blocks begin, a part that
was saved as JPEG therefore has many zeros, and from the 63 other beginnings few. In cells of CELL
pixels, for each beginning b, over the n coefficients of the fastest 4 × 4 frequencies of its
blocks:

    p(b) = share of coefficients below 1/2,   z = (p(b) - m) / sqrt(m (1 - m) / n)

where m is the mean share over the beginnings that share neither row nor column with b (or with the
file's own). A cell has the grid b where z reaches LEAST_Z. The file's own grid begins at (0, 0) of
the pixels as stored. Two neighbouring cells that agree on another beginning are marked: that part
was saved as JPEG before, and then moved against the grid.

Source: T. Nikoukhah et al., "ZERO: a Local JPEG Grid Origin Detector Based on the Number of DCT
Zeros and its Applications in Image Forensics", Image Processing On Line 11, 2021; W. Li, Y. Yuan
and N. Yu, "Passive detection of doctored JPEG image via block artifact grid extraction", Signal
Processing 89(9), 2009. Their false alarms are controlled otherwise; LEAST_Z was set on drawn
pictures.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from PIL import Image

from detection.evidence.jpeg_history import dct_basis, read_history
from detection.evidence.layer import Drawn, NotDrawn, Source, luminance, shrink_factor

VERSION = 2
CELL = 64
MOST_PIXELS = 16_000_000  # of a larger picture every second, third … row of cells is looked at
FAST = slice(4, 8)
ZERO_BELOW = 0.5
LEAST_Z, LEAST_LEAD, LEAST_SECOND = 8.0, 3.0, 3.5
LEAST_SHARE = 0.1  # of the cells that show a grid, or the picture as a whole counts as having none
NO_GRID = -1
MARK, EDGE = (255, 176, 0, 110), (255, 176, 0, 255)
LISTED = 5


def draw(source: Source) -> Drawn:
    """Marks, to lie over the picture, where a grid begins elsewhere than in the rest.

    Raises:
        NotDrawn: the picture has no whole cell.
    """
    pixels = source.pixels
    if min(pixels.shape[:2]) < CELL:
        raise NotDrawn("layer_too_small")
    zeros = zero_shares(pixels)
    strongest = _strongest(zeros)
    usual = 0 if source.table is not None else _most_common(strongest)
    others = strongest
    if usual >= 0:
        has_usual = strongest == usual
        others = np.where(has_usual, _beside(zeros, usual), strongest)
    others = _agreed(others)
    figures = _figures(strongest, usual, others)
    if source.table is not None:
        figures |= asdict(read_history(pixels, source.table))
    return Drawn(_marked(others >= 0, pixels.shape[0], pixels.shape[1]), figures)


def zero_shares(pixels: np.ndarray) -> np.ndarray:
    """Share of zeros for each beginning, 8 · row + column, shape (rows, columns of cells, 64)."""
    rows = pixels.shape[0] // CELL
    every = 1 + pixels[..., 0].size // MOST_PIXELS
    looked_at = [_row_of_cells(pixels, row * CELL) for row in range(0, rows, every)]
    return np.repeat(np.stack(looked_at), every, axis=0)[:rows]


def _row_of_cells(pixels: np.ndarray, top: int) -> np.ndarray:
    """One row of cells; shape (cells, 64). Blocks may reach into the next cells; those that reach
    out of the picture are not counted: repeated or mirrored pixels would be zeros of their own.
    """
    levels = luminance(pixels[top : top + CELL + 7])
    height, width = levels.shape
    levels = np.pad(levels, ((0, CELL + 7 - height), (0, 7)), constant_values=np.nan)
    cells = width // CELL
    waves = dct_basis()[FAST]
    shares = np.empty((cells, 64), np.float32)
    for down in range(8):
        bands = levels[down : down + CELL].reshape(CELL // 8, 8, -1)
        fast_down = np.tensordot(waves, bands, axes=(1, 1))
        for right in range(8):
            rows = fast_down[:, :, right : right + cells * CELL].reshape(-1, 8)
            is_zero = np.abs(rows @ waves.T) < ZERO_BELOW  # nowhere where a block has no pixels
            zeros = is_zero.reshape(-1, cells, CELL // 8 * 4).sum(axis=(0, 2))
            blocks = _within(height, 1, down) * _within(width, cells, right)
            shares[:, 8 * down + right] = zeros / (blocks * 16)
    return shares


def _within(length: int, cells: int, beginning: int) -> np.ndarray:
    """How many blocks of each cell along one side lie in the picture; shape (cells,)."""
    start = np.arange(cells) * CELL + beginning
    return np.minimum(CELL // 8, (length - start) // 8)


def _strongest(shares: np.ndarray) -> np.ndarray:
    """The beginning that stands out in each cell from all others, or NO_GRID."""
    best = shares.argmax(axis=-1)
    most = shares.max(axis=-1)
    apart = np.stack([_apart(b) for b in range(64)])[best]
    rest = (shares * apart).sum(axis=-1) / apart.sum(axis=-1)
    second = np.sort(shares, axis=-1)[..., -2]
    stands_out = (most - rest >= LEAST_Z * _spread(rest)) & (
        most - second >= LEAST_LEAD * _spread(second)
    )
    return np.where(stands_out, best, NO_GRID)


def _beside(shares: np.ndarray, usual: int) -> np.ndarray:
    """A second beginning in each cell, or NO_GRID.

    A grid raises the shares of all beginnings in its row and column, and what it does to its
    neighbours it does on both sides alike. So a second one is where the mean of a row or column,
    the usual grid's left out, exceeds that of its mirror image.
    """
    table = shares.reshape(*shares.shape[:-1], 8, 8)
    table = np.roll(table, (-(usual // 8), -(usual % 8)), axis=(-2, -1))  # the usual one at (0, 0)
    row, has_row = _second(table[..., 1:].mean(axis=-1))
    column, has_column = _second(table[..., 1:, :].mean(axis=-2))
    row, column = np.where(has_row, row, 0), np.where(has_column, column, 0)
    found = 8 * ((row + usual // 8) % 8) + (column + usual % 8) % 8
    return np.where(has_row | has_column, found, NO_GRID)


def _second(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the places 2 to 6 exceeds its mirror image most, and whether by enough.

    Its neighbours get so much of the usual grid that a picture brighter to one side is enough to
    tell them apart; of 63 ways to lie elsewhere, 8 are lost with them.
    """
    mirrored = means[..., (8 - np.arange(8)) % 8]
    lead = (means - mirrored) / _spread(mirrored)
    lead[..., [0, 1, 7]] = 0.0
    return lead.argmax(axis=-1), lead.max(axis=-1) >= LEAST_SECOND


def _spread(share: np.ndarray) -> np.ndarray:
    """Deviation of such a share of the coefficients of one cell."""
    coefficients = (CELL // 8) ** 2 * 16
    return np.sqrt(np.clip(share * (1 - share), 1e-4, None) / coefficients)


def _apart(beginning: int) -> np.ndarray:
    """Which of the 64 beginnings share neither row nor column with this one."""
    rows, columns = np.divmod(np.arange(64), 8)
    return (rows != beginning // 8) & (columns != beginning % 8)


def _most_common(cells: np.ndarray) -> int:
    """Beginning that most cells share; NO_GRID where hardly any cell has one."""
    found = cells[cells >= 0]
    if len(found) < LEAST_SHARE * cells.size:
        return NO_GRID
    return int(np.bincount(found).argmax())


def _agreed(cells: np.ndarray) -> np.ndarray:
    """Cells whose neighbour, beside or below, has the same beginning; the rest has none."""
    kept = np.zeros(cells.shape, bool)
    for axis in (0, 1):
        same = np.diff(cells, axis=axis) == 0
        first = same & (np.take(cells, range(cells.shape[axis] - 1), axis) >= 0)
        before = [(0, 0), (0, 0)]
        after = [(0, 0), (0, 0)]
        before[axis], after[axis] = (0, 1), (1, 0)
        kept |= np.pad(first, before) | np.pad(first, after)
    return np.where(kept, cells, NO_GRID)


def _figures(cells: np.ndarray, usual: int, others: np.ndarray) -> dict[str, Any]:
    counts = np.bincount(others[others >= 0], minlength=64)
    listed = [int(i) for i in np.argsort(-counts)[:LISTED] if counts[i]]
    return {
        "cell": CELL,
        "cells": int(cells.size),
        "with_usual_grid": int((cells == usual).sum()) if usual >= 0 else 0,
        "with_other_grid": int((others >= 0).sum()),
        "usual_grid": None if usual < 0 else [usual % 8, usual // 8],
        "other_grids": [{"x": i % 8, "y": i // 8, "cells": int(counts[i])} for i in listed],
    }


def _marked(cells: np.ndarray, height: int, width: int) -> Image.Image:
    """Cells filled and, where their mark ends, framed; transparent elsewhere."""
    factor = shrink_factor(height, width)
    size = (-(-height // factor), -(-width // factor))
    rows = np.minimum(np.arange(size[0]) * factor // CELL, cells.shape[0])
    columns = np.minimum(np.arange(size[1]) * factor // CELL, cells.shape[1])
    mask = np.pad(cells, ((0, 1), (0, 1)))[rows[:, None], columns[None, :]]
    canvas = np.zeros((*size, 4), np.uint8)
    canvas[mask] = MARK
    canvas[mask & ~_inside(mask, 3)] = EDGE
    return Image.fromarray(canvas)


def _inside(mask: np.ndarray, depth: int) -> np.ndarray:
    """Where the mask goes on in all four directions for so many pixels."""
    padded = np.pad(mask, depth)
    height, width = mask.shape
    shifts = [(0, depth), (2 * depth, depth), (depth, 0), (depth, 2 * depth)]
    return np.all([padded[y : y + height, x : x + width] for y, x in shifts], axis=0)
