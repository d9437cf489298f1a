"""A pattern is a point at its period and direction; a picture without one has none."""

import numpy as np
import pytest

from detection.evidence import spectrum
from detection.evidence.layer import NotDrawn, Source
from tests.detection.evidence.pictures import saved, textured
from tests.images import photo_like


def _with_waves(pixels: np.ndarray, across: float, down: float) -> np.ndarray:
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    waves = 8 * np.sin(2 * np.pi * (x / across + y / down))
    return np.clip(pixels + waves[..., None], 0, 255).astype(np.uint8)


def test_a_pattern_is_found_with_its_period():
    figures = spectrum.draw(Source(_with_waves(textured(), 6, 8))).figures
    assert figures["peaks"] >= 1
    assert figures["strongest"][0]["period"] == pytest.approx(4.8, abs=0.1)  # 1 / hypot(1/6, 1/8)


@pytest.mark.parametrize("quality", [None, 60, 85, 95])
def test_a_picture_without_a_pattern_has_no_points(quality):
    pixels = saved(textured(), quality) if quality else textured()
    assert spectrum.draw(Source(pixels)).figures["peaks"] == 0


def test_pixels_repeated_to_enlarge_leave_points():
    enlarged = np.asarray(photo_like(400, 300)).repeat(3, axis=0).repeat(3, axis=1)
    assert spectrum.draw(Source(enlarged)).figures["peaks"] > 0


@pytest.mark.parametrize(("side", "window"), [(64, 64), (300, 256), (900, 512)])
def test_the_window_fits_the_picture(side, window):
    drawn = spectrum.draw(Source(textured(side, side)))
    assert drawn.figures["window"] == window
    assert drawn.picture.size == (window, window)


def test_a_picture_smaller_than_the_smallest_window_is_refused():
    with pytest.raises(NotDrawn) as refusal:
        spectrum.draw(Source(textured(63, 900)))
    assert refusal.value.code == "layer_too_small"
