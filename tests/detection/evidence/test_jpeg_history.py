"""Saved once, saved twice, and what cannot be told."""

import numpy as np
import pytest

from detection.evidence.jpeg_history import read_history
from detection.evidence.quantisation import standard_table
from tests.detection.evidence.pictures import saved, textured
from tests.images import photo_like


@pytest.mark.parametrize("quality", [60, 75, 85, 90, 95, 100])
@pytest.mark.parametrize("seed", [1, 2])
def test_one_saving_is_not_called_two(quality, seed):
    pixels = saved(textured(seed=seed), quality)
    assert read_history(pixels, standard_table(quality)).was_saved_before == "no"


@pytest.mark.parametrize("quality", [50, 60, 75, 90])
def test_one_saving_of_a_smooth_picture_is_not_called_two(quality):
    pixels = saved(np.asarray(photo_like(800, 600)), quality)
    assert read_history(pixels, standard_table(quality)).was_saved_before != "yes"


@pytest.mark.parametrize(
    ("first", "second"), [(50, 75), (60, 90), (70, 85), (75, 95), (80, 90), (85, 60)]
)
def test_two_savings_are_seen_with_the_first_quality(first, second):
    found = read_history(saved(textured(), first, second), standard_table(second))
    assert found.was_saved_before == "yes"
    assert found.quality == second
    assert found.earlier_quality == pytest.approx(first, abs=2)


def test_a_first_saving_at_a_higher_quality_leaves_no_sign():
    """Which is why the answer says that there may have been one."""
    assert read_history(saved(textured(), 95, 75), standard_table(75)).was_saved_before == "no"


def test_pixels_that_are_not_what_the_file_holds_cannot_be_told():
    """As after a colour profile, or a table that is not the file's."""
    pixels = saved(textured(), 85)
    brighter = np.clip(pixels * 1.07, 0, 255).astype(np.uint8)
    assert read_history(brighter, standard_table(85)).was_saved_before == "unknown"


@pytest.mark.parametrize("size", [(1, 1000), (8, 8), (3, 5)])
def test_too_little_to_tell(size):
    pixels = np.full((*size, 3), 90, np.uint8)
    assert read_history(pixels, standard_table(75)).was_saved_before == "unknown"


def test_a_flat_picture_cannot_be_told():
    pixels = saved(np.full((300, 300, 3), 90, np.uint8), 75)
    assert read_history(pixels, standard_table(75)).was_saved_before == "unknown"
