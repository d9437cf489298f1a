"""Slow: every test here trains a network, of the paper's kind at 16 pixels."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.alterations import COPIES
from ml.artifact import MODEL_FILE, artifact_sha256
from ml.datasets.damage import Damage
from ml.datasets.manifest import Manifest, read_manifest
from ml.datasets.recipe import CopyRecipe, ViewRecipe
from ml.datasets.selections import visible_manipulations
from ml.decision import Verdict
from ml.decoder import MIN_SIDE, Decoder
from ml.errors import RunError
from ml.experiment import TrainingConfig, ViewSchedule
from ml.inference import Predictor
from ml.operating_point import ErrorRates
from ml.preprocess import Preprocessing
from ml.run_folder import METRICS_FILE, RunFolder
from tests.images import encode
from tests.ml.tiny import write_manifest

pytestmark = pytest.mark.slow

CONFIG = TrainingConfig(
    name="separable",
    network="paper_cnn",
    preprocessing=Preprocessing(16, "bicubic", 1 / 255),
    select=visible_manipulations,
    epochs=4,
    batch_size=8,
    learning_rate=3e-3,
    copies=1,
)
COUNTS = {"train": 24, "val": 12, "test": 6}


def quiet(stage: str, done: int, total: int, note: str = "") -> None:
    """Progress nobody watches."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    """Reals are blue and fakes are red: nobody can confuse them, or swap them unnoticed."""
    folder = tmp_path_factory.mktemp("separable")
    generator = np.random.default_rng(8)
    rows = []
    for split, count in COUNTS.items():
        for at in range(2 * count):
            label = ("real", "fake")[at % 2]
            name = f"{split}-{at}-{label}.png"
            pixels = generator.integers(0, 120, (48, 48, 3), np.uint8)
            pixels[..., 0 if label == "fake" else 2] += 130
            (folder / name).write_bytes(encode(Image.fromarray(pixels), "PNG"))
            rows.append({"path": name, "label": label, "split": split})
    return read_manifest(write_manifest(folder, rows))


@pytest.fixture(scope="module")
def train_in(manifest: Manifest, tmp_path_factory) -> Callable[..., dict]:
    from ml.training import train

    cache = tmp_path_factory.mktemp("cache")

    def run(folder: Path, config: TrainingConfig = CONFIG, report=quiet) -> dict:
        return train(config, manifest, RunFolder(folder), cache, report)

    return run


@pytest.fixture(scope="module")
def finished(train_in, tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("finished")
    train_in(folder)
    return RunFolder(folder)


@pytest.fixture(scope="module")
def exported(finished: RunFolder, manifest: Manifest, tmp_path_factory) -> Path:
    from ml.export import export_run

    out = tmp_path_factory.mktemp("exported") / "artifact"
    export_run(finished, manifest, out, quiet, version="1", rates=ErrorRates(0.1, 0.1))
    return out


def test_what_is_separable_is_learnt(finished: RunFolder):
    report = json.loads((finished.path / METRICS_FILE).read_text())["all"]
    assert report["accuracy"]["value"] > 0.95
    assert report["accuracy"]["n"] == 24


def test_labels_are_not_inverted_from_the_file_to_the_verdict(manifest: Manifest, exported: Path):
    predictor = Predictor.load(exported, registered={artifact_sha256(exported)})
    wanted = [Verdict.LIKELY_AUTHENTIC, Verdict.LIKELY_MANIPULATED]
    samples = manifest.split("test")
    with Decoder() as decoder:
        images = [decoder.decode(sample.path, min_side=MIN_SIDE) for sample in samples]
    verdicts = [prediction.verdict for prediction in predictor.predict(images)]
    assert verdicts == [wanted[sample.label] for sample in samples]


def test_the_exported_graph_gives_what_the_checkpoint_gives(finished, exported):
    import keras

    from ml.export import PARITY_TOLERANCE, check_parity

    predictor = Predictor.load(exported, registered={artifact_sha256(exported)})
    inputs = np.random.default_rng(1).random((64, 16, 16, 3), np.float32)
    trained = keras.saving.load_model(finished.result())
    assert check_parity(trained, predictor, inputs) <= PARITY_TOLERANCE


def test_another_checkpoint_fails_the_parity_check(exported):
    from ml.export import check_parity
    from ml.networks.paper_cnn import build

    predictor = Predictor.load(exported, registered={artifact_sha256(exported)})
    inputs = np.random.default_rng(1).random((8, 16, 16, 3), np.float32)
    with pytest.raises(RunError, match="parity_failed"):
        check_parity(build(16), predictor, inputs)


def test_the_sidecar_states_its_figures_and_where_they_come_from(exported: Path, manifest):
    sidecar = json.loads((exported / "model.json").read_text())
    assert sidecar["training"]["manifest_sha256"] == manifest.sha256
    assert sidecar["training"]["train"] == {"n": 48, "n_fake": 24, "n_real": 24}
    assert sidecar["metrics"]["test"]["all"]["n"] == 12
    assert set(sidecar["metrics"]["test_degraded"]) == {"clean", *COPIES}
    assert sidecar["metrics"]["copies"]["any_changed"]["n"] == 12
    assert sidecar["licence_notes"][0] == "drawn: ours, 48 images"


def test_an_artifact_is_never_overwritten(finished, manifest, exported):
    from ml.export import export_run

    before = (exported / MODEL_FILE).read_bytes()
    with pytest.raises(RunError, match="never overwritten"):
        export_run(finished, manifest, exported, quiet, version="2", rates=ErrorRates(0.1, 0.1))
    assert (exported / MODEL_FILE).read_bytes() == before


def test_a_run_that_spends_test_rows_is_not_exported(train_in, manifest, tmp_path):
    from ml.export import export_run

    train_in(tmp_path / "run", replace(CONFIG, is_exportable=False, epochs=1))
    with pytest.raises(RunError, match="not_exportable"):
        export_run(
            RunFolder(tmp_path / "run"),
            manifest,
            tmp_path / "out",
            quiet,
            version="1",
            rates=ErrorRates(0.1, 0.1),
        )


def test_a_run_killed_in_its_third_epoch_ends_as_if_it_never_was(train_in, finished, tmp_path):
    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "epoch 3/4" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_in(tmp_path, report=kill)
    interrupted = RunFolder(tmp_path)
    assert interrupted.state().epoch == 2
    with pytest.raises(RunError, match="run_unfinished"):
        interrupted.result()

    train_in(tmp_path)
    for resumed, straight in zip(
        interrupted.state().history, finished.state().history, strict=True
    ):
        assert resumed == pytest.approx(straight, rel=1e-3)


def test_a_run_folder_is_never_taken_by_another_run(train_in, finished):
    with pytest.raises(RunError, match="run_mismatch"):
        train_in(finished.path, replace(CONFIG, batch_size=4))


def test_it_stops_when_validation_no_longer_improves(train_in, tmp_path):
    # learning nothing: the first epoch stays the best
    train_in(tmp_path, replace(CONFIG, learning_rate=0.0, epochs=30, patience=2))
    state = RunFolder(tmp_path).state()
    assert (state.epoch, state.best_epoch) == (3, 1)


def test_the_best_epoch_is_kept_and_not_the_last(train_in, tmp_path):
    train_in(tmp_path, replace(CONFIG, learning_rate=0.0, epochs=2))
    assert RunFolder(tmp_path).result().name == "best.keras"


def test_learning_curves_are_drawn(finished: RunFolder):
    svg = (finished.path / "curves.svg").read_text()
    assert "<svg" in svg
    assert len(finished.state().history) == 4
    assert set(finished.state().history[0]) >= {"loss", "val_loss", "accuracy", "val_accuracy"}


def test_only_one_checkpoint_beside_the_best_is_kept(finished: RunFolder):
    names = {path.name for path in finished.path.glob("*.keras")}
    assert names == {"best.keras", "epoch-4.keras"}


VIEWS = replace(
    CONFIG,
    name="separable_views",
    network="tiny_views",
    learning_rate=3e-2,
    checkpoint="last",
    views=ViewSchedule((32, 32, 48, 48), steps_per_epoch=8, warmup_steps=4, watched=16),
)


@pytest.fixture(scope="module")
def tiny_views() -> Iterator[None]:
    """A network for views of any size, with a random layer and one that keeps averages."""
    import keras
    from keras import layers

    def build(size: int | None) -> Any:
        return keras.Sequential(
            [
                keras.Input((size, size, 3)),
                layers.Conv2D(8, 3, 2, use_bias=False),
                layers.BatchNormalization(momentum=0.5),
                layers.ReLU(),
                layers.GlobalAveragePooling2D(),
                layers.Dropout(0.2),
                layers.Dense(1, activation="sigmoid"),
            ]
        )

    network = ModuleType("ml.networks.tiny_views")
    network.build = build
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, network.__name__, network)
        patch.setattr("ml.datasets.pixel_store.find_faces", lambda pixels: [])
        yield


@pytest.fixture(scope="module")
def viewed(train_in, tiny_views, tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("viewed")
    train_in(folder, VIEWS)
    return RunFolder(folder)


def test_what_is_separable_is_learnt_from_views(viewed: RunFolder):
    report = json.loads((viewed.path / METRICS_FILE).read_text())["all"]
    assert report["accuracy"]["value"] > 0.95
    assert report["accuracy"]["n"] == 24
    assert viewed.result().name == "epoch-4.keras"


def test_a_run_on_views_killed_in_its_third_epoch_ends_as_if_it_never_was(
    train_in, viewed, tmp_path
):
    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "epoch 3/4" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_in(tmp_path, VIEWS, report=kill)
    assert RunFolder(tmp_path).state().epoch == 2
    train_in(tmp_path, VIEWS)
    for resumed, straight in zip(
        RunFolder(tmp_path).state().history, viewed.state().history, strict=True
    ):
        assert resumed == pytest.approx(straight, rel=1e-3)


def test_a_run_on_views_says_which_recipe_it_followed(viewed: RunFolder, train_in):
    views = viewed.description()["config"]["views"]
    assert views["recipe"]["damage"]["save_share"] == VIEWS.views.recipe.damage.save_share
    with pytest.raises(RunError, match="run_mismatch"):
        train_in(viewed.path, replace(VIEWS, views=replace(VIEWS.views, label_smoothing=0.1)))


def test_a_batch_of_views_holds_as_many_reals_as_fakes(tiny_views, manifest, tmp_path):
    from ml.feeds import open_feed

    selection = VIEWS.select(manifest, VIEWS.seed)
    feed = open_feed(
        VIEWS, selection, tmp_path, lambda name: lambda done, total: None, stored=selection
    )
    first, third = feed.batches(0), feed.batches(2)
    assert (len(first), first[0][0].shape, third[0][0].shape) == (8, (8, 32, 32, 3), (8, 48, 48, 3))
    assert first[0][1][:, 0].tolist() == [0, 1] * 4
    assert len(feed.watched) == 16 < len(feed.val_label)
    np.testing.assert_array_equal(feed.batches(0)[5][0], first[5][0])
    assert (first[0][0] != first[1][0]).any()


UNDAMAGED = Damage(tone_share=0, blur_share=0, noise_share=0, screenshot_share=0, save_share=0)
STEADY = replace(
    VIEWS,
    name="steady",
    epochs=2,
    views=replace(
        VIEWS.views, sizes=(32, 32), recipe=ViewRecipe(copy=CopyRecipe()), steadiness=0.5
    ),
)


def test_copies_follow_all_views_of_a_batch(tiny_views, manifest, tmp_path):
    from ml.feeds import open_feed

    unchanged = CopyRecipe(reduce_share=0.0, damage=UNDAMAGED)
    recipe = replace(STEADY.views.recipe, copy=unchanged)
    config = replace(STEADY, views=replace(STEADY.views, recipe=recipe))
    selection = config.select(manifest, config.seed)
    feed = open_feed(
        config, selection, tmp_path, lambda name: lambda done, total: None, stored=selection
    )
    images, label = feed.batches(0)[0]
    assert label[:, 0].tolist() == [0, 1] * 4
    np.testing.assert_array_equal(images[:4], images[4:])
    assert (images[0] != images[2]).any()


def test_a_steady_run_resumes_and_its_weights_load_without_it(tiny_views, train_in, tmp_path):
    import keras

    from ml.steady import Steady

    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "epoch 2/2" and done == 2:
            raise KeyboardInterrupt

    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train_in(whole.path, STEADY)
    with pytest.raises(KeyboardInterrupt):
        train_in(cut.path, STEADY, report=kill)
    train_in(cut.path, STEADY)
    for resumed, straight in zip(cut.state().history, whole.state().history, strict=True):
        assert resumed == pytest.approx(straight, rel=1e-3)
    model = keras.saving.load_model(cut.result())
    assert isinstance(model, Steady)
    assert model.steadiness == 0.0


def test_the_loss_counts_what_copies_differ_in_training_alone(tiny_views):
    import keras

    from ml.steady import HUBER_DELTA, difference, steady

    network = steady(importlib.import_module("ml.networks.tiny_views").build(None), 2.0)
    network.compile(loss="binary_crossentropy")
    logit = np.array([[0.0], [3.0], [0.4], [1.0]], np.float32)
    score = 1 / (1 + np.exp(-logit))
    expected = (0.4**2 / 2 + HUBER_DELTA * (2 - HUBER_DELTA / 2)) / 2
    assert float(difference(score)) == pytest.approx(expected, rel=1e-3)
    label = np.array([[0.0], [1.0], [0.0], [1.0]], np.float32)
    plain = float(keras.losses.BinaryCrossentropy()(label, score))
    watched = network.compute_loss(y=label, y_pred=score, training=False)
    learnt = network.compute_loss(y=label, y_pred=score, training=True)
    assert float(watched) == pytest.approx(plain, rel=1e-3)
    assert float(learnt) == pytest.approx(plain + 2.0 * expected, rel=1e-3)


class _Leftmost:
    """Says of a picture what its leftmost column is."""

    def predict(self, pictures: np.ndarray, **_: object) -> np.ndarray:
        return pictures[:, :, 0].mean(axis=(1, 2))[:, None]


def test_mirrored_scores_are_the_mean_of_both_showings():
    from ml.training import scores

    pictures = np.zeros((2, 4, 4, 3), np.float32)
    pictures[0, :, 0], pictures[1, :, -1] = 0.8, 0.4
    plain, mirrored = (
        scores(replace(CONFIG, is_mirrored=is_mirrored), _Leftmost(), pictures)
        for is_mirrored in (False, True)
    )
    np.testing.assert_allclose(plain, [0.8, 0.0], atol=1e-6)
    np.testing.assert_allclose(mirrored, [0.4, 0.2], atol=1e-6)


def test_steadiness_needs_copies():
    with pytest.raises(ValueError, match="copies"):
        ViewSchedule((32,), steadiness=0.1)


def test_a_config_needs_just_the_run_it_starts_from(train_in, manifest, finished, tmp_path):
    from ml.start import read_start
    from ml.training import train

    follower = replace(CONFIG, name="follower", starts_from="separable", epochs=1)
    with pytest.raises(RunError, match="run_mismatch"):
        train_in(tmp_path / "alone", follower)
    stranger = replace(follower, starts_from="something else")
    run, start = RunFolder(tmp_path / "run"), read_start(finished.path)
    for config in (stranger, CONFIG):
        with pytest.raises(RunError, match="run_mismatch"):
            train(config, manifest, run, tmp_path / "c", quiet, start=start)


def test_a_run_begins_with_the_weights_it_is_given(manifest, finished, tmp_path):
    from ml.start import read_start
    from ml.training import train

    still = replace(CONFIG, name="follower", starts_from="separable", epochs=1, learning_rate=0.0)
    start = read_start(finished.path)
    result = train(still, manifest, RunFolder(tmp_path), tmp_path / "c", quiet, start=start)
    before = json.loads((finished.path / METRICS_FILE).read_text())
    assert result["all"]["auc"] == before["all"]["auc"]
    assert len(RunFolder(tmp_path).description()["start_sha256"]) == 64


def test_frozen_layers_keep_their_weights(manifest, finished, tmp_path):
    import keras

    from ml.start import read_start
    from ml.training import train

    half = replace(
        CONFIG, name="half", starts_from="separable", epochs=1, frozen=("conv_*", "hidden")
    )
    run = RunFolder(tmp_path / "run")
    train(half, manifest, run, tmp_path / "c", quiet, start=read_start(finished.path))
    before, after = (keras.saving.load_model(each.result()) for each in (finished, run))
    changed = {
        layer.name
        for layer, other in zip(before.layers, after.layers, strict=True)
        for old, new in zip(layer.get_weights(), other.get_weights(), strict=True)
        if (old != new).any()
    }
    assert changed == {"logit"}
    unknown = replace(half, frozen=("attention*",))
    with pytest.raises(ValueError, match="attention"):
        train(
            unknown,
            manifest,
            RunFolder(tmp_path / "unknown"),
            tmp_path / "c",
            quiet,
            start=read_start(finished.path),
        )


def test_a_run_can_begin_with_the_weights_of_an_artifact(finished, exported):
    import keras

    from ml.networks.paper_cnn import build
    from ml.start import read_start

    start, model = read_start(exported), build(16)
    start.give_to(model)
    trained = keras.saving.load_model(finished.result())
    for given, wanted in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-4)
    with pytest.raises(RunError, match="another network"):
        start.give_to(build(32))


def test_weights_that_were_changed_since_are_refused(exported, tmp_path):
    from ml.start import WEIGHTS_FILE, read_start

    changed = shutil.copytree(exported, tmp_path / "changed")
    (changed / WEIGHTS_FILE).write_bytes((changed / WEIGHTS_FILE).read_bytes() + b"x")
    with pytest.raises(RunError, match="not what was exported"):
        read_start(changed)
    (changed / WEIGHTS_FILE).unlink()
    with pytest.raises(RunError, match="run_missing"):
        read_start(changed)
