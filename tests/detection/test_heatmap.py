"""The heatmap: what is marked and what is not, whatever the stored numbers are."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User
from detection import storage
from detection.evidence.heatmap import draw_heatmap, marks_anything
from detection.models import Detection, ModelVersion
from tests import images
from tests.factories import WORKER, detection_row, done_row, submitted

SIZE = (320, 240)
NUMBERLESS = [
    [float("nan"), "x"],
    [None, {}],
    "rows",
    [[1.0], [1.0, 2.0]],
    [],
    [[]],
    3,
    [1.0],
    [[10**400]],
]
NO_SQUARES = [
    None,
    [],
    "wide",
    [0.1, 0.1, 0.2],
    [0.1, 0.1, 0.2, None],
    [0.1, float("nan"), 0.2, 0.2],
    [0.1, 0.1, float("inf"), 0.2],
    [0.1, 0.1, 0.0, 0.2],
    [0.1, 0.1, 0.2, -0.2],
    [0.1, 0.1, 1e12, 0.2],
    [10**400, 0.1, 0.2, 0.2],
]


def _corner(value: float = 3.0, rest: float = -1.0, side: int = 8) -> np.ndarray:
    """Evidence for "manipulated" in the upper left quarter only."""
    cells = np.full((side, side), rest, np.float32)
    cells[: side // 2, : side // 2] = value
    return cells


def _face(**more: Any) -> dict[str, Any]:
    square = [0.5, 0.5, 0.5, 0.5]
    return {"box": [0.6, 0.6, 0.2, 0.2], "probability": 0.9, "square": square, **more}


def _drawn(cells: np.ndarray, *faces: dict[str, Any], size: tuple[int, int] = SIZE) -> np.ndarray:
    png = draw_heatmap(cells, faces, size)
    return np.asarray(PIL.Image.open(io.BytesIO(png), formats=["PNG"]))


# --- what is drawn


@pytest.mark.parametrize("size", [(1024, 683), (683, 1024), (40, 30), (1, 1), (1024, 3)])
@pytest.mark.parametrize("cells", [(7, 7), (30, 30), (1, 1), (2, 3)])
def test_it_is_a_transparent_png_as_large_as_the_preview(size, cells):
    picture = _drawn(np.full(cells, 2.0), _face(activation=[[1.0, -1.0]]), size=size)
    assert picture.shape == (size[1], size[0], 4)


def test_only_what_speaks_for_manipulated_is_marked():
    alpha = _drawn(_corner())[..., 3]
    assert alpha[:100, :130].min() > 100
    assert alpha[140:].max() == alpha[:, 180:].max() == 0


def test_the_strongest_mark_still_lets_the_picture_through():
    assert _drawn(_corner(50.0))[..., 3].max() < 200


def test_stronger_evidence_is_lighter_and_more_opaque():
    picture = _drawn(np.array([[1.2, 3.0]])).astype(int)
    weak, strong = picture[120, 5], picture[120, -5]
    assert strong[:3].sum() > weak[:3].sum()
    assert strong[3] > weak[3] > 0


def test_small_numbers_of_many_cells_are_drawn_like_large_ones_of_few():
    many, few = (_drawn(_corner(v, -v / 2, n))[..., 3] for v, n in ((0.05, 30), (5.0, 8)))
    assert many[40, 40] == few[40, 40] > 100


@pytest.mark.parametrize(("side", "noise"), [(7, 0.03), (30, 0.0005)])
def test_a_map_of_noise_around_nothing_stays_transparent(side, noise):
    cells = np.random.default_rng(0).uniform(-noise, noise, (side, side))
    assert not _drawn(cells).any()
    assert not marks_anything(cells, [])


def test_one_extreme_cell_does_not_fade_the_others():
    cells = _corner()
    cells[7, 7] = 1000.0
    assert _drawn(cells)[40, 40, 3] > 100


def test_it_says_whether_anything_is_marked():
    assert marks_anything(_corner(), [])
    assert not marks_anything(-np.abs(_corner()), [])
    assert marks_anything(-np.abs(_corner()), [_face(activation=[[2.0]])])


# --- faces


def test_a_faces_own_map_replaces_the_whole_one_in_its_square():
    alpha = _drawn(_corner(), _face(box=None, activation=[[-2.0, 2.0]]))[..., 3]
    assert alpha[200, 170] == 0
    assert alpha[200, 310] > 100
    assert alpha[100, 310] == 0  # above the square
    cleared = _drawn(_corner(), _face(box=None, square=[0, 0, 1, 1], activation=[[-2.0]]))
    assert not cleared.any()


def test_a_square_beyond_the_edge_is_cut_off_there():
    face = _face(box=None, square=[-0.5, -0.5, 1, 1], activation=[[3, -3], [-3, 3]])
    alpha = _drawn(np.full((4, 4), -1.0), face)[..., 3]
    assert alpha[60, 100] > 60  # the lower right cell of the face, all that is in the picture
    assert alpha[:, 170:].max() == 0


def test_a_face_is_framed_and_numbered_where_it_is():
    picture = _drawn(np.full((4, 4), -1.0), {"box": [0.25, 0.5, 0.5, 0.25]})
    frame = (picture == 255).all(axis=-1)
    assert frame[[120, 180], 100:220].all()
    assert not frame[150, 100:220].any()
    assert picture[105:118, 81:90, 3].all()  # the number's ground, above the corner
    assert not picture[:90, :, 3].any()


def test_the_number_is_the_faces_place_in_the_list():
    face = {"box": [0.25, 0.5, 0.5, 0.25]}
    first, second = _drawn(-_corner(1, 1), face, {}), _drawn(-_corner(1, 1), {}, face)
    assert (first != second).any()
    assert (first[122:] == second[122:]).all()


def test_faces_of_older_models_are_framed_without_a_map_of_their_own():
    old = {"box": [0.6, 0.6, 0.2, 0.2], "probability": 0.9}
    assert (_drawn(_corner(), old)[:100] == _drawn(_corner())[:100]).all()
    assert (_drawn(_corner(), {}) == _drawn(_corner())).all()


# --- hostile numbers


def test_numbers_that_are_none_mark_nothing():
    cells = np.array([[np.nan, np.inf, -np.inf, 2.0]], np.float32)
    picture = _drawn(cells)
    assert picture[120, -5, 3] > 100
    assert not picture[:, :200].any()
    assert not _drawn(np.full((3, 3), np.nan)).any()


@pytest.mark.parametrize("activation", NUMBERLESS, ids=range(len(NUMBERLESS)))
def test_a_faces_map_that_is_none_is_left_out(activation):
    face = _face(box=None, activation=activation)
    assert (_drawn(_corner(), face) == _drawn(_corner())).all()


@pytest.mark.parametrize("square", NO_SQUARES, ids=range(len(NO_SQUARES)))
def test_a_square_that_is_none_is_left_out(square):
    face = _face(box=square, square=square, activation=[[5.0]])
    assert (_drawn(_corner(), face) == _drawn(_corner())).all()


def test_numbers_too_large_to_reckon_with_are_still_evidence():
    face = _face(box=None, activation=[[3e38, -3e38], [3e38, -3e38]])
    alpha = _drawn(_corner(), face)[..., 3]
    assert alpha[200, 170] > 100
    assert alpha[200, 310] == 0


def test_not_a_number_in_a_faces_map_marks_nothing():
    face = _face(box=None, activation=[[float("nan"), float("inf")]])
    assert not _drawn(_corner(), face)[130:, 170:].any()


# --- the address


@pytest.fixture
def row(alice: User, model_version: ModelVersion) -> Detection:
    """Alice's, judged with a map."""
    submission = submitted(alice, images.jpeg_bytes(1600, 1200))
    claim = Detection.objects.claim(submission.detection_id, worker=WORKER)
    claim.complete(verdict="likely_manipulated", probability=0.95, **_columns(_corner()))
    return Detection.objects.get()


