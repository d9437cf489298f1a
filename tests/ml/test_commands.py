import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ml.commands import app
from tests.images import encode
from tests.ml.tiny import write_artifact, write_manifest

run = CliRunner().invoke


def red(path: Path) -> Path:
    path.write_bytes(encode(Image.new("RGB", (40, 40), (255, 0, 0)), "PNG"))
    return path


@pytest.fixture
def artifact(tmp_path: Path) -> list[str]:
    sha256 = write_artifact(tmp_path / "artifact")
    return ["--artifact", str(tmp_path / "artifact"), "--sha256", sha256]


def test_predict_gives_one_json_line_an_image(tmp_path: Path, artifact):
    path = red(tmp_path / "red.png")
    done = run(app, ["predict", str(path), str(path), "--json", *artifact])
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["verdict"] == second["verdict"] == "likely_manipulated"
    assert first["path"] == str(path)
    assert done.exit_code == 0


def test_predict_refuses_an_unreadable_file_with_its_code_and_goes_on(tmp_path: Path, artifact):
    (tmp_path / "cut.png").write_bytes(red(tmp_path / "red.png").read_bytes()[:60])
    paths = [str(tmp_path / "cut.png"), str(tmp_path / "red.png")]
    done = run(app, ["predict", *paths, "--json", *artifact])
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == {"path": paths[0], "error": "truncated"}
    assert second["verdict"] == "likely_manipulated"
    assert done.exit_code == 3


def test_predict_refuses_an_artifact_nobody_registered(tmp_path: Path, artifact):
    path = red(tmp_path / "red.png")
    done = run(app, ["predict", str(path), *artifact[:2]])
    assert done.exit_code == 3
    assert "artifact_unregistered" in done.stderr


def test_evaluate_reports_a_split_as_json(tmp_path: Path, artifact):
    red(tmp_path / "red.png")
    row = {"path": "red.png", "label": "fake", "split": "test"}
    data = write_manifest(tmp_path, [row])
    out = tmp_path / "report.json"
    done = run(app, ["evaluate", "--data", str(data), "--out", str(out), *artifact])
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["all"]["fakes_caught"]["value"] == 1.0


def test_unusable_data_are_listed_and_stop_the_run(tmp_path: Path):
    rows = [{"path": f"{n}.png", "label": "real", "split": "train"} for n in range(3)]
    data = write_manifest(tmp_path, rows)
    done = run(app, ["train", "paper_cnn", "--data", str(data), "--run", str(tmp_path / "run")])
    assert done.exit_code == 3
    assert all(f"{n}.png: no such file" in done.stderr for n in range(3))


def test_an_unknown_config_names_the_known_ones(tmp_path: Path):
    data = write_manifest(tmp_path, [{"path": "x", "label": "real", "split": "train"}])
    done = run(app, ["train", "gpt", "--data", str(data), "--run", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "original_protocol, paper_cnn" in done.stderr
