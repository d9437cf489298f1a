"""Comparing, promoting, going back and judging again, for machines."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from detection.models import (
    Activation,
    Comparison,
    Detection,
    Image,
    ModelVersion,
    Rejudging,
    Snapshot,
)
from detection.services import registry
from ml.comparison import compare
from tests.factories import done_row
from tests.ml.test_comparison import right

pytestmark = pytest.mark.django_db
API = "/api/v1/models"
TOO_FEW = {"code": "not_enough_to_tell", "figure": "false_accusations", "n": 3, "needed": 150}


@pytest.fixture(autouse=True)
def _files_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detection.detector.prove", lambda version: None)


@pytest.fixture
def candidate(model_version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.create(
        name="new", version="2", artifact_sha256="e" * 64, operating_point={}
    )


@pytest.fixture
def snapshot(db: None) -> Snapshot:
    return Snapshot.objects.create(name="first", sha256="a" * 64)


@pytest.fixture
def done(candidate: ModelVersion, model_version: ModelVersion, snapshot: Snapshot) -> Comparison:
    return Comparison.objects.create(
        candidate=candidate,
        against=model_version,
        snapshot=snapshot,
        status="done",
        figures=compare(right(3)),
        obstacles=[TOO_FEW],
    )


@pytest.fixture
def ask(key_of: Callable[..., str]) -> Callable[..., Any]:
    """One request with a key of this person's."""

    def send(person: User, method: str, path: str, body: Any = None, *scopes: str) -> Any:
        client = Client(headers={"Authorization": f"Bearer {key_of(person, *scopes)}"})
        options = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(client, method)(path, **options)

    return send


def test_a_comparison_is_ordered_and_read(ask, dora, candidate, snapshot, bells):
    path = f"{API}/{candidate.pk}/compare"
    answer = ask(dora, "post", path, {"snapshot": str(snapshot.pk)})
    assert answer.status_code == 202
    body = ask(dora, "get", answer.headers["Location"]).json()
    assert (body["status"], body["gate"], body["failure"]) == ("queued", None, None)
    assert [one["id"] for one in ask(dora, "get", path).json()["results"]] == [body["id"]]


def test_it_says_what_the_gate_found(ask, carol, done):
    body = ask(carol, "get", f"{API}/{done.candidate_id}/compare/{done.pk}").json()
    assert body["gate"] == "shut"
    [one] = body["obstacles"]
    assert (one["code"], one["figures"]["needed"]) == ("not_enough_to_tell", 150)
    assert one["detail"].startswith("Too few reals")
    assert body["figures"]["sources"]["all"]["n"] == 6


def test_what_one_may_not_see_is_counted_alone(ask, carol, alice, done):
    row = done_row(alice, done.against)
    Image.objects.update(is_confidential=True)
    change = {"detection": str(row.pk), "before": "inconclusive", "after": "likely_authentic"}
    Comparison.objects.update(changed=[change])
    body = ask(carol, "get", f"{API}/{done.candidate_id}/compare/{done.pk}").json()
    assert (body["changed"], body["changed_hidden"]) == ([], 1)


def test_promoting_and_going_back(ask, dora, done, model_version):
    Activation.objects.create(version=model_version, kind="first")
    body = {"comparison": str(done.pk), "reason": "Better."}
    path = f"{API}/{done.candidate_id}/promote"
    refused = ask(dora, "post", path, body)
    assert (refused.status_code, refused.json()["code"]) == (409, "gate_shut")
    made = ask(dora, "post", path, {**body, "overrule": True}).json()
    assert (made["kind"], made["model"]["version"]) == ("promoted", "2")
    assert ModelVersion.objects.active() == done.candidate
    back = ask(dora, "post", f"{API}/roll-back", {"reason": "Worse."}).json()
    assert (back["kind"], back["model"]["version"]) == ("rolled_back", "1")
    kinds = [one["kind"] for one in ask(dora, "get", f"{API}/activations").json()["results"]]
    assert kinds == ["rolled_back", "promoted", "first"]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"reasn": "x"}])
def test_a_reason_is_asked_for(ask, dora, model_version, body):
    assert ask(dora, "post", f"{API}/roll-back", body).status_code == 400


@pytest.mark.parametrize("path", ["roll-back", "judge-again"])
def test_a_session_or_a_reading_key_is_not_enough(ask, client_of, dora, model_version, path):
    body = {"reason": "x"} if path == "roll-back" else {}
    browser = client_of(dora)
    answer = browser.post(f"{API}/{path}", body, content_type="application/json")
    assert answer.status_code == 403
    assert ask(dora, "post", f"{API}/{path}", body, "models:read").status_code == 403


def test_a_moderators_key_changes_nothing(ask, carol, done):
    body = {"comparison": str(done.pk), "reason": "x", "overrule": True}
    assert ask(carol, "post", f"{API}/{done.candidate_id}/promote", body).status_code == 404
    assert not Activation.objects.exists()


def test_models_say_their_id_and_their_damage(ask, alice, model_version):
    ModelVersion.objects.update(damaged_at=timezone.now())
    [body] = ask(alice, "get", API).json()["results"]
    assert body["id"] == str(model_version.pk)
    assert body["damaged_at"] is not None


def test_one_image_is_judged_again(ask, alice, bob, model_version, candidate):
    row = done_row(alice, model_version)
    path = f"/api/v1/detections/{row.pk}/judge-again"
    assert ask(alice, "post", path).json()["code"] == "judged_by_newest"
    registry.activate(candidate, by=None)
    assert ask(bob, "post", path).status_code == 404
    answer = ask(alice, "post", path)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["judged_before"], body["model"]["version"]) == (str(row.pk), "2")
    assert ask(alice, "post", path).json()["id"] == body["id"]
    assert ask(alice, "get", f"/api/v1/detections/{row.pk}").json()["judged_before"] is None


def test_all_are_judged_again_with_progress(ask, alice, dora, model_version, candidate):
    done_row(alice, model_version)
    registry.activate(candidate, by=None)
    answer = ask(dora, "post", f"{API}/judge-again", {"since": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 202
    body = ask(dora, "get", answer.headers["Location"]).json()
    assert (body["total"], body["done"], body["ended"]) == (1, 0, None)
    ended = ask(dora, "post", f"{API}/judge-again/{body['id']}/cancel").json()
    assert (ended["status"], ended["ended"]) == ("done", "cancelled")
    assert not Detection.objects.filter(model_version=candidate).exists()
    assert Rejudging.objects.get().api_key is not None
