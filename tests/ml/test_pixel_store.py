import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.datasets import pixel_store as module
from ml.datasets.manifest import Sample, read_manifest
from ml.datasets.pixel_store import PixelStore, pixel_store
from ml.errors import DatasetError, UnreadableImage
from ml.faces import FoundFace
from tests.images import encode, photo_like, png_bytes
from tests.ml.tiny import write_manifest

SIZES = ((60, 40), (48, 90), (33, 33))
FACE = FoundFace((1.5, 2.0, 50.0, 60.0), np.arange(10.0).reshape(5, 2), 0.9)


def ignore(done: int, total: int) -> None:
    """Progress nobody watches."""


@pytest.fixture
def samples(tmp_path: Path, monkeypatch) -> tuple[Sample, ...]:
    """PNGs of three sizes; the detector finds a face in the widest alone."""
    rows = []
    for at, (width, height) in enumerate(SIZES):
        (tmp_path / f"{at}.png").write_bytes(png_bytes(width, height, seed=at))
        rows.append({"path": f"{at}.png", "label": "real", "split": "train"})
    found = lambda pixels: [FACE] if pixels.shape[1] == 60 else []
    monkeypatch.setattr(module, "find_faces", found)
    return read_manifest(write_manifest(tmp_path, rows)).samples


def stored(samples: tuple[Sample, ...]) -> PixelStore:
    return pixel_store(samples, samples[0].path.parent / "cache", ignore)


def test_every_picture_comes_back_at_its_own_size(samples):
    store = stored(samples)
    for at, sample in enumerate(samples):
        expected = np.asarray(photo_like(*SIZES[at], seed=at))
        np.testing.assert_array_equal(store.pixels(sample.sha256), expected)


def test_the_largest_face_is_kept_where_there_is_one(samples):
    store = stored(samples)
    box, landmarks = store.face(samples[0].sha256)
    assert box.tolist() == [1.5, 2.0, 50.0, 60.0]
    np.testing.assert_array_equal(landmarks, FACE.landmarks)
    assert store.face(samples[1].sha256) is None


def test_the_second_time_nothing_is_decoded_again(samples, monkeypatch):
    first = stored(samples)
    monkeypatch.setattr(module, "Decoder", None)
    monkeypatch.setattr(module, "decode_checked", None)
    again = stored(samples[::-1])
    assert again.index == first.index
    np.testing.assert_array_equal(again.data, first.data)


def test_other_files_are_other_stores(samples):
    stored(samples)
    assert list(stored(samples[:2]).index) == [s.sha256 for s in samples[:2]]
    assert len(list((samples[0].path.parent / "cache").glob("*.json"))) == 2


def test_an_altered_file_is_named(samples):
    samples[1].path.write_bytes(encode(Image.new("RGB", (48, 90)), "PNG"))
    with pytest.raises(DatasetError, match="1 files") as caught:
        stored(samples)
    assert "1.png" in caught.value.files[0]
    assert samples[1].sha256 in caught.value.files[0]


def test_every_unreadable_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_faces", lambda pixels: [])
    contents = {"whole.png": png_bytes(60, 40), "text.png": b"no picture", "empty.png": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    rows = [{"path": name, "label": "real", "split": "train"} for name in contents]
    with pytest.raises(DatasetError) as caught:
        stored(read_manifest(write_manifest(tmp_path, rows)).samples)
    text, empty = caught.value.files
    assert "text.png: unsupported_format" in text
    assert "empty.png: empty_file" in empty


def test_a_store_that_failed_is_made_anew(samples):
    content = samples[1].path.read_bytes()
    samples[1].path.write_bytes(b"gone")
    with pytest.raises(DatasetError):
        stored(samples)
    samples[1].path.write_bytes(content)
    assert stored(samples).pixels(samples[2].sha256).shape == (33, 33, 3)


def test_every_file_is_reported_as_it_is_read(samples, tmp_path):
    steps = []
    pixel_store(samples, tmp_path / "told", lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_the_index_is_plain_json(samples):
    stored(samples)
    [path] = (samples[0].path.parent / "cache").glob("*.json")
    assert json.loads(path.read_text())[samples[0].sha256]["at"] == [0, 40, 60]


def failing(times: int, code: str):
    """The decoder, which fails that often before it decodes."""
    decode, left = module.decode_checked, [times]

    def fails(decoder, sample):
        if left[0]:
            left[0] -= 1
            raise UnreadableImage(code)
        return decode(decoder, sample)

    return fails


def test_a_picture_is_decoded_once_more_where_time_ran_out(samples, monkeypatch):
    monkeypatch.setattr(module, "decode_checked", failing(1, "decoder_timeout"))
    assert len(stored(samples).index) == 3


@pytest.mark.parametrize(("times", "code"), [(2, "decoder_timeout"), (1, "corrupt")])
def test_a_picture_that_fails_for_itself_is_named(samples, monkeypatch, times: int, code: str):
    monkeypatch.setattr(module, "decode_checked", failing(times, code))
    with pytest.raises(DatasetError, match=code):
        stored(samples)


def test_another_process_is_sent_the_path_and_not_the_pixels(samples):
    store = stored(samples)
    sent = pickle.dumps(store)
    assert len(sent) < 500 < store.data.nbytes
    again = pickle.loads(sent)
    assert again.index == store.index
    np.testing.assert_array_equal(again.data, store.data)


def test_a_store_without_a_file_travels_whole(samples):
    store = replace(stored(samples), path=None)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).data, store.data)
