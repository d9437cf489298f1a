"""Ordering and calling off: what is refused, one run at a time, and who is told of whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import storage, trainable
from detection.errors import Refused
from detection.models import Dataset, ModelVersion, Snapshot, TrainingRun
from detection.services import training, training_sweeping
from detection.services.training import AlreadyTraining, Order
from detection.training_words import FAILURES, REFUSALS, STAGES, stage_words
from ml.errors import DatasetError, RunError
from tests.detection.training_data import (
    break_snapshot,
    dataset_row,
    ended,
    labelled_row,
    run_row,
    snapshot_row,
)
from tests.factories import in_parallel

pytestmark = pytest.mark.django_db
Status, Start = TrainingRun.Status, TrainingRun.Start


def order(snapshot: Snapshot | None = None, **fields: Any) -> TrainingRun:
    defaults: dict[str, Any] = {"config": "desk_small", "via": "page", "start": Start.SCRATCH}
    return training.order(Order(snapshot=snapshot or snapshot_row(), **{**defaults, **fields}))


def refused(**fields: Any) -> str:
    with pytest.raises(Refused) as refusal:
        order(**fields)
    assert TrainingRun.objects.count() == 0
    return refusal.value.code


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=f"training_run.{action}"))


def test_an_order_waits_for_the_trainer_and_is_recorded(
    dora: User, bells: list[list[str]], django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True):
        run = order(by=dora, note="more labels", seed=3)
    assert (run.status, run.epochs, run.seed) == (Status.QUEUED, 6, 3)
    assert bells == [[str(run.pk)]]
    [event] = events("ordered")
    assert (event.actor_id, run.snapshot.sha256 in event.change) == (dora.pk, True)


def test_the_second_order_is_told_of_the_first():
    first = order()
    with pytest.raises(AlreadyTraining) as refusal:
        order()
    assert refusal.value.run == first
    assert str(first.pk) in refusal.value.detail
    assert TrainingRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_once_make_one_run_and_one_is_told_of_the_other():
    snapshot = snapshot_row()

    def start() -> object:
        try:
            return order(snapshot).pk
        except AlreadyTraining as refusal:
            return ("told of", refusal.run.pk)

    answers = in_parallel(start, times=4)
    [run] = TrainingRun.objects.all()
    assert sorted(answers, key=str).count(run.pk) == 1
    assert answers.count(("told of", run.pk)) == 3
    assert len(events("ordered")) == 1


def test_after_the_first_has_ended_another_may_start():
    TrainingRun.objects.filter(pk=order().pk).update(status=Status.CANCELLED)
    assert order().status == Status.QUEUED


def test_without_a_snapshot_one_is_frozen_of_the_data_sets(
    dora: User, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Any] = []

    def freeze(datasets: list[Dataset], *, name: str, by: User | None) -> Snapshot:
        asked.append((datasets, name, by))
        return snapshot_row(name=name)

    monkeypatch.setattr("detection.services.snapshots.freeze", freeze)
    rows = (dataset_row("one"), dataset_row("two"))
    wanted = Order(config="desk_small", via="page", start=Start.SCRATCH, datasets=rows, by=dora)
    run = training.order(wanted)
    assert asked == [(list(rows), "one, two", dora)]
    assert run.snapshot.name == "one, two"


def test_nothing_to_train_on_is_refused():
    with pytest.raises(Refused) as refusal:
        training.order(Order(config="desk_small", via="page", start=Start.SCRATCH))
    assert refusal.value.code == "nothing_to_train_on"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"config": "lite_full"}, "network_not_offered"),
        ({"epochs": 61}, "too_many_epochs"),
        ({"epochs": 0}, "too_many_epochs"),
        ({"start": Start.ACTIVE}, "no_active_model"),
    ],
)
def test_what_is_not_offered_is_refused(fields: dict[str, Any], code: str):
    assert refused(**fields) == code


def test_a_broken_snapshot_is_refused():
    snapshot = snapshot_row(broken_at=timezone.now())
    assert refused(snapshot=snapshot) == "snapshot_broken"


@pytest.mark.parametrize(
    "counts",
    [
        {"train": 50, "val": 66, "test": 9},
        {"train": 50, "val": 99},
        {"train": 50, "test": 99},
        {"train": 39, "val": 99, "test": 9},
    ],
)
def test_too_few_images_to_state_error_rates_are_refused_before_hours_of_training(counts):
    assert refused(snapshot=snapshot_row(counts)) == "too_few_to_validate"


def test_a_refused_order_leaves_no_snapshot_behind(dora: User):
    dataset = dataset_row("few")
    labelled_row(dataset, 1)
    wanted = Order(config="desk_small", via="page", start=Start.SCRATCH, datasets=(dataset,))
    with pytest.raises(Refused) as refusal:
        training.order(wanted)
    assert refusal.value.code == "too_few_to_validate"
    assert not Snapshot.objects.exists()
    assert not AuditEvent.objects.filter(action="snapshot.frozen").exists()


def test_pairs_need_a_source_with_both_classes():
    snapshot = snapshot_row()
    one_each = {"a": {"real": 90, "fake": 0}, "b": {"real": 0, "fake": 90}}
    apart = {**snapshot.counts, "train": one_each}
    Snapshot.objects.update(counts=apart)
    snapshot.refresh_from_db()
    assert refused(snapshot=snapshot, config="desk_lite") == "no_source_with_both"
    assert order(snapshot, config="paper_cnn").status == Status.QUEUED


def test_a_disk_without_room_is_refused():
    with override_settings(TRAINING_RESERVE_BYTES=10**18):
        assert refused() == "no_room_to_train"


def test_what_the_prepared_images_take_grows_with_them():
    lite, small = (trainable.offer(name) for name in ("desk_lite", "desk_small"))
    assert lite is not None
    assert small is not None
    counts = snapshot_row().counts
    assert trainable.prepared_bytes(lite, counts) == 2 * (40 + 67) * 5_000_000
    assert trainable.prepared_bytes(small, counts) < 3_000_000


# --- going on from the active model


@pytest.fixture
def shipped(model_version: ModelVersion) -> ModelVersion:
    """The shipped model's row, in service; its files are where the release has them."""
    from detection import detector

    _folder, sha256 = detector.shipped_default()
    model_version.artifact_sha256, model_version.architecture = sha256, "lite"
    model_version.save()
    return model_version


