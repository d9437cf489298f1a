"""Where faces are: drawn pictures hold none, so most tests answer for the detector."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import faces
from ml.errors import ArtifactError
from ml.faces import MIN_CONFIDENCE, find_faces
from tests.images import photo_like

STATIC = Path(__file__).resolve().parents[2] / "static"
LIBC = ctypes.CDLL(None)
# eyes, nose, corners of the mouth, as shares of the box
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
# Prints how many threads the kernel knows of, before and after two of Python's looked for faces.
LOOKING_TWICE = """
import os, numpy
from concurrent.futures import ThreadPoolExecutor
from ml.faces import find_faces
pool, blank = ThreadPoolExecutor(1), numpy.zeros((640, 480, 3), numpy.uint8)
pool.submit(int).result()
print(len(os.listdir("/proc/self/task")))
find_faces(blank)
pool.submit(find_faces, blank).result()
print(len(os.listdir("/proc/self/task")))
"""


class Allocated(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


class FakeDetector:
    """Answers in the library's form, one list of boxes a look; remembers what it was shown."""

    def __init__(self, *answers: list[tuple[int, int, int, int]], dtype: type = np.int16) -> None:
        self.answers, self.dtype, self.shown = list(answers), dtype, []

    def __call__(self, bgr: np.ndarray, conf: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.shown.append(bgr)
        boxes = np.array(self.answers.pop(0), np.int16).reshape(-1, 4)
        points = (boxes[:, None, :2] + POINTS * boxes[:, None, 2:]).astype(np.int16)
        form = (np.full(len(boxes), 90), boxes, points.reshape(-1, 10))
        return tuple(values.astype(self.dtype) for values in form)


@pytest.fixture
def detector(monkeypatch):
    def answering(*answers: list[tuple[int, int, int, int]], **options) -> FakeDetector:
        fake = FakeDetector(*answers, **options)
        monkeypatch.setattr(faces, "_detector", lambda: fake)
        return fake

    return answering


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_the_detector_is_handed_blue_green_red(detector):
    fake = detector([(10, 10, 60, 60)])
    pixels = blank(100, 120)
    pixels[..., 0] = 255
    find_faces(pixels)
    assert fake.shown[0].shape == (100, 120, 3)
    assert fake.shown[0][0, 0].tolist() == [0, 0, 255]
    assert fake.shown[0].flags.c_contiguous


def test_a_face_keeps_its_place_confidence_and_landmarks(detector):
    detector([(10, 20, 60, 80)])
    [face] = find_faces(blank(200, 200))
    assert face.box == (10, 20, 60, 80)
    assert face.confidence == pytest.approx(0.9)
    np.testing.assert_allclose(face.landmarks, [10, 20] + POINTS * [60, 80], atol=1)


def test_a_large_picture_is_searched_small_and_answered_large(detector):
    fake = detector([(100, 50, 80, 90)])
    [face] = find_faces(blank(960, 1280))
    assert fake.shown[0].shape == (480, 640, 3)
    assert face.box == (200, 100, 160, 180)
    np.testing.assert_allclose(face.landmarks, [200, 100] + POINTS * [160, 180], atol=2)


def test_a_picture_without_a_find_is_looked_at_again_with_a_border(detector):
    fake = detector([], [(60, 40, 90, 70)])
    [face] = find_faces(blank(100, 200))
    assert fake.shown[1].shape == (200, 300, 3)
    assert face.box == (10, -10, 90, 70)
    np.testing.assert_allclose(face.landmarks, [10, -10] + POINTS * [90, 70], atol=1)


def test_the_border_is_taken_off_before_the_answer_is_enlarged(detector):
    detector([], [(114, 110, 100, 100)])
    [face] = find_faces(blank(1280, 1280))
    assert face.box == pytest.approx((21, 9, 300, 300))


def test_the_second_look_is_no_larger_than_the_first(detector):
    """What its border adds, the reduction takes off again; it would cost three times as much."""
    fake = detector([], [])
    find_faces(blank(960, 1280))
    assert [look.shape for look in fake.shown] == [(480, 640, 3), (534, 641, 3)]


def test_the_border_repeats_the_edge(detector):
    fake = detector([], [])
    pixels = np.asarray(photo_like(80, 60))
    find_faces(pixels)
    assert fake.shown[1][0, 0].tolist() == pixels[0, 0, ::-1].tolist()
    np.testing.assert_array_equal(fake.shown[1][20:-20, 20:-20], pixels[..., ::-1])


def test_what_was_found_at_first_is_not_looked_for_again(detector):
    fake = detector([(10, 10, 60, 60)])
    find_faces(blank(100, 100))
    assert len(fake.shown) == 1


def test_too_small_faces_are_dropped(detector):
    detector([(0, 0, 47, 90), (0, 0, 48, 48), (0, 0, 90, 47)])
    assert [face.box for face in find_faces(blank(200, 200))] == [(0, 0, 48, 48)]


def test_small_is_counted_in_pixels_of_the_picture_itself(detector):
    detector([(0, 0, 24, 24), (0, 0, 23, 23)])
    assert [face.box[2] for face in find_faces(blank(1280, 1280))] == [48]


def test_the_largest_face_comes_first(detector):
    detector([(0, 0, 50, 60), (100, 0, 90, 90), (0, 100, 70, 70)])
    assert [face.box[2] for face in find_faces(blank(200, 200))] == [90, 70, 50]


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32])
def test_what_lies_beyond_the_edge_is_negative_in_any_type_of_number(detector, dtype):
    detector([(-12, -3, 60, 60)], dtype=dtype)
    [face] = find_faces(blank(100, 100))
    assert face.box == (-12, -3, 60, 60)
    assert face.landmarks.min() > -12


