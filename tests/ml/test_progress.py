"""The file in which a process says how far it is."""

import json
from pathlib import Path

import pytest

from ml import progress
from ml.progress import ProgressFile, told_both


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def said(path: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads(path.read_text())
    return told


def test_it_says_stage_steps_and_history(tmp_path: Path):
    report = ProgressFile(tmp_path / "p", lambda: [{"epoch": 1, "loss": 0.5}])
    report("test", 3, 9)
    assert said(tmp_path / "p") == {
        "stage": "test",
        "done": 3,
        "total": 9,
        "history": [{"epoch": 1, "loss": 0.5}],
    }


def test_it_is_written_at_most_twice_a_second_but_for_a_stages_ends(tmp_path: Path, clock):
    report = ProgressFile(tmp_path / "p", list)
    report("test", 1, 9)
    report("test", 2, 9)
    assert said(tmp_path / "p")["done"] == 1
    clock[0] += 0.6
    report("test", 3, 9)
    assert said(tmp_path / "p")["done"] == 3
    report("test", 9, 9)
    assert said(tmp_path / "p")["done"] == 9
    report("val", 1, 9)
    assert said(tmp_path / "p")["stage"] == "val"


def test_what_remains_is_reckoned_from_the_steps_of_this_process(tmp_path: Path, clock):
    report = ProgressFile(tmp_path / "p", list)
    report("epoch 2/4", 1, 10)
    assert said(tmp_path / "p")["remaining_s"] is None
    clock[0] += 5
    report("epoch 2/4", 6, 10)
    assert said(tmp_path / "p")["remaining_s"] == 24  # as many steps as there are seconds


def test_a_failure_keeps_its_code(tmp_path: Path):
    report = ProgressFile(tmp_path / "p", list)
    report("test", 1, 2)
    report.fail("run_mismatch")
    assert said(tmp_path / "p")["failed"] == "run_mismatch"
    assert said(tmp_path / "p")["stage"] == "test"


def test_two_reports_are_told_alike(tmp_path: Path):
    files = [tmp_path / name for name in "ab"]
    told_both(*(ProgressFile(path, list) for path in files))("test", 1, 1, "note")
    assert said(files[0]) == said(files[1])
