"""A training that starts by itself: enough new reviewed labels, and not too often."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection.models import (
    LabelledImage,
    ModelVersion,
    Snapshot,
    TrainingRun,
    TrainingSchedule,
)
from detection.services import training_schedule
from tests.detection.training_data import dataset_row, labelled_row, run_row, snapshot_row

pytestmark = pytest.mark.django_db
TERMS: dict[str, Any] = {
    "is_on": True,
    "new_labels": 3,
    "days_between": 7,
    "config": "desk_small",
    "epochs": 4,
    "start": TrainingRun.Start.SCRATCH,
}


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Names of the data sets of every snapshot that was frozen."""
    asked: list[list[str]] = []

    def freeze(datasets: list[Any], *, name: str, by: User | None) -> Snapshot:
        asked.append([one.name for one in datasets])
        return snapshot_row()

    monkeypatch.setattr("detection.services.snapshots.freeze", freeze)
    return asked


@pytest.fixture
def reviews() -> Any:
    return dataset_row("reviews", is_of_reviews=True)


def switch_on(by: User, **terms: Any) -> TrainingSchedule:
    return training_schedule.change(by=by, datasets=[], **{**TERMS, **terms})


def label(reviews: Any, count: int, **fields: Any) -> None:
    there = reviews.images.count()
    for at in range(there, there + count):
        labelled_row(reviews, at, **fields)


def test_it_is_off_until_somebody_switches_it_on(reviews: Any):
    label(reviews, 5)
    assert training_schedule.start_if_due() is None


def test_enough_new_reviewed_labels_start_a_run(dora: User, reviews: Any, frozen: list[Any]):
    switch_on(dora)
    label(reviews, 2)
    assert training_schedule.start_if_due() is None
    label(reviews, 1)
    run = training_schedule.start_if_due()
    assert run is not None
    assert (run.via, run.by, run.epochs) == (TrainingRun.Via.SCHEDULE, None, 4)
    assert frozen == [["reviews"]]


def test_imported_labels_and_withdrawn_ones_do_not_count(dora: User, reviews: Any):
    switch_on(dora)
    for at in range(9):
        labelled_row(dataset_row(f"imported {at}"), at)
    label(reviews, 3, removed_at=timezone.now())
    assert training_schedule.start_if_due() is None


def test_it_starts_the_chosen_data_sets_alone(dora: User, reviews: Any, frozen: list[Any]):
    chosen = dataset_row("archive")
    dataset_row("another")
    training_schedule.change(by=dora, datasets=[chosen, reviews], **TERMS)
    label(reviews, 3)
    training_schedule.start_if_due()
    assert [sorted(names) for names in frozen] == [["archive", "reviews"]]


def test_another_run_within_the_days_keeps_it_waiting(dora: User, reviews: Any):
    switch_on(dora)
    label(reviews, 3)
    recent = run_row(status=TrainingRun.Status.FAILED, failure_code="training_crashed")
    assert training_schedule.start_if_due() is None
    week = timedelta(days=7, minutes=1)
    TrainingRun.objects.filter(pk=recent.pk).update(created_at=timezone.now() - week)
    assert training_schedule.start_if_due() is not None


def test_labels_that_a_finished_run_learnt_from_are_not_new(dora: User, reviews: Any):
    row = switch_on(dora)
    label(reviews, 3)
    version = ModelVersion.objects.create(name="desk", version="1", artifact_sha256="a" * 64)
    run = run_row(status=TrainingRun.Status.DONE, candidate=version)
    # it learnt from another dataset
    assert training_schedule.state(row).new_labels == 3
    run.snapshot.images.set(LabelledImage.objects.all()[:2])
    assert training_schedule.state(row).new_labels == 1


def test_what_hinders_a_scheduled_run_is_logged_and_tried_again(
    dora: User, reviews: Any, caplog: pytest.LogCaptureFixture
):
    switch_on(dora, start=TrainingRun.Start.ACTIVE)
    label(reviews, 3)
    assert training_schedule.start_if_due() is None
    assert "no_active_model" in caplog.text
    assert TrainingRun.objects.count() == 0


def test_a_change_is_recorded_with_both_states(dora: User):
    switch_on(dora)
    switch_on(dora, new_labels=50)
    event = AuditEvent.objects.filter(action="training_schedule.changed").latest("seq")
    assert event.actor_id == dora.pk
    assert '"new_labels":3' in event.change
    assert '"new_labels":50' in event.change
    assert TrainingSchedule.objects.count() == 1
