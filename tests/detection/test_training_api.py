"""Training runs for machines: administrators' alone, with scopes of their own."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from detection.models import TrainingRun
from tests.detection.training_data import ended, run_row, snapshot_row

pytestmark = pytest.mark.django_db
PATH = "/api/v1/training-runs"
Ask = Callable[..., Any]


@pytest.fixture
def ask_as(key_of: Callable[..., str]) -> Callable[..., Ask]:
    def of(person: User, *scopes: str) -> Ask:
        client = Client(headers={"Authorization": f"Bearer {key_of(person, *scopes)}"})

        def send(method: str, path: str, body: Any = None) -> Any:
            data = "" if body is None else json.dumps(body)
            return client.generic(method, path, data, "application/json")

        return send

    return of


@pytest.fixture
def ask(ask_as: Callable[..., Ask], dora: User) -> Ask:
    return ask_as(dora, "models:read", "models:write")


def test_an_order_is_accepted_and_can_be_read(ask: Ask, dora: User):
    snapshot = snapshot_row()
    body = {"config": "desk_small", "start": "scratch", "snapshot": str(snapshot.pk), "epochs": 3}
    answer = ask("POST", PATH, body)
    assert answer.status_code == 202
    told = answer.json()
    assert told["snapshot"] == {
        "id": str(snapshot.pk),
        "sha256": snapshot.sha256,
        "is_whole": True,
    }
    assert (told["status"], told["via"], told["epochs"]) == ("queued", "api", 3)
    assert answer["Location"].endswith(f"{PATH}/{told['id']}")
    run = TrainingRun.objects.get()
    assert run.by == dora
    assert run.api_key is not None
    assert ask("GET", f"{PATH}/{run.pk}").json() == told


def test_a_second_order_names_the_first(ask: Ask):
    first = run_row()
    body = {"config": "desk_small", "start": "scratch", "snapshot": str(snapshot_row().pk)}
    answer = ask("POST", PATH, body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_training")
    assert str(first.pk) in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "config"),
        ({"config": "lite_full"}, "config"),
        ({"config": "desk_small", "epochs": 0}, "epochs"),
        ({"config": "desk_small", "epoch": 3}, "epoch"),
        ({"config": "desk_small", "snapshot": "nonsense"}, "snapshot"),
    ],
)
def test_a_malformed_order_names_its_fields(ask: Ask, body: dict[str, Any], field: str):
    answer = ask("POST", PATH, body)
    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.json()["errors"]}


def test_what_cannot_be_trained_is_refused_with_a_code(ask: Ask):
    body = {"config": "desk_small", "start": "scratch"}
    assert ask("POST", PATH, body).json()["code"] == "nothing_to_train_on"
    few = snapshot_row({"train": 5, "val": 5, "test": 5})
    answer = ask("POST", PATH, {**body, "snapshot": str(few.pk)})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_to_validate")


def test_runs_come_in_pages_newest_first(ask: Ask):
    snapshot = snapshot_row()
    made = [run_row(snapshot, status="cancelled") for _ in range(52)]
    first = ask("GET", PATH).json()
    second = ask("GET", f"{PATH}?cursor={first['next']}").json()
    shown = [row["id"] for row in first["results"] + second["results"]]
    assert (len(first["results"]), second["next"]) == (50, None)
    assert sorted(shown) == sorted(str(row.pk) for row in made)
    assert ask("GET", f"{PATH}?cursor=nonsense").status_code == 400


def test_a_failure_has_code_and_sentence(ask: Ask):
    run = run_row(status="failed", failure_code="too_few_images")
    failure = ask("GET", f"{PATH}/{run.pk}").json()["failure"]
    assert failure["code"] == "too_few_images"
    assert "too few" in failure["detail"]


def test_a_run_is_called_off(ask: Ask):
    run = run_row()
    answer = ask("POST", f"{PATH}/{run.pk}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    again = ask("POST", f"{PATH}/{run.pk}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "training_ended")


def test_reading_and_writing_take_scopes_of_their_own(ask_as: Callable[..., Ask], dora: User):
    run, reader, writer = run_row(), ask_as(dora, "models:read"), ask_as(dora, "models:write")
    assert reader("GET", f"{PATH}/{run.pk}").status_code == 200
    assert reader("POST", f"{PATH}/{run.pk}/cancel").status_code == 403
    assert writer("GET", PATH).status_code == 403
    assert ended(run).status == TrainingRun.Status.QUEUED


def test_to_others_there_is_nothing(ask_as: Callable[..., Ask], alice: User, carol: User):
    run = run_row()
    for person in (alice, carol):
        ask = ask_as(person)
        for method, path in (("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/{run.pk}")):
            assert ask(method, path, {}).status_code == 404
        assert ask("POST", f"{PATH}/{run.pk}/cancel").status_code == 404
    assert ended(run).status == TrainingRun.Status.QUEUED
