from pathlib import Path

import pytest

from ml.errors import RunError
from ml.run_folder import RunFolder, RunState


def finished_epoch(run: RunFolder, before: RunState, loss: float, best: int) -> RunState:
    after = RunState(epoch=before.epoch + 1, best_loss=loss, best_epoch=best)
    run.checkpoint(after.epoch).write_text(f"weights {after.epoch}")
    run.record(before, after)
    return after


def test_a_new_folder_starts_at_the_beginning(tmp_path: Path):
    assert RunFolder(tmp_path).state() == RunState()


def test_it_keeps_the_best_and_the_last_checkpoint(tmp_path: Path):
    run = RunFolder(tmp_path)
    state = finished_epoch(run, RunState(), 0.5, best=1)
    state = finished_epoch(run, state, 0.5, best=1)
    state = finished_epoch(run, state, 0.5, best=1)
    assert (tmp_path / "best.keras").read_text() == "weights 1"
    assert {p.name for p in tmp_path.glob("*.keras")} == {"best.keras", "epoch-3.keras"}
    assert run.state() == state


def test_it_recognises_its_own_description_after_json(tmp_path: Path):
    run = RunFolder(tmp_path)
    run.claim({"config": {"sizes": (1, 2)}})
    run.claim({"config": {"sizes": (1, 2)}})
    with pytest.raises(RunError, match="run_mismatch"):
        run.claim({"config": {"sizes": (1, 3)}})


def test_a_folder_without_a_run_says_so(tmp_path: Path):
    with pytest.raises(RunError, match="run_missing"):
        RunFolder(tmp_path / "nothing").description()


@pytest.mark.parametrize(("kept", "name"), [("best", "best.keras"), ("last", "epoch-2.keras")])
def test_the_result_is_the_checkpoint_the_config_asks_for(tmp_path: Path, kept, name):
    run = RunFolder(tmp_path)
    run.claim({"config": {"checkpoint": kept}})
    state = finished_epoch(run, RunState(), 0.5, best=1)
    done = RunState(epoch=2, best_loss=0.5, best_epoch=1, is_finished=True)
    run.checkpoint(2).write_text("weights 2")
    run.record(state, done)
    assert run.result() == tmp_path / name