def test_a_platform_without_the_detector_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "yuface", None)
    faces._detector.cache_clear()
    with pytest.raises(ArtifactError, match="no build here"):
        find_faces(blank(100, 100))
    faces._detector.cache_clear()


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((100, 100, 3), 128, np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8),
        np.asarray(photo_like(900, 700)),
        blank(16, 16),
    ],
    ids=["plain", "noise", "landscape", "tiny"],
)
def test_the_real_detector_finds_no_face_where_none_is(pixels):
    pytest.importorskip("yuface")
    assert find_faces(pixels) == []


@pytest.mark.parametrize("side", [640, 500, 320])
def test_the_real_detector_finds_what_its_package_finds(side):
    yuface = pytest.importorskip("yuface")
    picture = Image.open(STATIC / "img" / "samples" / "portrait.jpg")
    picture.thumbnail((side, side))
    bgr = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])
    ours, theirs = faces._detector()(bgr, MIN_CONFIDENCE), yuface.detect(bgr, MIN_CONFIDENCE)
    assert len(ours[0]) == 1
    for mine, its in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_the_real_detector_keeps_to_the_confidence_asked_for():
    pytest.importorskip("yuface")
    picture = Image.open(STATIC / "img" / "samples" / "portrait.jpg").convert("RGB")
    bgr = np.ascontiguousarray(np.asarray(picture)[..., ::-1])
    assert [len(part) for part in faces._detector()(bgr, 0.99)] == [0, 0, 0]


@pytest.mark.skipif(not hasattr(LIBC, "mallinfo2"), reason="asks glibc")
def test_the_real_detector_gives_back_what_it_takes():
    """A worker gained 7 MB for each hundred pictures."""
    pytest.importorskip("yuface")
    LIBC.mallinfo2.restype = Allocated
    find_faces(blank(16, 16))
    before = LIBC.mallinfo2().uordblks
    for _ in range(20):
        find_faces(blank(16, 16))
    assert LIBC.mallinfo2().uordblks - before < 20 * 1000


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_detector_starts_no_threads_of_its_own():
    pytest.importorskip("yuface")
    done = subprocess.run(
        [sys.executable, "-c", LOOKING_TWICE],
        env={**os.environ, "OMP_NUM_THREADS": "4"},
        capture_output=True,
        check=True,
    )
    before, after = done.stdout.split()
    assert before == after