def test_the_shipped_model_goes_on_in_its_own_network_alone(shipped: ModelVersion):
    assert refused(start=Start.ACTIVE, config="desk_small") == "other_network"
    run = order(start=Start.ACTIVE, config="desk_lite")
    assert run.started_from == shipped


def test_a_model_without_weights_cannot_go_on(model_version: ModelVersion):
    ModelVersion.objects.update(architecture="paper_cnn")
    assert refused(start=Start.ACTIVE) == "no_start_weights"


def test_of_a_shipped_model_whatever_is_of_its_sources_was_learnt_before(shipped: ModelVersion):
    snapshot, dataset = snapshot_row(), dataset_row()
    old = [labelled_row(dataset, at, source="dfdc") for at in range(3)]
    snapshot.images.set([*old, labelled_row(dataset, 9, source="reviews")])
    assert training.learnt_before(shipped, snapshot) == {row.sha256 for row in old}


def test_of_a_desks_model_whatever_its_runs_learnt_from_was_learnt_before(
    shipped: ModelVersion,
):
    dataset = dataset_row()
    rows = [labelled_row(dataset, at) for at in range(6)]
    first, second, third = (snapshot_row() for _ in range(3))
    first.images.set(rows[:2])
    second.images.set(rows[1:4])
    third.images.set(rows)
    versions = [
        ModelVersion.objects.create(name="desk", version=v, artifact_sha256=v * 64) for v in "ab"
    ]
    run_row(first, status=Status.DONE, candidate=versions[0], started_from=shipped)
    run_row(second, status=Status.DONE, candidate=versions[1], started_from=versions[0])
    known = {row.sha256 for row in rows[:4]}
    assert training.learnt_before(versions[1], third) == known


