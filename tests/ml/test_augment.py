import numpy as np
import pytest
from PIL import Image

from ml.datasets.augment import Augmentation, Degradation
from tests.images import photo_like

IMAGE = np.asarray(photo_like(64, 64))


def many(augmentation: Augmentation, image: np.ndarray = IMAGE, n: int = 200) -> list[np.ndarray]:
    return [augmentation.apply(image, np.random.default_rng(seed)) for seed in range(n)]


def test_flip_mirrors_half_of_the_images():
    mirrored = sum(bool((out == IMAGE[:, ::-1]).all()) for out in many(Augmentation(0, True, 0.0)))
    assert 70 < mirrored < 130


def test_brightness_stays_within_its_bound():
    grey = np.full((8, 8, 3), 100, np.uint8)
    means = [out.mean() for out in many(Augmentation(0, False, 0.2), grey)]
    assert 80 <= min(means) < 85
    assert 115 < max(means) <= 120


def test_rotation_turns_some_images_and_keeps_their_centre():
    outs = many(Augmentation(10, False, 0.0))
    turned = [out for out in outs if (out != IMAGE).any()]
    assert 70 < len(turned) < 130
    assert all(np.abs(out[32, 32].astype(int) - IMAGE[32, 32]).max() < 60 for out in turned)


def test_the_same_draw_gives_the_same_image():
    first, again = (Augmentation().apply(IMAGE, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def shapes(width: int, height: int) -> np.ndarray:
    pixels = np.asarray(photo_like(width, height))
    outs = [
        Degradation(min_scale=1, max_scale=1).apply(pixels, np.random.default_rng(seed))
        for seed in range(300)
    ]
    return np.array([out.shape[1] / out.shape[0] for out in outs])


@pytest.mark.parametrize("size", [(200, 300), (400, 200)])
def test_square_and_other_pictures_end_with_the_same_spread_of_aspects(size):
    square, other = shapes(256, 256), shapes(*size)
    assert (
        np.abs(np.quantile(square, [0.1, 0.5, 0.9]) - np.quantile(other, [0.1, 0.5, 0.9])).max()
        < 0.05
    )


def test_a_degraded_picture_still_shows_the_same_thing():
    pixels = np.asarray(photo_like(200, 200))
    for seed in range(30):
        out = Degradation().apply(pixels, np.random.default_rng(seed))
        assert out.dtype == np.uint8
        assert abs(float(out.mean()) - float(pixels.mean())) < 25
        assert min(out.shape[:2]) >= 48


def test_a_picture_of_one_pixel_survives():
    pixel = np.asarray(Image.new("RGB", (1, 1), (9, 9, 9)))
    for seed in range(30):
        assert Degradation().apply(pixel, np.random.default_rng(seed)).shape[2] == 3
