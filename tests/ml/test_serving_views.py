"""ml.views: which parts of a picture are judged when serving."""

import numpy as np
import pytest
from PIL import Image

from ml.faces import FoundFace
from ml.preprocess import Preprocessing
from ml.stability import TRANSFORMS, transformed
from ml.views import MAX_FACES, WORKING_SIDE_PX, View, core, plan, render, working_picture
from tests.images import corners, photo_like

RULES = Preprocessing(64, "bicubic", 1 / 255, views=("whole", "cut", "face"))
SIZES = [(64, 64), (80, 60), (100, 60), (200, 150), (1024, 768), (4000, 1), (1, 4000), (1, 1)]


def face(left: float, top: float, side: float) -> FoundFace:
    return FoundFace((left, top, side, side), np.zeros((5, 2)), 0.9)


def kinds(size: tuple[int, int], faces=(), rules: Preprocessing = RULES) -> list[str]:
    return [view.kind for view in plan(size, faces, rules)]


def test_the_whole_comes_first_and_faces_last():
    faces = [face(20, 20, 50), face(120, 80, 40)]
    found = kinds((200, 150), faces)
    assert found == ["whole", *["cut"] * 5, "face", "face"]


@pytest.mark.parametrize(
    ("size", "cuts"),
    [((64, 64), 0), ((67, 50), 0), ((68, 50), 1), ((127, 90), 1), ((128, 90), 5), ((300, 400), 5)],
)
def test_a_picture_gets_as_many_cuts_as_it_is_large(size, cuts: int):
    assert kinds(size).count("cut") == cuts


def test_only_the_kinds_that_the_artifact_names_are_judged():
    whole = Preprocessing(64, "bicubic", 1 / 255)
    assert kinds((500, 400), [face(0, 0, 60)], whole) == ["whole"]


def test_the_largest_faces_are_enough():
    faces = [face(10 * at, 0, 90 - at) for at in range(MAX_FACES + 3)]
    views = [view for view in plan((300, 200), faces, RULES) if view.kind == "face"]
    assert views == plan((300, 200), faces[:MAX_FACES], RULES)[-MAX_FACES:]


@pytest.mark.parametrize("size", SIZES)
def test_every_part_lies_inside_the_picture_and_holds_a_pixel(size):
    faces = [face(-30, -30, 60), face(size[0] - 10, size[1] - 10, 50)]
    for view in plan(size, faces, RULES):
        left, top, right, bottom = view.box
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]


@pytest.mark.parametrize("size", SIZES)
def test_no_part_is_seen_twice(size):
    boxes = [view.box for view in plan(size, [], RULES)]
    assert len(set(boxes)) == len(boxes)


def test_cuts_are_squares_of_the_input_at_full_size():
    cuts = [view.box for view in plan((300, 200), [], RULES) if view.kind == "cut"]
    assert {(right - left, bottom - top) for left, top, right, bottom in cuts} == {(64, 64)}
    assert cuts[0] == (118, 68, 182, 132)


def test_a_small_picture_is_worked_on_as_it_is():
    image = photo_like(WORKING_SIDE_PX, 20)
    assert working_picture(image) is image


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((2048, 1000), (1024, 500)), ((1000, 4096), (250, 1024)), ((4000, 1), (1024, 1))],
)
def test_a_large_picture_is_reduced_by_its_longer_side(size, reduced):
    assert working_picture(Image.new("RGB", size)).size == reduced


def test_a_copy_at_half_size_shows_the_same_part():
    image = photo_like(400, 300)
    view = View("face", (100, 52, 220, 172))
    part = view.of(image, image.size)
    of_copy = view.of(image.reduce(2), image.size)
    difference = np.asarray(of_copy.resize(part.size), float) - np.asarray(part, float)
    assert of_copy.size == (60, 60)
    assert np.abs(difference).mean() < 4


def test_a_part_of_the_picture_itself_is_cut_and_not_resampled():
    image = corners(80, 60)
    part = View("cut", (0, 0, 40, 30)).of(image, image.size)
    assert part.getcolors() == [(1200, (255, 0, 0))]


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [(1024, 1), (1, 1024), (1, 1), (3, 700)])
def test_no_part_of_a_copy_is_empty(size, name: str):
    image = Image.new("RGB", size, (200, 200, 200))
    copy = transformed(image, [name])[name]
    shown = render(copy, plan(size, [], RULES), size, RULES)
    assert shown.min() > 190


def test_the_last_pixel_is_still_one_in_a_copy():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    assert View("face", (3, 3, 4, 4)).of(red, (4, 4)).getcolors() == [(1, (255, 0, 0))]


def test_copies_are_judged_by_one_view_of_each_kind():
    views = plan((200, 150), [face(20, 20, 50), face(120, 80, 40)], RULES)
    assert core(views) == [0, 1, 6]
    assert core(plan((64, 64), [], RULES)) == [0]


def test_views_become_one_block_of_bytes():
    image = photo_like(200, 150)
    views = plan(image.size, [face(20, 20, 50)], RULES)
    shown = render(image, views, image.size, RULES)
    assert (shown.shape, shown.dtype) == ((7, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(shown[0], RULES.resize(image))
    np.testing.assert_array_equal(shown[1], np.asarray(image.crop(views[1].box)))
