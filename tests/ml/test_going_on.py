"""Slow: a network that goes on from an exported artifact, and what an export refuses to state."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from ml.artifact import Artifact, artifact_sha256
from ml.commands import app
from ml.configs.desk_small import CONFIG
from ml.datasets.manifest import read_manifest
from ml.errors import RunError
from ml.model_card import render
from ml.run_folder import RunFolder
from tests.ml.tiny import drawn, write_manifest

pytestmark = pytest.mark.slow

COUNTS = {"train": 16, "val": 67, "test": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Images of an old source and, later, of a new one."""
    folder = tmp_path_factory.mktemp("data")
    rows = [*drawn(folder, "old", COUNTS), *drawn(folder, "new", {"train": 8})]
    return write_manifest(folder, rows)


@pytest.fixture(scope="module")
def call(data: Path) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        done = CliRunner().invoke(app, [*map(str, arguments), "--data", str(data)])
        assert done.exit_code == 0, done.output

    return run


@pytest.fixture(scope="module")
def read_start() -> Callable[[Path], Any]:
    """Imported late: it takes TensorFlow along, into every process that only collects."""
    from ml.start import read_start

    return read_start


@pytest.fixture(scope="module")
def artifact(call, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    call("train", "desk_small", "--run", folder / "run", "--epochs", 2)
    call("export", folder / "run", "--out", folder / "artifact", "--version", "1")
    return folder / "artifact"


@pytest.fixture(scope="module")
def gone_on(call, artifact: Path, data: Path, tmp_path_factory) -> Path:
    """A second run, from the first one's artifact."""
    folder = tmp_path_factory.mktemp("second")
    old = [row.sha256 for row in read_manifest(data).samples if row.source == "old"]
    learnt = folder / "learnt.txt"
    learnt.write_text("\n".join(old))
    progress = folder / "progress.json"
    call(
        *("train", "desk_small", "--run", folder / "run", "--epochs", 1, "--start", artifact),
        *("--learnt", learnt, "--progress", progress),
    )
    return folder


def test_an_artifact_carries_the_weights_that_the_next_run_begins_with(read_start, artifact: Path):
    start = read_start(artifact)
    assert start.path == artifact / "weights.npz"
    assert (start.name, start.network) == ("desk_small", "paper_cnn")


def test_a_run_that_goes_on_says_from_what_and_how_much_of_it_is_old(
    read_start, gone_on: Path, artifact: Path
):
    told = RunFolder(gone_on / "run").description()
    assert told["start_sha256"] == read_start(artifact).sha256
    replay = told["replay"]
    assert (replay["share"], replay["n_old"], replay["n_new"]) == (0.5, 32, 16)


def test_it_knows_from_the_first_what_the_start_had_learnt(gone_on: Path):
    [epoch] = json.loads((gone_on / "progress.json").read_text())["history"]
    assert epoch["val_accuracy"] > 0.95


def test_it_is_exported_as_any_other(call, read_start, gone_on: Path):
    call("export", gone_on / "run", "--out", gone_on / "artifact", "--version", "2")
    sidecar = json.loads((gone_on / "artifact" / "model.json").read_text())
    assert sidecar["training"]["replay"]["n_old"] == 32
    assert sidecar["calibration"]["n"] == 2 * COUNTS["val"]
    read_start(gone_on / "artifact")


def test_an_artifact_is_fitted_again_without_a_training(call, artifact: Path, tmp_path: Path):
    out = tmp_path / "again"
    call("fit-again", artifact, "--out", out, "--version", "1.1")
    for name in ("model.onnx", "weights.npz"):
        assert (out / name).read_bytes() == (artifact / name).read_bytes()
    before, after = (json.loads((at / "model.json").read_text()) for at in (artifact, out))
    assert (before.pop("version"), after.pop("version")) == ("1", "1.1")
    assert before == after


@pytest.fixture(scope="module")
def gone_on_again(call, artifact: Path, tmp_path_factory) -> Path:
    """A third run, from the first one's artifact too."""
    folder = tmp_path_factory.mktemp("third")
    call(
        *("train", "desk_small", "--run", folder / "run", "--epochs", 1, "--start", artifact),
        *("--seed", 7, "--learning-rate", 0.01),
    )
    return folder


def mixed(base: Path, run: Path, *parts: str) -> Result:
    named = [word for part in parts for word in ("--part", part)]
    arguments = ["mix", base, *named, "--run", run, "--name", "both"]
    return CliRunner().invoke(app, [*map(str, arguments)])


def told_otherwise(artifact: Path, folder: Path, **changed: object) -> Path:
    """A copy of an artifact whose sidecar says something else of its training."""
    shutil.copytree(artifact, folder)
    sidecar = json.loads((folder / "model.json").read_text())
    sidecar["training"] |= changed
    (folder / "model.json").write_text(json.dumps(sidecar))
    return folder


def test_a_mixture_lies_as_far_between_as_was_said(
    call, read_start, artifact: Path, gone_on: Path, gone_on_again: Path, tmp_path: Path
):
    runs = gone_on / "run", gone_on_again / "run"
    # whichever epoch was the best: there is one checkpoint
    base = told_otherwise(artifact, tmp_path / "base", best_epoch=1)
    done = mixed(base, tmp_path / "run", f"{runs[0]}:0.25", f"{runs[1]}:0.5")
    assert done.exit_code == 0, done.output
    ends = [read_start(folder).weights() for folder in (artifact, *runs, tmp_path / "run")]
    for first, one, other, own in zip(*ends, strict=True):
        np.testing.assert_allclose(own, 0.25 * first + 0.25 * one + 0.5 * other, atol=1e-5)
    call("export", tmp_path / "run", "--out", tmp_path / "artifact", "--version", "3")
    training = json.loads((tmp_path / "artifact" / "model.json").read_text())["training"]
    said = [(part["name"], part["share"], part["epochs"]) for part in training["mixed"]]
    assert said == [("desk_small", 0.25, 1), ("desk_small", 0.5, 1)]
    card = render(
        Artifact.read(tmp_path / "artifact", registered={artifact_sha256(tmp_path / "artifact")})
    )
    assert "0.25 of the way to `desk_small` (1 epochs" in card
    again = mixed(tmp_path / "artifact", tmp_path / "other", f"{runs[0]}:0.25")
    assert "is a mixture itself" in " ".join(again.output.split())


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"start_sha256": "0" * 64}, "began with other weights"),
        ({"manifest_sha256": "0" * 64}, "learnt from other data"),
        ({"licence_notes": ["elsewhere: none stated, 3 images"]}, "learnt from other sources"),
        ({"config": {"is_exportable": False}}, "learnt from test rows"),
    ],
)
def test_what_does_not_belong_is_not_mixed_in(
    read_start, artifact: Path, tmp_path: Path, changed: dict[str, Any], text: str
):
    training = json.loads((artifact / "model.json").read_text())["training"]
    changed = {"start_sha256": read_start(artifact).sha256} | changed
    if "config" in changed:
        changed["config"] = training["config"] | changed["config"]
    part = told_otherwise(artifact, tmp_path / "part", **changed)
    done = mixed(artifact, tmp_path / "run", f"{part}:0.5")
    assert done.exit_code == 3
    assert text in " ".join(done.output.split())


