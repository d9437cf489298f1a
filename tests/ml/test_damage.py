from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ml.datasets.damage import Damage, draw_filter
from ml.preprocess import FILTERS
from tests.images import photo_like

NONE = Damage(tone_share=0, blur_share=0, noise_share=0, screenshot_share=0, save_share=0)
SHARES = ("tone_share", "blur_share", "noise_share", "screenshot_share", "save_share")
EVERYTHING = replace(NONE, **dict.fromkeys(SHARES, 1.0))
PICTURE = photo_like(90, 70)


def damaged(damage: Damage, seed: int = 0, image: Image.Image = PICTURE) -> np.ndarray:
    return np.asarray(damage.apply(image, np.random.default_rng(seed)))


@pytest.mark.parametrize("size", [(90, 70), (16, 16), (17, 300)])
@pytest.mark.parametrize("damage", [Damage(), EVERYTHING], ids=["default", "everything"])
def test_a_damaged_picture_is_rgb_of_the_same_size(damage, size):
    for seed in range(20):
        image = damage.apply(photo_like(*size), np.random.default_rng(seed))
        assert (image.mode, image.size) == ("RGB", size)
        assert np.asarray(image).dtype == np.uint8


@pytest.mark.parametrize("damage", [Damage(), EVERYTHING], ids=["default", "everything"])
def test_the_same_draw_does_the_same_damage(damage):
    for seed in range(10):
        np.testing.assert_array_equal(damaged(damage, seed), damaged(damage, seed))


def test_other_draws_do_other_damage():
    assert (damaged(EVERYTHING, 1) != damaged(EVERYTHING, 2)).any()


def test_without_any_share_the_picture_stays_as_it_is():
    for seed in range(20):
        np.testing.assert_array_equal(damaged(NONE, seed), np.asarray(PICTURE))


@pytest.mark.parametrize("share", SHARES)
def test_each_kind_of_damage_shows(share):
    damage = replace(NONE, **{share: 1.0})
    shown = sum((damaged(damage, seed) != np.asarray(PICTURE)).any() for seed in range(20))
    # a blur of under 0.3 pixels is lost in rounding to bytes
    assert shown >= (16 if share == "blur_share" else 20)


@pytest.mark.parametrize("share", SHARES)
def test_a_share_is_how_often_it_happens(share):
    damage = replace(NONE, **{share: 0.3})
    hits = sum((damaged(damage, seed) != np.asarray(PICTURE)).any() for seed in range(200))
    assert 40 < hits < 80


@pytest.mark.parametrize("webp_share", [0.0, 1.0])
def test_a_save_at_high_quality_hardly_shows(webp_share):
    damage = replace(NONE, save_share=1.0, max_saves=1, min_quality=100, webp_share=webp_share)
    change = np.abs(damaged(damage).astype(int) - np.asarray(PICTURE))
    assert 0 < change.mean() < 4


def test_a_damaged_picture_still_shows_the_same_thing():
    for seed in range(30):
        change = damaged(EVERYTHING, seed).astype(int) - np.asarray(PICTURE)
        assert abs(change.mean()) < 70


def test_black_and_white_do_not_wrap_round():
    for value in (0, 255):
        image = Image.new("RGB", (32, 32), (value,) * 3)
        for seed in range(20):
            out = damaged(replace(NONE, noise_share=1.0, tone_share=1.0), seed, image)
            assert abs(int(np.median(out)) - value) < 120


def test_every_resize_filter_is_drawn():
    generator = np.random.default_rng(0)
    assert {draw_filter(generator) for _ in range(100)} == set(FILTERS.values())
