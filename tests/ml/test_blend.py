from functools import cache

import numpy as np
import pytest
from PIL import Image

from ml.datasets.blend import (
    MIN_CHANGE,
    PART_SHARES,
    PARTS,
    _aligned,
    _mask,
    _recoloured,
    cross_blended,
    mismatch,
    self_blended,
)
from tests.images import photo_like

# eyes, nose, corners of the mouth of an upright face, 20 pixels between the eyes
FACE = np.array([[-10, -8], [10, -8], [0, 3], [-7, 13], [7, 13]], float)
MIDDLE = (200, 150)
PIXELS = np.asarray(photo_like(400, 300))
OTHER = np.asarray(photo_like(260, 340, seed=1))


def at(x: float, y: float, *, size: float = 1.0, degrees: float = 0.0) -> np.ndarray:
    """The face's landmarks turned, scaled and moved to a place."""
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    return size * FACE @ turn + [x, y]


@cache
def self_blends(n: int = 40) -> list[np.ndarray]:
    drawn = (self_blended(PIXELS, at(*MIDDLE), np.random.default_rng(seed)) for seed in range(n))
    return [blend for blend in drawn if blend is not None]


@cache
def cross_blends(n: int = 40) -> list[np.ndarray]:
    there = at(120, 170, size=1.6, degrees=20)
    drawn = (
        cross_blended(PIXELS, at(*MIDDLE), OTHER, there, np.random.default_rng(seed))
        for seed in range(n)
    )
    return [blend for blend in drawn if blend is not None]


@pytest.mark.parametrize("blends", [self_blends, cross_blends])
def test_nothing_changes_far_from_the_face(blends):
    far = np.hypot(*(np.indices(PIXELS.shape[:2]) - np.array(MIDDLE[::-1])[:, None, None])) > 80
    for blend in blends():
        np.testing.assert_array_equal(blend[far], PIXELS[far])


@pytest.mark.parametrize("blends", [self_blends, cross_blends])
def test_the_face_or_a_part_of_it_does_change(blends):
    for blend in blends():
        changed = (blend != PIXELS).any(axis=2)
        assert changed.sum() > 40
        y, x = (axis.mean() for axis in np.nonzero(changed))
        assert np.hypot(x - MIDDLE[0], y - MIDDLE[1]) < 40


@pytest.mark.parametrize("blends", [self_blends, cross_blends])
def test_most_draws_give_a_blend_of_the_same_form(blends):
    drawn = blends()
    assert len(drawn) > 34
    assert {(blend.shape, blend.dtype) for blend in drawn} == {(PIXELS.shape, np.dtype(np.uint8))}


def test_the_same_draw_gives_the_same_blend():
    for make in (self_blends, cross_blends):
        for first, again in zip(make(5), make.__wrapped__(5), strict=True):
            np.testing.assert_array_equal(first, again)


def test_the_picture_itself_is_left_alone():
    before = PIXELS.copy()
    self_blends.__wrapped__(5)
    np.testing.assert_array_equal(PIXELS, before)


class Fixed:
    """A generator whose coin always falls the same way; other draws are a real one's."""

    def __init__(self, random: float, seed: int) -> None:
        self._random, self._real = random, np.random.default_rng(seed)

    def random(self) -> float:
        return self._random

    def __getattr__(self, name: str):
        return getattr(self._real, name)


@pytest.mark.parametrize("value", [0, 90, 255])
def test_the_same_plain_colour_on_both_sides_is_none(value):
    plain = np.full((200, 200, 3), value, np.uint8)
    for seed in range(5):
        unchanged = Fixed(0.99, seed)  # neither recoloured nor changed
        assert cross_blended(plain, at(100, 100), plain, at(90, 80), unchanged) is None


def test_a_blend_that_would_hardly_show_is_none():
    plain = np.full((200, 200, 3), 120, np.uint8)
    blends = [self_blended(plain, at(100, 100), np.random.default_rng(n)) for n in range(40)]
    shown = [np.abs(blend.astype(int) - plain).max() for blend in blends if blend is not None]
    assert 0 < len(shown) < 40
    assert min(shown) >= MIN_CHANGE


@pytest.mark.parametrize("place", [(0, 0), (399, 299), (0, 150), (-30, -30), (500, 400), (200, -5)])
def test_landmarks_at_or_beyond_the_edge_do_no_harm(place):
    for seed in range(6):
        generator = np.random.default_rng(seed)
        self_blended(PIXELS, at(*place), generator)
        cross_blended(PIXELS, at(*place), OTHER, at(*place, size=0.5), generator)
        cross_blended(PIXELS, at(*place), OTHER, at(120, 170, degrees=80), generator)


def test_a_seamless_blend_hides_a_difference_of_colour_and_keeps_the_parts_own_detail():
    dark = np.full((200, 200, 3), 80, np.uint8)
    bright = np.full((200, 200, 3), 170, np.uint8)
    bright[::4, :, 0] = 210  # lines that only the other picture has
    apart, seamless = (
        cross_blended(
            dark, at(100, 100), bright, at(100, 100), Fixed(0.99, 5), is_seamless=is_seamless
        ).astype(int)
        for is_seamless in (False, True)
    )
    changed = (apart != dark).any(axis=2)
    assert apart[..., 1].max() - 80 > 60
    assert np.abs(seamless[..., 1] - 80).max() <= 1
    assert np.ptp(seamless[..., 0][changed]) > 20
    np.testing.assert_array_equal(seamless[~changed], dark[~changed])


