import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from ml.alterations import COPIES
from ml.commands import app
from tests.images import encode
from tests.ml.tiny import POINT, write_artifact, write_manifest

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


def test_evaluate_writes_a_report_on_a_split(tmp_path: Path, artifact):
    red(tmp_path / "red.png")
    row = {"path": "red.png", "label": "fake", "split": "test"}
    data = write_manifest(tmp_path, [row])
    out = tmp_path / "report"
    done = run(app, ["evaluate", "--data", str(data), "--out", str(out), *artifact])
    assert done.exit_code == 0, done.output
    report = json.loads((out / "report.json").read_text())
    assert set(report["cells"]) == {"clean", *COPIES}
    assert report["cells"]["clean"]["all"]["fakes_caught"]["value"] == 1.0
    assert report["artifact"]["sha256"] in (out / "report.html").read_text()


def test_evaluate_says_that_a_split_is_empty(tmp_path: Path, artifact):
    red(tmp_path / "red.png")
    data = write_manifest(tmp_path, [{"path": "red.png", "label": "fake", "split": "val"}])
    done = run(app, ["evaluate", "--data", str(data), *artifact])
    assert done.exit_code == 3
    assert "no image in the split test" in " ".join(done.output.split())


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two sets of plain pictures, one of them without fakes."""
    for name in ("swaps/real", "swaps/fake", "camera/Real"):
        folder = tmp_path / "sets" / name
        folder.mkdir(parents=True)
        for at in range(2):
            red = 250 - at if name.endswith("fake") else at
            image = Image.new("RGB", (40, 40), (red, 0, len(name)))
            (folder / f"{at}.png").write_bytes(encode(image, "PNG"))
    return tmp_path / "sets"


def evaluated(sets: Path, out: Path, *options: str) -> dict[str, Any]:
    arguments = ["evaluate", "--data", str(sets), "--out", str(out), "--cells", "clean", *options]
    done = run(app, arguments)
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def test_evaluate_reports_a_folder_of_sets_beside_another_artifact(tmp_path: Path, artifact, sets):
    figures = {"config": {"name": "short"}, "sources": {}, "mean_auc": 0.5}
    (tmp_path / "left_out.json").write_text(json.dumps(figures))
    options = ["--against", artifact[1], "--leave-one-out", str(tmp_path / "left_out.json")]
    report = evaluated(sets, tmp_path / "report", *artifact, *options)
    assert report["cells"]["clean"]["swaps"]["auc"]["value"] == 1.0
    assert report["cells"]["clean"]["camera"]["n"] == 2
    assert report["moved"] == {}
    assert report["peers"]["red_detector 1"] == report["cells"]["clean"]
    assert report["leave_one_source_out"] == figures
    page = (tmp_path / "report" / "report.html").read_text()
    assert "AUC of red_detector" in page
    assert "camera" in page


def test_evaluate_takes_at_most_so_many_of_each_source_and_label(tmp_path: Path, artifact, sets):
    report = evaluated(sets, tmp_path / "report", "--limit", "1", *artifact)
    assert report["n"] == 3


def test_evaluate_refuses_a_peer_nobody_registered(tmp_path: Path, artifact, sets):
    write_artifact(tmp_path / "peer", point=replace(POINT, manipulated_from=0.9))
    peer = str(tmp_path / "peer")
    done = run(app, ["evaluate", "--data", str(sets), *artifact, "--against", peer])
    assert done.exit_code == 3
    assert "artifact_unregistered" in done.stderr


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