@pytest.mark.parametrize("share", ["", ":", ":1.5", ":nan", ":0"])
def test_a_share_that_is_none_is_refused(artifact: Path, gone_on: Path, tmp_path: Path, share: str):
    assert mixed(artifact, tmp_path / "run", f"{gone_on / 'run'}{share}").exit_code == 2


def test_weights_of_another_network_are_refused(read_start, artifact: Path, data: Path, tmp_path):
    from ml.training import train

    start = replace(read_start(artifact), network="lite")
    run = RunFolder(tmp_path / "run")
    with pytest.raises(RunError, match="run_mismatch"):
        train(CONFIG, read_manifest(data), run, tmp_path, lambda *_: None, start=start)


def test_too_few_validation_images_state_no_error_rates(artifact: Path, tmp_path: Path):
    few = write_manifest(tmp_path, drawn(tmp_path, "few", {"train": 8, "val": 66, "test": 2}))
    run = str(tmp_path / "run")
    trained = CliRunner().invoke(
        app, ["train", "desk_small", "--data", str(few), "--run", run, "--epochs", "1"]
    )
    assert trained.exit_code == 0, trained.output
    progress = tmp_path / "progress.json"
    options = ["--data", str(few), "--out", str(tmp_path / "out"), "--version", "1"]
    done = CliRunner().invoke(app, ["export", run, *options, "--progress", str(progress)])
    assert done.exit_code == 3
    assert "it takes 67 and 10" in " ".join(done.output.split())
    assert json.loads(progress.read_text())["failed"] == "too_few_images"
    assert not (tmp_path / "out").exists()


def test_two_processes_never_work_on_one_run(tmp_path: Path):
    run = RunFolder(tmp_path / "run")
    with run.held(), pytest.raises(RunError, match="run_busy"), RunFolder(run.path).held():
        pytest.fail("both were let in")
    with run.held():
        pass
