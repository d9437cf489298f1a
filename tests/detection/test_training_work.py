"""Real training of a small network by real processes; slow."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from accounts.models import AuditEvent, User
from detection import detector, storage, trainable
from detection.models import Comparison, Feedback, ModelVersion, TrainingRun
from detection.services import registry, training, training_process, training_sweeping
from detection.services.training_process import TrainingProcess
from detection.services.training_work import carry_out
from tests.chaos.rows import sized
from tests.detection.training_data import break_snapshot, ended, manifests, run_row, snapshot_row
from tests.factories import submitted

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
Status = TrainingRun.Status
WORKER = "test-host:1:1"


@pytest.fixture(scope="module")
def manifest_of(tmp_path_factory) -> Any:
    return manifests(tmp_path_factory.mktemp("labelled"))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch, manifest_of: Any) -> list[ModelVersion]:
    """Candidates that a comparison was ordered of; their data lie in one place."""
    asked: list[ModelVersion] = []

    def order(candidate: ModelVersion, snapshot: object, *, by: User | None) -> Comparison | None:
        asked.append(candidate)
        return None

    monkeypatch.setattr("detection.services.comparisons.order", order)
    monkeypatch.setattr("detection.services.snapshots.manifest_of", manifest_of)
    # tests wait for it, beside others
    monkeypatch.setattr("detection.services.training_process.NICENESS", 0)
    monkeypatch.setattr("detection.services.training_work.BEAT_S", 0.2)
    monkeypatch.setattr("detection.services.training_work.POLL_S", 0.05)
    return asked


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[TrainingProcess]:
    """Every process that was started, as it starts."""
    made: list[TrainingProcess] = []

    class Watched(TrainingProcess):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr("detection.services.training_work.TrainingProcess", Watched)
    return made


@pytest.fixture
def active(dora: User) -> ModelVersion:
    """The shipped model, in service."""
    folder, sha256 = detector.shipped_default()
    version = registry.register_artifact(folder, by=dora, sha256=sha256)
    registry.activate(version, by=dora)
    return ModelVersion.objects.get(pk=version.pk)


@pytest.fixture
def run(active: ModelVersion, compared: object, dora: User) -> TrainingRun:
    return run_row(by=dora)


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Do something in another thread while a run is carried out."""
    threads: list[threading.Thread] = []

    def start(do: Callable[[], None]) -> None:
        def work() -> None:
            try:
                do()
            finally:
                connections.close_all()

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(60)


def until(condition: Callable[[], object], patience_s: float = 120) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state_of(version: ModelVersion) -> tuple[Any, ...]:
    """The row of a model and the bytes of its files."""
    folder = storage.artifact_dir(version.artifact_sha256)
    row = ModelVersion.objects.values_list().get(pk=version.pk)
    return row, {name: (folder / name).read_bytes() for name in detector.ARTIFACT_FILES}


def actions() -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith="training_run.")
    return [
        action.removeprefix("training_run.") for action in rows.values_list("action", flat=True)
    ]


def claim_what_nobody_reviewed(alice: User) -> None:
    """A thousand accounts say the wrong thing about one picture."""
    detection = submitted(alice).detection
    liars = User.objects.bulk_create(User(email=f"liar{at}@example.org") for at in range(1000))
    Feedback.objects.bulk_create(
        Feedback(
            detection=detection,
            by=liars[at],
            label=Feedback.Label.values[at % 2],
            category=Feedback.Category.values[0],
            comment=f"poison {at}",
        )
        for at in range(1000)
    )


