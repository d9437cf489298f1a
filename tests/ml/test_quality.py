from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ml.quality import BLOCK, BLOCKS_SIDE_PX, blockiness, correlation, flatness, measure
from tests.images import encode, photo_like

SIZES = [(320, 240), (640, 480), (1600, 1200)]


def saved(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(BytesIO(encode(image, "JPEG", quality=quality))).convert("RGB")


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_that_was_never_compressed_has_no_blocks(size):
    assert measure(photo_like(*size)).blockiness == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_blocks_has_far_more(size):
    assert measure(saved(photo_like(*size), 5)).blockiness > 5


def test_more_compression_is_more_blocks():
    image = photo_like(640, 480)
    found = [measure(saved(image, quality)).blockiness for quality in (95, 70, 40, 20, 5)]
    assert found == sorted(found)


def test_blocks_are_counted_from_the_corner_of_a_large_picture():
    size = BLOCKS_SIDE_PX + 3 * BLOCK + 5
    assert measure(saved(photo_like(size, 400), 5)).blockiness > 10


@pytest.mark.parametrize("shape", [(1, 1), (23, 23), (5, 20)])
def test_too_few_blocks_say_nothing(shape):
    grey = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert blockiness(grey) == 1


def test_blocks_one_way_are_told_from_the_other():
    stripes = np.repeat(np.arange(0, 80, 10, dtype=np.uint8), BLOCK)[None].repeat(20, axis=0)
    assert blockiness(stripes) == pytest.approx((10 + 0.5) / 0.5)
    assert blockiness(stripes.T) == blockiness(stripes)


@pytest.mark.parametrize("colour", ["red", "black", (120, 130, 140)])
def test_a_plain_picture_has_neither_blocks_nor_detail(colour):
    plain = measure(Image.new("RGB", (300, 200), colour))
    assert (plain.blockiness, plain.detail) == (1, 0)


def test_detail_is_what_is_lost_at_a_small_size():
    assert measure(photo_like(1600, 1200)).detail > 10


def test_a_picture_enlarged_from_a_tiny_one_has_little_left():
    tiny = photo_like(320, 240).resize((32, 32), Image.Resampling.BOX)
    enlarged = tiny.resize((512, 512), Image.Resampling.BICUBIC)
    assert measure(enlarged).detail < 1 < measure(photo_like(320, 240)).detail


@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (1, 4000), (7, 9)])
def test_the_smallest_and_the_longest_can_be_measured(size):
    found = measure(photo_like(*size))
    assert np.isfinite([found.blockiness, found.detail]).all()


def test_it_is_written_by_name():
    figures = {"blockiness", "detail", "flatness", "correlation"}
    assert set(measure(photo_like()).to_json()) == figures


def test_equal_neighbours_are_counted_and_noise_does_not_correlate():
    noise = np.random.default_rng(2).integers(0, 256, (64, 64), np.uint8)
    ramp = np.tile(np.arange(0, 128, 2, np.uint8), (64, 1))
    assert flatness(np.zeros((8, 8), np.uint8)) == 1.0
    assert flatness(ramp) == 0.0
    assert correlation(ramp) == pytest.approx(1.0)
    assert abs(correlation(noise)) < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (9, 1), (1, 9)])
def test_lines_have_figures_too(shape: tuple[int, int]):
    grey = np.zeros(shape, np.uint8)
    assert (flatness(grey), correlation(grey)) == (1.0, 1.0)
