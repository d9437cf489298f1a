import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from ml.alterations import ALTERATIONS, COPIES, HARSH
from ml.operating_point import STABILITY_TRANSFORMS
from ml.stability import jpeg, scaled, webp
from tests.images import photo_like

SIZE = (120, 80)
OTHER_SIZES = {
    "scale_75": (90, 60),
    "scale_50": (60, 40),
    "scale_25": (30, 20),
    "scale_200": (240, 160),
    "screenshot": (150, 100),
    "resaved_thrice": (108, 72),
    "equalised": (256, 256),
    "crop_90": (108, 72),
    "crop_60": (72, 48),
}
STABILITY_FUNCTIONS = {"jpeg": jpeg, "webp": webp, "scale": scaled}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_every_alteration_gives_another_rgb_picture_of_the_size_it_says(name: str):
    image = photo_like(*SIZE)
    altered = ALTERATIONS[name](image)
    assert altered.mode == "RGB"
    assert altered.size == OTHER_SIZES.get(name, SIZE)
    if altered.size == SIZE:
        assert np.asarray(altered).tobytes() != image.tobytes()


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_same_picture_is_altered_the_same_way_again(name: str):
    image = photo_like(*SIZE)
    assert ALTERATIONS[name](image).tobytes() == ALTERATIONS[name](image).tobytes()


def amount(kind: str, parameter: str) -> float:
    """A transform's name says its percentage of size or its quality."""
    return int(parameter) / 100 if kind == "scale" else int(parameter)


def test_none_is_a_transform_that_the_stability_check_of_view_networks_uses():
    for name in STABILITY_TRANSFORMS[True]:
        kind, parameter = re.fullmatch(r"([a-z]+)_(\d+)", name).groups()
        used = (STABILITY_FUNCTIONS[kind], [amount(kind, parameter)])
        assert name not in ALTERATIONS
        for alteration in ALTERATIONS.values():
            if isinstance(alteration, partial):
                assert (alteration.func, list(alteration.keywords.values())) != used


def test_names_say_the_parameters():
    for name, alteration in ALTERATIONS.items():
        kind, _, parameter = name.rpartition("_")
        if kind in STABILITY_FUNCTIONS:
            assert alteration.func is STABILITY_FUNCTIONS[kind]
            assert list(alteration.keywords.values()) == [amount(kind, parameter)]


def test_copies_and_harsh_ones_share_no_name():
    assert not set(COPIES) & set(HARSH)
    assert len(ALTERATIONS) == len(COPIES) + len(HARSH)


def test_brightness_moves_the_way_its_name_says():
    grey = Image.new("RGB", SIZE, (100, 100, 100))
    shades = {name: ALTERATIONS[name](grey).getpixel((0, 0))[0] for name in ("darker", "brighter")}
    assert shades == {"darker": 80, "brighter": 120}


def test_a_cut_keeps_the_middle():
    image = Image.new("RGB", SIZE)
    image.paste("white", (50, 30, 70, 50))
    assert ALTERATIONS["crop_60"](image).getpixel((36, 24)) == (255, 255, 255)
    assert ALTERATIONS["crop_60"](image).getpixel((0, 0)) == (0, 0, 0)
