"""Every hash within eight bits is found by a band, and a uniform picture by none."""

import random

import numpy as np
import pytest
from PIL import Image

from detection import hashing, likeness
from tests import images

HASH = "e7cf46c8f64700b8"


def flipped(value: str, *bits: int) -> str:
    """A hash with these bits turned, 0 the last."""
    return f"{int(value, 16) ^ sum(1 << bit for bit in bits):016x}"


def hashes(picture: Image.Image) -> tuple[str, str]:
    return hashing.perceptual_hashes(np.asarray(picture.convert("RGB")))


def test_a_hash_is_in_its_bands_to_the_last_bit():
    assert likeness.bands("7fffffffffffffff") == (2**21 - 1,) * 3
    for bit in range(63):
        changed = zip(likeness.bands(HASH), likeness.bands(flipped(HASH, bit)), strict=True)
        assert sum(one != other for one, other in changed) == 1


@pytest.mark.parametrize("count", range(9))
def test_whatever_is_within_the_distance_shares_a_probed_band(count):
    chance = random.Random(count)
    asked = [set(likeness.probes(band)) for band in likeness.bands(HASH)]
    for _ in range(300):
        near = flipped(HASH, *chance.sample(range(64), count))
        assert likeness.distance(HASH, near) == count
        assert any(band in some for band, some in zip(likeness.bands(near), asked, strict=True))


def test_a_band_has_as_many_probes_as_there_are_ways_to_turn_two_bits():
    assert len(set(likeness.probes(0))) == 1 + 21 + 210


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (320, 240), "white"),
        Image.new("RGB", (320, 240)),
        Image.fromarray(np.tile(np.linspace(0, 255, 320), (240, 1)).astype(np.uint8)),
    ],
    ids=["white", "black", "gradient"],
)
def test_a_uniform_picture_is_in_no_band(picture):
    columns = likeness.columns(*hashes(picture))
    assert columns["perceptual_hash"]
    assert [columns[f"band_{number}"] for number in range(3)] == [None] * 3


def test_a_mirrored_picture_has_the_mirrored_hash():
    photo = images.photo_like(seed=4)
    upright, in_mirror = hashes(photo)
    assert hashes(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == (in_mirror, upright)
    assert likeness.distance(likeness.mirrored(upright), in_mirror) <= likeness.POSSIBLE_DISTANCE