def test_it_says_which_old_sources_are_not_on_the_desk(shipped: ModelVersion):
    labelled_row(dataset_row(), 1, source="dfdc")
    lost = training.lost_sources(shipped)
    assert "dfdc" not in lost
    assert {"lfw_faceswap", "photoshop"} <= set(lost)


def test_versions_are_numbered_by_the_day():
    day = timezone.make_aware(datetime(2026, 12, 3, 12))
    made = [
        run_row(status=Status.CANCELLED, created_at=day + timedelta(hours=hours))
        for hours in (0, 1, 13)
    ]
    assert [training.version_of(run) for run in made] == [
        "desk-2026-12-03-1",
        "desk-2026-12-03-2",
        "desk-2026-12-04-1",
    ]


# --- calling off, leases, the sweeper


def claimed(**fields: Any) -> TrainingRun:
    run = run_row(**fields)
    found = TrainingRun.objects.claim(run.pk, worker="test-host:1:1")
    assert found is not None
    return found


def expire(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(minutes=1))


def test_what_waits_is_called_off_at_once(dora: User):
    run = run_row()
    training.cancel(run, by=dora)
    assert ended(run).status == Status.CANCELLED
    [event] = events("cancelled")
    assert event.actor_id == dora.pk


def test_what_runs_is_asked_to_end_once(dora: User):
    run = claimed()
    training.cancel(run, by=dora)
    training.cancel(run, by=dora)
    assert ended(run).status == Status.RUNNING
    assert ended(run).cancel_asked_at is not None
    assert len(events("cancel_asked")) == 1


def test_what_was_called_off_is_claimed_by_nobody(dora: User):
    run = claimed()
    training.cancel(run, by=dora)
    expire(run)
    assert TrainingRun.objects.claim(run.pk, worker="other:1:1") is None


def test_what_nobody_holds_any_more_is_called_off_at_once(dora: User):
    run = claimed()
    expire(run)
    training.cancel(run, by=dora)
    assert ended(run).status == Status.CANCELLED


def test_what_has_ended_or_is_being_registered_is_not_called_off(dora: User):
    run = claimed()
    assert run.close_door(training.REGISTERING)
    with pytest.raises(Refused) as refusal:
        training.cancel(run, by=dora)
    assert refusal.value.code == "training_registers"
    TrainingRun.objects.update(status=Status.CANCELLED)
    with pytest.raises(Refused) as refusal:
        training.cancel(run, by=dora)
    assert refusal.value.code == "training_ended"


def test_one_process_alone_holds_a_run():
    run = claimed()
    assert TrainingRun.objects.claim(run.pk, worker="other:1:1") is None
    expire(run)
    other = TrainingRun.objects.claim(run.pk, worker="other:1:1")
    assert other is not None
    assert other.attempt == 2
    # the first is fenced off from everything
    assert not run.beat(done=1)
    assert not run.fail("training_crashed")
    assert not run.cancel()
    assert not run.release()
    assert ended(run).status == Status.RUNNING


@pytest.fixture
def empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detection.doorbell.unanswered", lambda queue: 0)


def test_the_sweeper_rings_for_what_waits_or_was_left(empty_queue: None, bells: list[list[str]]):
    run = run_row()
    training_sweeping.sweep()
    claimed_ = TrainingRun.objects.claim(run.pk, worker="test-host:1:1")
    assert claimed_ is not None
    training_sweeping.sweep()
    assert bells == [[str(run.pk)]]  # not while somebody has it
    expire(run)
    training_sweeping.sweep()
    assert bells == [[str(run.pk)]] * 2


def test_a_message_that_lies_there_is_enough(
    monkeypatch: pytest.MonkeyPatch, bells: list[list[str]]
):
    monkeypatch.setattr("detection.doorbell.unanswered", lambda queue: 1)
    run_row()
    training_sweeping.sweep()
    assert bells == []