def test_a_run_ends_in_one_candidate_that_the_next_goes_on_from(
    run: TrainingRun,
    active: ModelVersion,
    compared: list[ModelVersion],
    data_dir: Path,
    alice: User,
    manifest_of: Any,
):
    claim_what_nobody_reviewed(alice)
    before, content = state_of(active), manifest_of(run.snapshot).read_bytes()
    carry_out(run.pk, worker=WORKER)
    assert manifest_of(run.snapshot).read_bytes() == content
    run = ended(run)
    assert (run.status, run.failure_code) == (Status.DONE, "")
    candidate = run.candidate
    assert candidate is not None
    assert (candidate.name, candidate.state) == ("desk_small", ModelVersion.State.CANDIDATE)
    assert candidate.version == f"desk-{run.created_at:%Y-%m-%d}-1"
    assert candidate.metrics["val"]["all"]["n"] == 100  # 50 of each label at most
    assert [epoch["epoch"] for epoch in run.history] == [1, 2]
    assert actions() == ["completed"]
    assert compared == [candidate]
    assert state_of(active) == before
    # its log alone is left, without paths; and the weights lie with the artifact
    assert [path.name for path in storage.training_dir(run.pk).glob("*")] == ["log.txt"]
    log = training_process.shown_log(storage.training_dir(run.pk) / "log.txt")
    assert "epoch 2/2" in log
    assert str(data_dir) not in log
    start = trainable.start_of(candidate)
    assert start is not None
    assert (start.network, start.size) == ("paper_cnn", 32)
    # again delivered, the message finds nothing to do
    carry_out(run.pk, worker=WORKER)
    assert ended(run).attempt == run.attempt == 1

    registry.activate(candidate, by=run.by)
    snapshot = snapshot_row()
    second = run_row(snapshot, start=TrainingRun.Start.ACTIVE, started_from=candidate, epochs=1)
    carry_out(second.pk, worker=WORKER)
    second = ended(second)
    assert second.status == Status.DONE
    assert second.candidate is not None
    assert second.candidate.version.endswith("-2")
    assert second.history[0]["val_accuracy"] > 0.95


def test_a_process_killed_at_random_moments_leaves_the_active_model_and_ends_in_one_candidate(
    run: TrainingRun,
    active: ModelVersion,
    compared: list[ModelVersion],
    started: list[TrainingProcess],
    meanwhile: Any,
):
    generator, times = random.Random(7), sized(10, 3)
    before = state_of(active)
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < times:
            until(lambda: started)
            time.sleep(generator.uniform(0.0, 15.0))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started[-1].pid, signal.SIGKILL)
                killed.append(started[-1].pid)

    meanwhile(kill)
    runs = [run]
    # on a fast machine one run may have ended before it was killed so often
    while len(killed) < times or not ended(runs[-1]).is_finished:
        if ended(runs[-1]).is_finished:
            runs.append(run_row(run.snapshot))
        carry_out(runs[-1].pk, worker=WORKER)
        assert state_of(active) == before
    assert [ended(one).status for one in runs] == [Status.DONE] * len(runs)
    assert all([epoch["epoch"] for epoch in ended(one).history] == [1, 2] for one in runs)
    assert ModelVersion.objects.exclude(pk=active.pk).count() == len(runs) == len(compared)


def test_a_run_is_called_off_while_it_works(
    run: TrainingRun, dora: User, started: list[TrainingProcess], meanwhile: Any
):
    def call_off() -> None:
        until(lambda: started)
        training.cancel(TrainingRun.objects.get(pk=run.pk), by=dora)

    meanwhile(call_off)
    carry_out(run.pk, worker=WORKER)
    assert ended(run).status == Status.CANCELLED
    assert actions() == ["cancel_asked", "cancelled"]
    assert is_gone(started[0].pid)
    assert not (storage.training_dir(run.pk) / "run").exists()
    assert ModelVersion.objects.count() == 1


def test_a_stopped_trainer_gives_the_run_back_and_the_next_resumes(
    run: TrainingRun, started: list[TrainingProcess]
):
    def has_an_epoch() -> bool:
        return bool(TrainingRun.objects.get(pk=run.pk).history)

    carry_out(run.pk, worker=WORKER, is_stopping=has_an_epoch)
    waiting = ended(run)
    assert (waiting.status, waiting.lease_owner) == (Status.QUEUED, "")
    assert (waiting.attempt, waiting.attempt_limit) == (1, 21)
    assert is_gone(started[0].pid)
    carry_out(run.pk, worker=WORKER)
    assert ended(run).status == Status.DONE
    log = (storage.training_dir(run.pk) / "log.txt").read_text()
    assert log.count("epoch 1/2") == 1  # the second process began with the second epoch


