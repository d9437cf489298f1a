import numpy as np
import pytest
from PIL import Image

from ml.stability import TRANSFORMS, VIEW_SIDE_PX, transformed, view_of
from tests.images import photo_like


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_alters_a_picture_mildly(name: str):
    image = photo_like(300, 200)
    altered = transformed(image, [name])[name].resize(image.size)
    difference = np.abs(np.asarray(altered, float) - np.asarray(image, float)).mean()
    assert 0.1 < difference < 12


@pytest.mark.parametrize(
    ("name", "size"),
    [("jpeg_85", (900, 600)), ("scale_75", (675, 450)), ("scale_65", (585, 390))],
)
def test_a_transform_starts_from_the_picture_as_it_is(name: str, size):
    assert transformed(photo_like(900, 600), [name])[name].size == size


@pytest.mark.parametrize(("harsh", "mild"), [("jpeg_60", "jpeg_85"), ("scale_65", "scale_75")])
def test_networks_of_several_views_get_the_harsher_ones(harsh: str, mild: str):
    image = photo_like(300, 200)
    altered = transformed(image, [harsh, mild])
    more, less = (
        np.abs(np.asarray(altered[name].resize(image.size), float) - np.asarray(image)).mean()
        for name in (harsh, mild)
    )
    assert more > less


def test_a_large_picture_is_viewed_small():
    assert view_of(photo_like(2000, 1000)).size == (VIEW_SIDE_PX, VIEW_SIDE_PX // 2)


def test_a_small_picture_is_not_enlarged():
    assert view_of(photo_like(100, 60)).size == (100, 60)


def test_a_line_one_pixel_high_survives():
    for altered in transformed(Image.new("RGB", (5000, 1)), TRANSFORMS).values():
        assert min(altered.size) >= 1


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="polish"):
        transformed(photo_like(), ["polish"])
