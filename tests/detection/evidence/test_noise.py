"""Where noise is stronger, the layer is lighter, whatever the strips."""

import numpy as np

from detection.evidence import noise
from detection.evidence.layer import STRIP_ROWS, Source
from tests.detection.evidence.pictures import with_part


def _noisy(height: int, width: int, deviation: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    grey = 128 + rng.normal(0, deviation, (height, width, 1))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8), 3, axis=2)


def test_a_noisier_part_stands_out():
    pixels, _mask = with_part(_noisy(320, 320, 1.5), _noisy(96, 96, 6), 104, 160)
    levels = noise.noise_levels(pixels)
    assert levels[14:24, 21:31].min() > 2 * np.median(levels)


def test_an_even_picture_is_even():
    levels = noise.noise_levels(_noisy(320, 320, 4))
    assert levels.std() < 0.1 * levels.mean()


def test_edges_alone_are_no_noise():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    assert noise.noise_levels(pixels).max() == 0


def test_strips_leave_no_seam():
    levels = noise.noise_levels(_noisy(2 * STRIP_ROWS + 20, 64, 4))
    seam = STRIP_ROWS // noise.CELL
    assert abs(levels[seam - 1 : seam + 1].mean() - levels.mean()) < 0.2 * levels.mean()


def test_the_figures_name_the_ends_of_the_scale():
    figures = noise.draw(Source(_noisy(64, 64, 4))).figures
    assert figures["low"] <= figures["median"] <= figures["high"]
