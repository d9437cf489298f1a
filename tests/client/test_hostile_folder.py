"""`unmask check FOLDER --json` on a folder of hostile files ends with an answer for each."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client import check as local
from client import main
from tests.client.test_check import BrightnessPredictor
from tests.hostile import HOSTILE


def test_each_file_of_a_folder_gets_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local, "load_predictor", BrightnessPredictor)
    folder = tmp_path / "hostile"
    folder.mkdir()
    for number, build in enumerate(HOSTILE.values()):
        (folder / f"{number:04}.jpg").write_bytes(build())
    result = CliRunner().invoke(main.app, ["check", str(folder), "--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(line["path"]).name for line in lines] == sorted(
        path.name for path in folder.iterdir()
    )
    assert all((line["error"] is None) == (line["verdict"] is not None) for line in lines)
    assert result.exit_code == 3  # some could not be read