def test_a_run_whose_snapshot_breaks_meanwhile_throws_away_what_it_learnt(
    run: TrainingRun, started: list[TrainingProcess], meanwhile: Any
):
    def withdraw() -> None:
        until(lambda: started)
        break_snapshot(run.snapshot)

    meanwhile(withdraw)
    carry_out(run.pk, worker=WORKER)
    assert (ended(run).status, ended(run).failure_code) == (Status.FAILED, "snapshot_broken")
    assert actions() == ["failed"]
    assert not (storage.training_dir(run.pk) / "run").exists()
    assert ModelVersion.objects.count() == 1


def test_data_that_changed_end_the_run_with_a_code(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    own = manifests(tmp_path / "own")
    path = own(run.snapshot)
    (path.parent / "train-0.png").write_bytes(b"another file")
    monkeypatch.setattr("detection.services.snapshots.manifest_of", own)
    carry_out(run.pk, worker=WORKER)
    assert (ended(run).status, ended(run).failure_code) == (Status.FAILED, "dataset_invalid")
    assert ModelVersion.objects.count() == 1


def test_a_trainer_that_died_is_noticed_and_its_process_ended_before_the_next(
    run: TrainingRun, started: list[TrainingProcess], monkeypatch: pytest.MonkeyPatch
):
    class Died(BaseException):
        """As if the trainer itself was killed: nothing is tidied up."""

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProcess, "end", lambda self: None)
        patch.setattr(
            "detection.services.training_work._Work._watched",
            lambda self, process: (_ for _ in ()).throw(Died),
        )
        with pytest.raises(Died):
            carry_out(run.pk, worker=WORKER)
    [left] = started
    assert not is_gone(left.pid)
    carry_out(run.pk, worker=WORKER)  # the lease still holds: nothing happens
    assert ended(run).attempt == 1
    TrainingRun.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
    carry_out(run.pk, worker=WORKER)
    assert is_gone(left.pid)
    assert (ended(run).status, ended(run).attempt) == (Status.DONE, 2)


def test_the_process_is_given_no_secrets_and_gives_way(
    run: TrainingRun, started: list[TrainingProcess], meanwhile: Any, monkeypatch
):
    monkeypatch.setenv("SECRET_KEY", "of the desk")
    monkeypatch.setattr("detection.services.training_process.NICENESS", 19)
    found: dict[str, Any] = {}

    def look() -> None:
        until(lambda: started)
        pid = started[0].pid
        until(lambda: b"-I" not in Path(f"/proc/{pid}/cmdline").read_bytes())
        found["environment"] = Path(f"/proc/{pid}/environ").read_bytes()
        found["nice"] = os.getpriority(os.PRIO_PROCESS, pid)
        found["session"] = os.getsid(pid) == pid
        training.cancel(TrainingRun.objects.get(pk=run.pk), by=None)

    meanwhile(look)
    carry_out(run.pk, worker=WORKER)
    assert b"of the desk" not in found["environment"]
    assert b"DATABASE" not in found["environment"]
    assert (found["nice"], found["session"]) == (19, True)


def test_files_of_a_run_that_ended_unseen_are_removed_by_the_sweeper(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
):
    folder = storage.training_dir(run.pk)
    (folder / "run").mkdir(parents=True)
    (folder / "log.txt").write_text("kept")
    (folder.parent / "somebody's").mkdir()
    (folder.parent / "somebody's" / "file").touch()
    monkeypatch.setattr("detection.doorbell.unanswered", lambda queue: 0)
    training_sweeping.sweep()
    assert (folder / "run").exists()  # it still waits
    TrainingRun.objects.filter(pk=run.pk).update(status=Status.CANCELLED)
    training_sweeping.sweep()
    assert [path.name for path in folder.glob("*")] == ["log.txt"]


def is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