def test_the_sweeper_ends_what_nobody_may_take_up(empty_queue: None, dora: User):
    hopeless = claimed(attempt_limit=1)
    expire(hopeless)
    training_sweeping.sweep()
    assert (ended(hopeless).status, ended(hopeless).failure_code) == (
        Status.FAILED,
        "attempts_exhausted",
    )
    called_off = claimed()
    training.cancel(called_off, by=dora)
    expire(called_off)
    training_sweeping.sweep()
    assert ended(called_off).status == Status.CANCELLED
    assert len(events("failed")) == len(events("cancelled")) == 1


def test_the_lease_of_a_dead_trainer_of_this_host_is_not_waited_out(
    empty_queue: None, bells: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("detection.services.training_sweeping.socket.gethostname", lambda: "here")
    run = run_row()
    assert TrainingRun.objects.claim(run.pk, worker="here:1:never") is not None
    training_sweeping.sweep()
    assert bells == [[str(run.pk)]]


def test_a_candidate_that_a_crash_left_without_comparison_gets_one(
    empty_queue: None, monkeypatch: pytest.MonkeyPatch
):
    asked: list[ModelVersion] = []
    monkeypatch.setattr(
        "detection.services.comparisons.order",
        lambda candidate, snapshot, *, by: asked.append(candidate),
    )
    version = ModelVersion.objects.create(name="desk", version="1", artifact_sha256="a" * 64)
    run_row(status=Status.DONE, candidate=version, completed_at=timezone.now())
    training_sweeping.sweep()
    assert asked == [version]


def test_a_broken_snapshot_is_not_compared_on(empty_queue: None, monkeypatch):
    asked: list[object] = []
    monkeypatch.setattr(
        "detection.services.comparisons.order", lambda *args, **_: asked.append(args)
    )
    version = ModelVersion.objects.create(name="desk", version="1", artifact_sha256="a" * 64)
    run = run_row(status=Status.DONE, candidate=version, completed_at=timezone.now())
    break_snapshot(run.snapshot)
    training_sweeping.sweep()
    assert asked == []


def test_of_a_run_that_was_called_off_its_log_alone_stays(
    dora: User, django_capture_on_commit_callbacks: Any
):
    run = run_row()
    folder = storage.training_dir(run.pk)
    (folder / "cache").mkdir(parents=True)
    (folder / "log.txt").write_text("epoch 1/2: loss 0.4\n")
    with django_capture_on_commit_callbacks(execute=True):
        training.cancel(run, by=dora)
    assert [path.name for path in folder.glob("*")] == ["log.txt"]


# --- words


@pytest.mark.parametrize("error", [RunError, DatasetError])
def test_every_failure_of_ml_has_a_sentence(error: Any):
    assert {*FAILURES} >= error.CODES - {"run_busy"}


def test_codes_fit_their_columns():
    longest = TrainingRun._meta.get_field("failure_code").max_length or 0
    assert all(len(code) <= longest for code in FAILURES)
    stage = TrainingRun._meta.get_field("stage").max_length or 0
    assert all(len(name) <= stage for name in STAGES)


def test_every_refusal_is_a_sentence():
    assert all(str(sentence).endswith(".") for _status, sentence in REFUSALS.values())
    assert stage_words("epoch 2/3") == "learns, epoch 2 of 3"


@pytest.mark.parametrize("give_back", [TrainingRun.release, TrainingRun.give_up_attempt])
def test_one_called_off_while_its_process_stopped_or_was_killed_ends(dora: User, give_back: Any):
    run = order()
    claim = TrainingRun.objects.claim(run.pk, worker="elsewhere:1:1")
    training.cancel(run, by=dora)
    assert claim is not None
    assert give_back(claim)
    assert TrainingRun.objects.claim(run.pk, worker="elsewhere:1:1") is None
    training_sweeping.sweep()
    assert ended(run).status == Status.CANCELLED
    assert len(events("cancelled")) == 1
    order()
