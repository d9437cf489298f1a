"""Every hostile file ends in the decoder with pixels or with a code, and hurts nobody else's."""

from contextlib import suppress

import numpy as np
import pytest

from ml.errors import UnreadableImage
from tests import images
from tests.hostile import FAMILIES, HOSTILE

# What a file may be found to be. A crash or a time-out is a fault of ours, and tried again.
FOUND = {"", "empty_file", "unsupported_format", "too_many_pixels", "truncated", "corrupt"}
# A chunk that claims four gigabytes: Pillow asks for as much at once, and is refused.
ALLOWED = {"lie png chunk length": {"decoder_memory"}}


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 400
    assert sum(map(len, FAMILIES.values())) == len(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_with_pixels_or_a_code(decode, name):
    try:
        decoded, code = decode(HOSTILE[name]()), ""
    except UnreadableImage as refusal:
        decoded, code = None, refusal.code
    assert code in ALLOWED.get(name, FOUND)
    if decoded is not None:
        assert decoded.pixels.shape == (decoded.facts.height, decoded.facts.width, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_honest_picture_after_it_is_undisturbed(decode, family):
    honest = images.jpeg_bytes(200, 150)
    before = decode(honest)
    for build in [*FAMILIES[family].values()][::6]:
        with suppress(UnreadableImage):
            decode(build())
        after = decode(honest)
        assert np.array_equal(after.pixels, before.pixels)
        assert after.facts == before.facts
