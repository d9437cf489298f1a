"""A copied part is found with its shift; a picture without one has no pair."""

import numpy as np
import pytest

from detection.evidence import clones
from detection.evidence.layer import NotDrawn, Source
from tests.detection.evidence.pictures import saved, textured, with_part
from tests.images import photo_like


def _copied(pixels: np.ndarray, *, by: tuple[int, int] = (400, 250)) -> np.ndarray:
    """A part of 160 × 120 pixels at (103, 100) again, so many pixels to the right and down."""
    part = pixels[100:220, 103:263]
    return with_part(pixels, part, 100 + by[1], 103 + by[0])[0]


@pytest.mark.parametrize("quality", [None, 90, 75])
def test_a_copied_part_is_found_with_its_shift(quality):
    pixels = _copied(textured())
    pixels = saved(pixels, quality) if quality else pixels
    (pair,) = clones.draw(Source(pixels)).figures["pairs"]
    assert pair["shift"] == [400, 250]
    assert pair["box"] == pytest.approx([103, 100, 160, 120], abs=24)


def test_it_is_found_in_a_large_picture_at_its_own_pixels(monkeypatch):
    monkeypatch.setattr(clones, "MATCHED_PIXELS", 120_000)  # matched at half size
    (pair,) = clones.draw(Source(_copied(textured(), by=(401, 251)))).figures["pairs"]
    assert pair["shift"] == [401, 251]


def test_figures_are_in_pixels_of_a_picture_that_was_reduced_first(monkeypatch):
    monkeypatch.setattr(clones, "MOST_PIXELS", 120_000)
    (pair,) = clones.draw(Source(_copied(textured()))).figures["pairs"]
    assert pair["shift"] == pytest.approx([400, 250], abs=2)
    assert pair["box"] == pytest.approx([103, 100, 160, 120], abs=48)


@pytest.mark.parametrize("pixels", [textured(), saved(textured(), 75), np.asarray(photo_like())])
def test_a_picture_without_a_copy_has_no_pair(pixels):
    drawn = clones.draw(Source(pixels))
    assert drawn.figures["pairs"] == []
    assert np.asarray(drawn.picture).max() == 0


def test_flat_and_smooth_places_are_no_copies():
    ramp = np.tile(np.linspace(0, 255, 400).astype(np.uint8), (300, 1))
    assert clones.draw(Source(np.stack([ramp] * 3, axis=-1))).figures["pairs"] == []


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0])
def test_a_straight_edge_is_like_itself_and_no_copy(slope):
    down, right = np.mgrid[:400, :600]
    away = down - 200 - slope * (right - 300)
    edge = 90 + 80 * (np.abs(away) < 30) + 40 * np.tanh(away / 20)
    noise = np.random.default_rng(3).normal(0, 1.5, edge.shape)
    pixels = np.clip(edge + noise, 0, 255).astype(np.uint8)
    assert clones.draw(Source(np.stack([pixels] * 3, axis=-1))).figures["pairs"] == []


def test_both_places_are_marked():
    marks = np.asarray(clones.draw(Source(_copied(textured()))).picture)[..., 3] > 0
    assert marks[120:200, 123:243].mean() > 0.9
    assert marks[370:450, 523:643].mean() > 0.9
    assert marks.mean() < 0.15


@pytest.mark.parametrize("size", [(63, 900), (1, 1000), (900, 20)])
def test_hardly_more_than_a_block_is_refused(size):
    with pytest.raises(NotDrawn):
        clones.draw(Source(np.zeros((*size, 3), np.uint8)))
