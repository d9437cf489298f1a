"""A part that was saved fewer times stands out, and a picture that hardly changes stays dark."""

import numpy as np

from detection.evidence import error_level
from detection.evidence.layer import Source
from tests.detection.evidence.pictures import saved, textured, with_part


def test_a_part_saved_fewer_times_changes_more():
    part = textured(160, 160, seed=9)
    spliced, mask = with_part(saved(textured(), 70), part, 200, 304)
    levels = error_level.error_levels(saved(spliced, 95))
    assert levels[mask].mean() > 1.5 * levels[~mask].mean()


def test_a_picture_saved_as_a_whole_changes_evenly():
    levels = error_level.error_levels(saved(textured(), 90))
    left, right = levels[:, :400].mean(), levels[:, 400:].mean()
    assert 0.8 < left / right < 1.25


def test_what_does_not_change_is_not_amplified_into_a_pattern():
    drawn = error_level.draw(Source(np.full((64, 64, 3), 128, np.uint8)))
    assert np.asarray(drawn.picture).max() == 0
    assert drawn.figures["amplification"] == 25.5


def test_strips_give_what_the_whole_gives():
    pixels = textured(1100, 64)
    levels = error_level.error_levels(pixels)
    white = max(float(np.percentile(levels, error_level.WHITE_PERCENTILE)), 10.0)
    expected = np.clip(levels / white, 0, 1) * 255
    shown = np.asarray(error_level.draw(Source(pixels)).picture, float)
    assert np.abs(shown - expected).max() <= 1