@pytest.fixture
def browser(alice: User, client_of: Callable[..., Client]) -> Client:
    return client_of(alice)


def _columns(cells: np.ndarray) -> dict[str, Any]:
    return {"activation": cells.astype("<f2").tobytes(), "activation_shape": list(cells.shape)}


def _get(browser: Client, row: Detection) -> HttpResponse:
    return browser.get(reverse("detection_heatmap", args=[row.pk]))


def test_it_comes_as_large_as_the_preview_and_is_nothing_but_a_picture(row, browser):
    response = _get(browser, row)
    assert PIL.Image.open(io.BytesIO(response.content)).size == (1024, 768)
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["Cache-Control"] == "private, max-age=600"


def test_a_map_that_holds_no_numbers_is_still_a_picture(row, browser):
    Detection.objects.update(**_columns(np.full((2, 2), np.nan)))
    assert _get(browser, row).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "queued"},
        {"status": "running"},
        {"status": "failed", "failure_code": "corrupt"},
        {"status": "failed", "failure_code": "corrupt", **_columns(_corner())},
    ],
)
def test_without_a_verdict_there_is_no_heatmap(alice, browser, model_version, fields):
    assert _get(browser, detection_row(alice, model_version, **fields)).status_code == 404


@pytest.mark.parametrize("columns", [{}, {"activation": b"", "activation_shape": [0, 0]}])
def test_without_a_map_there_is_no_heatmap(alice, browser, model_version, columns):
    assert _get(browser, done_row(alice, model_version, **columns)).status_code == 404


def test_without_a_picture_to_lay_it_on_there_is_no_heatmap(row, browser):
    storage.original_path(row.image_id).unlink()
    assert _get(browser, row).status_code == 404
