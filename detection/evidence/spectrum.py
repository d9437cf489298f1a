"""Frequency spectrum: which regular patterns run through the picture.

The power of the two-dimensional Fourier transform, averaged over windows that cover the picture at
its own size (Welch's method), in decibels and with the slow frequencies in the middle:

    S = mean over windows of |FFT2(hann2 · (Y - mean Y))|²,   shown = 10 · log10(S)

A photograph falls off smoothly from the middle. Isolated points away from the axes mean a pattern
that repeats with one period: resampling, a screen or print, or the upsampling of some generators. A
point counts here when it stands PEAK_DB above the median of its neighbourhood.

Source: P. D. Welch, IEEE Trans. Audio Electroacoust. 15(2), 1967; for resampling A. C. Popescu and
H. Farid, "Exposing Digital Forgeries by Detecting Traces of Resampling", IEEE TSP 53(2), 2005; for
generators X. Zhang, S. Karaman and S.-F. Chang, "Detecting and Simulating Artifacts in GAN Fake
Images", WIFS 2019.
"""

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFilter

from detection.evidence.layer import Drawn, NotDrawn, Source, grey, luminance

VERSION = 1
WINDOWS = (512, 256, 128, 64)
MOST_WINDOWS = 100
PEAK_DB = 15.0  # in a single window, chance alone reaches 13
NEIGHBOURHOOD = 13
LONGEST_PERIOD = 16  # pixels; slower patterns are the picture itself
NEAR_AXES = (
    4  # steps of frequency: what runs straight across or down, JPEG blocks and frames among it
)
LISTED_PEAKS = 8
DARK_PERCENTILE, LIGHT_PERCENTILE = 1, 99.9


def draw(source: Source) -> Drawn:
    """The spectrum in grey, lighter where it is stronger.

    Raises:
        NotDrawn: the picture is smaller than the smallest window.
    """
    height, width = source.pixels.shape[:2]
    side = next((side for side in WINDOWS if side <= min(height, width)), None)
    if side is None:
        raise NotDrawn("layer_too_small")
    power_db = spectrum(source.pixels, side)
    low, high = np.percentile(power_db, [DARK_PERCENTILE, LIGHT_PERCENTILE])
    found = peaks(power_db)
    figures = {"window": side, "peaks": len(found), "strongest": found[:LISTED_PEAKS]}
    return Drawn(grey(power_db, low, high), figures)


def spectrum(pixels: np.ndarray, side: int) -> np.ndarray:
    """Mean power in dB, shape (side, side), slow frequencies in the middle."""
    hann = np.hanning(side).astype(np.float32)
    window = hann[:, None] * hann[None, :]
    power, count = np.zeros((side, side)), 0
    for top, left in _places(pixels.shape[0], pixels.shape[1], side):
        part = luminance(pixels[top : top + side, left : left + side])
        power += np.abs(np.fft.fft2((part - part.mean()) * window)) ** 2
        count += 1
    return np.fft.fftshift(10 * np.log10(power / count + 1.0))


def peaks(power_db: np.ndarray) -> list[dict[str, float]]:
    """Isolated points of the upper half (the lower mirrors it), strongest first.

    Returns:
        `period` in pixels, `angle` of the direction in degrees, `db` above the neighbourhood.
    """
    middle = power_db.shape[0] // 2
    above = power_db - _local_median(power_db)
    above[:, middle - NEAR_AXES : middle + NEAR_AXES + 1] = 0
    above[middle - NEAR_AXES :] = 0
    near = power_db.shape[0] // LONGEST_PERIOD
    above[middle - near :, middle - near : middle + near + 1] = 0
    rows, columns = np.nonzero((above >= PEAK_DB) & (above == _local_most(above)))
    found = [
        _peak(y - middle, x - middle, middle, above[y, x])
        for y, x in zip(rows, columns, strict=True)
    ]
    return sorted(found, key=lambda peak: -peak["db"])


def _peak(down: int, right: int, middle: int, above_db: float) -> dict[str, float]:
    return {
        "period": round(2 * middle / math.hypot(down, right), 2),
        "angle": round(math.degrees(math.atan2(-down, right)), 1),
        "db": round(float(above_db), 1),
    }


def _places(height: int, width: int, side: int) -> Iterator[tuple[int, int]]:
    """Corners of windows, spread evenly so that they cover the picture where that takes few."""
    down, right = -(-height // side), -(-width // side)
    if (too_many := down * right / MOST_WINDOWS) > 1:
        down, right = (max(1, int(count / math.sqrt(too_many))) for count in (down, right))
    for top in np.linspace(0, height - side, down).astype(int):
        for left in np.linspace(0, width - side, right).astype(int):
            yield int(top), int(left)


def _local_median(power_db: np.ndarray) -> np.ndarray:
    """In steps of 0.5 dB, which Pillow's filter takes as whole numbers."""
    steps = np.clip(np.rint(2 * power_db), 0, 255).astype(np.uint8)
    middle = Image.fromarray(steps).filter(ImageFilter.MedianFilter(NEIGHBOURHOOD))
    return np.asarray(middle, np.float64) / 2


def _local_most(values: np.ndarray) -> np.ndarray:
    """The largest of each place and its eight neighbours."""
    height, width = values.shape
    padded = np.pad(values, 1, mode="edge")
    shifts = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.max(shifts, axis=0)
