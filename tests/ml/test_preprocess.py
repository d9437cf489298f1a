from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.datasets.arrays import plain_arrays
from ml.datasets.manifest import read_manifest
from ml.decoder import MIN_SIDE, Decoder
from ml.preprocess import Preprocessing, face_square
from tests.images import corners, jpeg_bytes, photo_like
from tests.ml.tiny import predictor, write_manifest

PAPER = Preprocessing(size=128, resample="bicubic", scale=1 / 255)


def test_channels_come_out_red_green_blue():
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 255
    assert PAPER.to_input(red)[64, 64].tolist() == [1.0, 0.0, 0.0]


def test_the_filter_is_the_one_it_names():
    image = photo_like(320, 240)
    expected = np.asarray(image.resize((128, 128), Image.Resampling.BICUBIC), np.float32) / 255
    np.testing.assert_allclose(PAPER.to_input(np.asarray(image)), expected, atol=1e-6)
    nearest = Preprocessing(128, "nearest", 1 / 255).to_input(np.asarray(image))
    assert np.abs(nearest - expected).max() > 0.05


def test_a_large_picture_is_reduced_in_two_steps_to_nearly_the_same():
    image = photo_like(2000, 1500)
    exact = np.asarray(image.resize((128, 128), Image.Resampling.BICUBIC), np.float32) / 255
    assert np.abs(PAPER.to_input(np.asarray(image)) - exact).mean() < 0.002


def test_the_whole_picture_is_seen():
    stretched = PAPER.to_input(np.asarray(corners(400, 100)))
    assert stretched[0, 0].argmax() == 0
    assert stretched[0, -1].argmax() == 1


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (1, 8, 8, 3)])
def test_it_refuses_anything_but_rgb(shape):
    with pytest.raises(ValueError, match="expected"):
        PAPER.to_input(np.zeros(shape, np.uint8))


def test_it_refuses_floats():
    with pytest.raises(ValueError, match="float32"):
        PAPER.to_input(np.zeros((8, 8, 3), np.float32))


def test_it_refuses_an_unknown_filter():
    with pytest.raises(ValueError, match="area"):
        Preprocessing(128, "area", 1 / 255)


def test_training_and_serving_show_the_network_the_same_numbers(tmp_path: Path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg_bytes(300, 200))
    manifest = write_manifest(tmp_path, [{"path": "a.jpg", "label": "real", "split": "val"}])
    serving = predictor(tmp_path / "artifact")
    shown = []
    run = serving._run
    monkeypatch.setattr(serving, "_run", lambda inputs: shown.append(inputs) or run(inputs))
    with Decoder() as decoder:
        serving.predict([decoder.decode(tmp_path / "a.jpg", min_side=MIN_SIDE)])

    preprocessing = serving.artifact.preprocessing
    samples = read_manifest(manifest).samples
    arrays = plain_arrays(samples, preprocessing, tmp_path / "cache", lambda done, total: None)
    np.testing.assert_array_equal(shown[0][0], preprocessing.normalise(arrays)[0])


def test_the_offset_is_the_byte_that_becomes_zero():
    centred = Preprocessing(8, "bicubic", 1 / 128, offset=127)
    for byte, expected in ((127, 0.0), (255, 1.0), (0, -127 / 128)):
        assert centred.to_input(np.full((8, 8, 3), byte, np.uint8))[4, 4, 0] == expected
    assert centred.to_input(np.zeros((8, 8, 3), np.uint8)).dtype == np.float32


def test_the_offset_is_written_and_one_from_before_it_existed_is_zero():
    centred = Preprocessing(8, "bicubic", 1 / 128, offset=127)
    assert Preprocessing.from_json(centred.to_json()) == centred
    assert Preprocessing.from_json({"size": 8, "resample": "box", "scale": 1.0}).offset == 0


BOXES = ((50, 40, 30, 30), (-20, -10, 60, 80), (380, 290, 60, 60), (0, 0, 900, 900), (7, 9, 0.2, 0))


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("margin", [1.0, 1.5, 4.0])
@pytest.mark.parametrize("size", [(400, 300), (60, 500), (1, 1)])
def test_a_faces_square_is_square_and_within_the_picture(box, margin, size):
    left, top, right, bottom = face_square(box, margin, *size)
    assert right - left == bottom - top >= 1
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


def test_a_face_with_room_around_it_is_in_the_middle_of_its_square():
    # the longer side is 40, half of it again is margin
    assert face_square((100, 80, 30, 40), 1.5, 400, 300) == (85, 70, 145, 130)


def test_a_square_that_would_leave_the_picture_is_moved_in_and_keeps_its_side():
    assert face_square((0, 0, 40, 40), 1.5, 400, 300) == (0, 0, 60, 60)
    assert face_square((370, 270, 40, 40), 1.5, 400, 300) == (340, 240, 400, 300)


def test_a_square_is_never_larger_than_the_picture():
    assert face_square((20, 20, 90, 90), 3.0, 160, 120) == (5, 0, 125, 120)


@pytest.mark.parametrize("views", [("face",), ("whole", "feet"), ()])
def test_it_refuses_views_it_cannot_plan(views: tuple[str, ...]):
    with pytest.raises(ValueError, match="the whole always"):
        Preprocessing(128, "bicubic", 1 / 255, views=views)
