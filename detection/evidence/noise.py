"""Noise residual: how strong the fine noise is in each place.

    r = Y - median3x3(Y),   level = mean of min(|r|, CLIP) over cells of 8 × 8 pixels,
    shown = mean of the level over 3 × 3 cells

The median takes out what is smooth and keeps edges; the clip keeps what edges leave behind from
ruling a cell. One sensor at one sensitivity leaves noise that changes gently with brightness; a
part from another picture, or one that was smoothed, scaled or drawn, may have a level of its own.

Source: the median residual as in J. Fridrich and J. Kodovský, "Rich Models for Steganalysis of
Digital Images", IEEE TIFS 7(3), 2012; local noise levels as in B. Mahdian and S. Saic, "Using noise
inconsistencies for blind image forensics", Image and Vision Computing 27(10), 2009.
"""

import numpy as np
from PIL import Image, ImageFilter

from detection.evidence.layer import Drawn, Source, grey, luminance, pooled, strips

VERSION = 1
CELL = 8
CLIP = 12.0  # levels; sensor noise in a photograph stays below, edges do not
MARGIN = 8  # rows of the neighbouring strips that the median may look at; a multiple of the cell
DARK_PERCENTILE, LIGHT_PERCENTILE = 1, 99
LEAST_RANGE = 1.0


def draw(source: Source) -> Drawn:
    """Noise levels in grey, one pixel a cell: the lighter, the noisier."""
    levels = noise_levels(source.pixels)
    shares = [DARK_PERCENTILE, 50, LIGHT_PERCENTILE]
    low, median, high = (float(value) for value in np.percentile(levels, shares))
    figures = {"low": round(low, 2), "median": round(median, 2), "high": round(high, 2)}
    return Drawn(grey(levels, low, max(high, low + LEAST_RANGE)), figures)


def noise_levels(pixels: np.ndarray) -> np.ndarray:
    """Noise level per cell in levels of 255, float32, shape (h / 8, w / 8) rounded up."""
    height = pixels.shape[0]
    parts = []
    for top, end in strips(height, CELL):
        above, below = max(0, top - MARGIN), min(height, end + MARGIN)
        residual = _residual(pixels[above:below])[top - above : end - above]
        parts.append(pooled(np.minimum(residual, CLIP), CELL))
    return _smoothed(np.concatenate(parts))


def _residual(pixels: np.ndarray) -> np.ndarray:
    grey_levels = np.rint(luminance(pixels)).astype(np.uint8)
    middle = Image.fromarray(grey_levels).filter(ImageFilter.MedianFilter(3))
    return np.abs(grey_levels.astype(np.float32) - np.asarray(middle, np.float32))


def _smoothed(cells: np.ndarray) -> np.ndarray:
    """Means over 3 × 3 cells, the edge repeated."""
    padded = np.pad(cells, 1, mode="edge")
    rows, columns = cells.shape
    shifts = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.mean(shifts, axis=0)