def test_the_shift_follows_the_colours_along_the_seam():
    across = np.tile(np.linspace(60, 180, 200)[None, :, None], (200, 1, 3)).astype(np.uint8)
    plain = np.full((200, 200, 3), 120, np.uint8)
    blend = cross_blended(
        across, at(100, 100), plain, at(100, 100), Fixed(0.99, 5), is_seamless=True
    )
    # it may meet the other so well that it would not show
    assert blend is None or np.abs(blend.astype(int) - across).max() < 12


@pytest.mark.parametrize("place", [(0, 0), (399, 299), (-30, -30), (500, 400), (200, -5)])
def test_seamless_blends_at_or_beyond_the_edge_do_no_harm(place):
    for seed in range(12):
        generator, there = np.random.default_rng(seed), at(120, 170, degrees=80)
        cross_blended(PIXELS, at(*place), OTHER, there, generator, is_seamless=True)


def test_faces_that_differ_in_place_size_and_turn_alone_match():
    assert mismatch(at(10, 20, size=3, degrees=50), at(200, 90)) == pytest.approx(0, abs=1e-9)
    turned_away = at(0, 0) * [0.4, 1]
    assert mismatch(turned_away, at(0, 0)) > mismatch(at(0, 0) * [0.8, 1], at(0, 0)) > 0.001


def test_landmarks_on_one_spot_match_nothing():
    assert mismatch(np.ones((5, 2)), at(0, 0)) == 1.0


def test_eyes_on_one_spot_do_no_harm():
    profile = at(*MIDDLE)
    profile[1] = profile[0]
    for seed in range(20):
        self_blended(PIXELS, profile, np.random.default_rng(seed))


def dot(x: float, y: float) -> Image.Image:
    """A soft white dot around a point; pixel 0 covers 0 to 1, as Pillow counts."""
    rows, columns = np.indices((320, 300)) + 0.5
    white = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    return Image.fromarray(white.astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("degrees", [0, 15, -40, 90])
@pytest.mark.parametrize("size", [0.6, 2.0])
def test_the_other_faces_landmarks_land_on_this_ones(degrees, size):
    there, here = at(150, 160, size=size, degrees=degrees), at(90, 80)
    for point in range(5):
        moved, _ = _aligned(dot(*there[point]), there, here, (200, 180))
        bright = np.asarray(moved)[..., 0]
        rows, columns = (np.average(i, weights=bright) for i in np.indices(bright.shape) + 0.5)
        np.testing.assert_allclose([columns, rows], here[point], atol=0.1)


def test_what_the_other_picture_does_not_show_is_unknown():
    small = Image.new("RGB", (60, 60), "white")
    _, known = _aligned(small, at(30, 30), at(100, 100), (200, 200))
    known = np.asarray(known)
    assert known[100, 100] == 255
    assert known[:60].max() == known[140:].max() == 0


def test_a_face_at_the_others_edge_is_blended_without_a_black_border():
    white = np.full((60, 60, 3), 255, np.uint8)
    target = np.full((300, 400, 3), 200, np.uint8)
    for seed in range(30):
        blend = cross_blended(target, at(*MIDDLE), white, at(5, 30), Fixed(0.99, seed))
        assert blend is None or blend.min() >= 199


def test_a_recoloured_face_has_the_colours_around_the_targets_landmarks():
    target = Image.fromarray(np.clip(PIXELS.astype(int) // 2 + 20, 0, 255).astype(np.uint8))
    area = (slice(142, 163), slice(190, 210))
    moved = _recoloured(Image.fromarray(PIXELS), target, at(*MIDDLE))
    expected = np.asarray(target)[area].mean(axis=(0, 1))
    np.testing.assert_allclose(np.asarray(moved)[area].mean(axis=(0, 1)), expected, atol=4)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_lies_where_it_should(part):
    upright = {"eyes": -8, "eye": -8, "nose": 0, "mouth": 13, "lower": 10, "face": 3, "inner": 3}
    for seed in range(10):
        mask = np.asarray(_mask((400, 300), at(*MIDDLE), part, np.random.default_rng(seed)))
        assert mask.max() > 100
        rows = np.average(np.arange(300), weights=mask.sum(axis=1))
        assert abs(rows - MIDDLE[1] - upright[part]) < 10


def test_a_mask_turns_with_the_face():
    eyes = _mask((400, 300), at(*MIDDLE, degrees=90), "eyes", np.random.default_rng(0))
    y, x = (axis.astype(float) for axis in np.nonzero(np.asarray(eyes) > 100))
    assert y.std() > 1.5 * x.std()


def test_the_shares_of_the_parts_add_up():
    assert len(PART_SHARES) == len(PARTS)
    assert sum(PART_SHARES) == pytest.approx(1)
