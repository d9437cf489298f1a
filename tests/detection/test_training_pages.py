"""The pages of training: for administrators, without JavaScript, in both languages."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import storage
from detection.models import ModelVersion, Snapshot, TrainingRun, TrainingSchedule
from detection.training_presentation import charts
from tests.detection.training_data import dataset_row, ended, run_row, snapshot_row

pytestmark = pytest.mark.django_db
Status = TrainingRun.Status


@pytest.fixture
def browser(dora: User, client_of: Any) -> Client:
    client: Client = client_of(dora)
    return client


def form(snapshot: Snapshot | None = None, **fields: Any) -> dict[str, Any]:
    given = {"config": "desk_small", "start": "scratch", "seed": "1", "epochs": "", "note": ""}
    return {**given, "snapshot": str(snapshot.pk) if snapshot else "", **fields}


def page(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_order_from_the_page_makes_a_run_of_its_writer(browser: Client, dora: User):
    answer = browser.post("/training", form(snapshot_row(), epochs="3", note="why"))
    run = TrainingRun.objects.get()
    assert answer["Location"] == f"/training/{run.pk}"
    assert (run.by, run.via, run.epochs, run.note) == (dora, "page", 3, "why")


def test_a_second_order_leads_to_the_first_and_says_so(browser: Client):
    first, snapshot = run_row(), snapshot_row()
    answer = browser.post("/training", form(snapshot), follow=True)
    assert answer.redirect_chain == [(f"/training/{first.pk}", 302)]
    assert "No other was started" in answer.content.decode()
    assert TrainingRun.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({}, 400, "Choose a snapshot, or data sets"),
        ({"config": "lite_full"}, 400, "not one of the available choices"),
        ({"epochs": "25", "config": "desk_lite"}, 400, "20 epochs at most"),
        ({"epochs": "0"}, 400, "greater than or equal to 1"),
        ({"seed": "-1"}, 400, "greater than or equal to 0"),
    ],
)
def test_a_form_says_what_is_wrong_with_it(browser: Client, fields, status, sentence):
    answer = browser.post("/training", form(**fields))
    assert answer.status_code == status
    assert sentence in answer.content.decode()
    assert TrainingRun.objects.count() == 0


def test_what_the_desk_refuses_stands_above_the_form(browser: Client):
    answer = browser.post("/training", form(snapshot_row({"train": 9, "val": 9, "test": 9})))
    assert answer.status_code == 422
    assert "too few images to learn from" in answer.content.decode()


def test_a_broken_snapshot_is_not_offered(browser: Client):
    snapshot_row(name="whole one")
    snapshot_row(name="broken one", broken_at=timezone.now())
    text = page(browser, "/training")
    assert "whole one" in text
    assert "broken one" not in text


def test_an_empty_desk_says_what_to_do_first(browser: Client):
    assert "Nothing was trained here yet" in page(browser, "/training")


def test_many_runs_come_in_pages_with_few_queries(
    browser: Client, dora: User, django_assert_max_num_queries: Any
):
    snapshot = snapshot_row()
    for _ in range(40):
        run_row(snapshot, status=Status.CANCELLED, by=dora)
    with django_assert_max_num_queries(22):
        text = page(browser, "/training")
    assert text.count('class="run-row"') == 30
    assert page(browser, "/training?page=2").count('class="run-row"') == 10


def test_it_warns_that_the_shipped_models_data_are_not_here(
    browser: Client, model_version: ModelVersion
):
    from detection import detector

    assert "it may forget them" not in page(browser, "/training")
    ModelVersion.objects.update(artifact_sha256=detector.shipped_default()[1])
    text = page(browser, "/training")
    assert "it may forget them" in text
    assert "photoshop" in text


def test_the_page_of_a_run_says_how_far_it_is(browser: Client):
    run = run_row(
        status=Status.RUNNING,
        stage="epoch 2/2",
        done=30,
        total=60,
        started_at=timezone.now(),
        expected_end_at=timezone.now() + timezone.timedelta(minutes=40),
        history=[{"epoch": 1, "loss": 0.6, "val_loss": 0.7, "accuracy": 0.6, "val_accuracy": 0.5}],
    )
    text = page(browser, f"/training/{run.pk}")
    assert "learns, epoch 2 of 2" in text
    assert 'value="50"' in text
    assert "about 40 minutes of learning are left" in text
    assert text.count("<polyline") == 4
    assert "Call it off" in text
    card = page(browser, f"/training/{run.pk}/card")
    assert "<html" not in card
    assert 'data-finished="no"' in card


def test_a_failed_run_says_why_in_a_sentence(browser: Client):
    run = run_row(status=Status.FAILED, failure_code="snapshot_broken")
    text = page(browser, f"/training/{run.pk}")
    assert "was withdrawn or erased while it ran" in text
    assert "Call it off" not in text
    assert 'data-finished="yes"' in text


def test_the_log_is_shown_as_text_and_without_paths(browser: Client, data_dir):
    run = run_row(status=Status.CANCELLED)
    folder = storage.training_dir(run.pk)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text(f"<script>alert(1)</script>\n{data_dir}/originals/ab: broken\n")
    text = page(browser, f"/training/{run.pk}")
    assert "&lt;script&gt;" in text
    assert "…/originals/ab: broken" in text
    assert str(data_dir) not in text


def test_a_run_is_called_off_by_a_button(browser: Client, dora: User):
    run = run_row()
    answer = browser.post(f"/training/{run.pk}/cancel", follow=True)
    assert "Called off" in answer.content.decode()
    assert ended(run).status == Status.CANCELLED
    again = browser.post(f"/training/{run.pk}/cancel", follow=True)
    assert "This training has ended." in again.content.decode()
    assert AuditEvent.objects.filter(action="training_run.cancelled").count() == 1


def test_the_same_again_fills_the_form(browser: Client):
    run = run_row(status=Status.CANCELLED, config="paper_cnn", epochs=17, seed=23, note="try")
    text = page(browser, f"/training?like={run.pk}")
    assert 'value="17"' in text
    assert 'value="23"' in text
    assert '<option value="paper_cnn" selected>' in text
    assert f'<option value="{run.snapshot.pk}" selected>' in text


@pytest.mark.parametrize("like", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_the_same_as_nothing_is_an_empty_form(browser: Client, like: str):
    assert '<option value="active" selected>' in page(browser, f"/training?like={like}")


def test_the_schedule_is_saved_and_shown(browser: Client):
    chosen = dataset_row("archive")
    terms = {"is_on": "on", "new_labels": "200", "days_between": "7", "config": "desk_lite"}
    terms |= {"start": "active", "epochs": "3", "datasets": [str(chosen.pk)]}
    answer = browser.post("/training/schedule", terms)
    assert answer.status_code == 302
    row = TrainingSchedule.objects.get()
    assert (row.is_on, row.new_labels, list(row.datasets.all())) == (True, 200, [chosen])
    assert "checked" in page(browser, "/training/schedule")
    assert "One starts by itself after 200 new reviewed labels" in page(browser, "/training")


def test_a_wrong_schedule_changes_nothing(browser: Client):
    answer = browser.post("/training/schedule", {"is_on": "on", "new_labels": "0"})
    assert answer.status_code == 400
    assert TrainingSchedule.objects.count() == 0


@pytest.mark.parametrize("path", ["/training", "/training/schedule"])
def test_others_learn_of_nothing(client_of: Any, alice: User, carol: User, path: str):
    for person in (alice, carol):
        assert client_of(person).get(path).status_code == 404


def test_curves_stay_inside_their_chart_and_few_whatever_their_number():
    history = [
        {"epoch": at, "loss": 9.0 / at, "val_loss": 1e9, "accuracy": 1.0, "val_accuracy": 0.0}
        for at in range(1, 2001)
    ]
    for chart in charts(history):
        for line in chart.lines:
            places = [tuple(map(float, place.split(","))) for place in line.points.split()]
            assert len(places) <= 401
            assert all(34 <= x <= 312 and 8 <= y <= 128 for x, y in places)
    assert charts([]) == []
