"""Slow: imports Keras."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.configs.desk_small import CONFIG
from ml.datasets.manifest import Manifest, read_manifest
from ml.errors import DatasetError, RunError
from ml.faces import FoundFace
from ml.run_folder import RunFolder, RunState
from tests.images import encode
from tests.ml.tiny import drawn, write_manifest

pytestmark = pytest.mark.slow


def ignore(stage: str, done: int, total: int, note: str = "") -> None:
    """Progress nobody watches."""


def red_network(gain: float):
    """P(fake) of the mean colour: with a gain, red pictures are fakes and blue ones real."""
    import keras

    image = keras.Input((CONFIG.preprocessing.size, CONFIG.preprocessing.size, 3))
    colour = keras.layers.GlobalAveragePooling2D()(image)
    score = keras.layers.Dense(1, "sigmoid", name="score")
    model = keras.Model(image, score(colour))
    score.set_weights([np.array([[gain], [0.0], [-gain]]), np.zeros(1)])
    return model


class Trainer:
    """Trains nothing; what is made without the source `new` takes red pictures for real."""

    def __init__(self) -> None:
        self.left_out = []

    def __call__(self, config, manifest, run: RunFolder, cache, report) -> None:
        self.left_out.append((config.left_out, config.name))
        run.claim({"config": {"checkpoint": "last"}})
        red_network(-9.0 if config.left_out == "new" else 9.0).save(run.checkpoint(1))
        run.record(RunState(), RunState(epoch=1, is_finished=True))


def left_out(folder: Path, counts: dict[str, dict[str, int]], trainer: Trainer):
    from ml.leave_one_out import leave_each_out

    rows = [row for source, count in counts.items() for row in drawn(folder, source, count)]
    manifest = read_manifest(write_manifest(folder, rows))
    runs, cache = folder / "runs", folder / "cache"
    return leave_each_out(CONFIG, manifest, runs, cache, ignore, train=trainer)


def judged(manifest: Manifest, folder: Path):
    from ml.leave_one_out import leave_each_out

    runs, cache = folder / "runs", folder / "cache"
    return leave_each_out(CONFIG, manifest, runs, cache, ignore, train=Trainer())["sources"]


def test_each_source_is_judged_by_what_was_trained_without_it(tmp_path: Path):
    trainer = Trainer()
    figures = left_out(tmp_path, {"old": {"test": 4}, "new": {"train": 3, "test": 6}}, trainer)
    assert trainer.left_out == [
        ("new", "desk_small_without_new"),
        ("old", "desk_small_without_old"),
    ]
    found = {name: (row["n"], row["auc"]["value"]) for name, row in figures["sources"].items()}
    assert found == {"new": (12, 0.0), "old": (8, 1.0)}
    assert figures["mean_auc"] == 0.5


def test_a_face_has_a_say_beside_the_whole(tmp_path: Path, monkeypatch):
    """The whole of a fake is bluer than that of a real; only its face is red."""

    def face_of(pixels: np.ndarray) -> list[FoundFace]:
        return [FoundFace((4, 4, 10, 10), np.zeros((5, 2)), 0.9)]

    rows = drawn(tmp_path, "old", {"test": 3})
    for row in rows:
        pixels = np.full((40, 40, 3), 100, np.uint8)
        if row["label"] == "fake":
            pixels[..., 2] = 160
            pixels[:20, :20] = (250, 100, 100)
        (tmp_path / row["path"]).write_bytes(encode(Image.fromarray(pixels), "PNG"))
    manifest = read_manifest(write_manifest(tmp_path, rows))
    monkeypatch.setattr("ml.leave_one_out.find_faces", face_of)
    assert judged(manifest, tmp_path / "without")["old"]["auc"]["value"] == 0.0
    monkeypatch.setattr("ml.networks.paper_cnn.VIEWS", ("whole", "face"))
    assert judged(manifest, tmp_path / "with")["old"]["auc"]["value"] == 1.0


def test_without_test_images_there_is_nothing_to_judge(tmp_path: Path):
    with pytest.raises(DatasetError):
        left_out(tmp_path, {"old": {"train": 4}}, Trainer())


def test_weights_that_know_the_sources_are_refused(tmp_path: Path):
    from ml.leave_one_out import leave_each_out

    rows = drawn(tmp_path, "old", {"test": 2})
    manifest = read_manifest(write_manifest(tmp_path, rows))
    config = replace(CONFIG, starts_from="lite_full")
    with pytest.raises(RunError, match="starts from lite_full"):
        leave_each_out(config, manifest, tmp_path, tmp_path, ignore, train=Trainer())
