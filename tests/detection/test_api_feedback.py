"""Claims about verdicts, and what is said of models."""

import io
import json
import zipfile

import pytest
from django.test import Client

from accounts.erasure import erase_person
from accounts.models import AuditDetail, AuditEvent
from accounts.own_data import write_own_data
from accounts.trail import life_of
from detection.models import Feedback
from detection.services.erasure import erase_image
from tests.factories import detection_row, done_row

pytestmark = pytest.mark.usefixtures("model_version", "brought_to_desk")


@pytest.fixture
def api(alice, key_of):
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


@pytest.fixture
def judged(alice, model_version):
    return done_row(alice, model_version)


def _give(client, row, **fields):
    body = {"label": "real", "category": "false_positive", **fields}
    return client.post(
        f"/api/v1/detections/{row.pk}/feedback", body, content_type="application/json"
    )


def test_a_claim_is_kept_and_changes_nothing(api, alice, judged):
    answer = _give(api, judged, comment="I was there.")
    assert answer.status_code == 201
    assert answer.json()["category"] == "false_positive"
    row = Feedback.objects.get()
    assert (str(row.pk), row.by, row.detection, row.comment) == (
        answer.json()["id"],
        alice,
        judged,
        "I was there.",
    )
    assert row.api_key is not None
    judged.refresh_from_db()
    assert judged.verdict == "likely_authentic"
    event = AuditEvent.objects.get(action="feedback.given")
    assert "I was there." not in event.change


def test_the_same_claim_twice_is_two_unless_a_key_says_otherwise(api, judged):
    address = f"/api/v1/detections/{judged.pk}/feedback"
    body = {"label": "fake", "category": "confirmation"}
    for _ in range(2):
        api.post(address, body, headers={"Idempotency-Key": "f"}, content_type="application/json")
    assert Feedback.objects.count() == 1
    _give(api, judged)
    assert Feedback.objects.count() == 2


def test_there_is_nothing_to_say_before_the_verdict(api, alice, model_version):
    answer = _give(api, detection_row(alice, model_version))
    assert answer.status_code == 409
    assert answer.json()["code"] == "no_verdict_yet"
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": "maybe"}, "label"),
        ({"category": "wrong"}, "category"),
        ({"comment": "x" * 2001}, "comment"),
        ({"comment": "\x00"}, "comment"),
        ({"comment": "\ud800"}, "comment"),
        ({"label": "\ud800"}, "label"),
        ({"category": "\ud800"}, "category"),
        ({"\ud800": 1}, "\\ud800"),
        ({"rating": 5}, "rating"),
    ],
)
def test_what_it_does_not_know_is_named(api, judged, fields, field):
    answer = _give(api, judged, **fields)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Feedback.objects.exists()


def test_a_form_does_as_well(api, judged):
    address = f"/api/v1/detections/{judged.pk}/feedback"
    assert api.post(address, {"label": "real", "category": "other"}).status_code == 201


def test_a_strangers_verdict_cannot_be_talked_about(api, bob, model_version):
    assert _give(api, done_row(bob, model_version)).status_code == 404
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(("scope", "status"), [("feedback:write", 201), ("detections:write", 403)])
def test_it_takes_a_scope_of_its_own(alice, key_of, judged, scope, status):
    client = Client(headers={"Authorization": f"Bearer {key_of(alice, scope)}"})
    assert _give(client, judged).status_code == status


# --- what becomes of the words


def test_the_words_go_with_the_image(api, judged, alice):
    _give(api, judged, comment="planted marker")
    erase_image(by=alice, image=judged.image, reason="x")
    assert Feedback.objects.get().comment == ""
    assert not AuditDetail.objects.filter(body__contains="planted marker").exists()


def test_the_words_go_with_the_person_who_wrote_them(carol, key_of, dora, judged):
    client = Client(headers={"Authorization": f"Bearer {key_of(carol)}"})
    _give(client, judged, comment="planted marker")
    erase_person(by=dora, person=carol, reason="x")
    assert (Feedback.objects.get().comment, Feedback.objects.get().label) == ("", "real")
    assert not AuditDetail.objects.filter(body__contains="planted marker").exists()


def test_the_download_of_ones_own_data_holds_them(api, alice, judged):
    _give(api, judged, comment="I was there.")
    file = io.BytesIO()
    write_own_data(alice, file)
    with zipfile.ZipFile(file) as archive:
        (row,) = json.loads(archive.read("feedback.json"))
    assert (row["comment"], row["category"]) == ("I was there.", "false_positive")


def test_it_belongs_to_the_life_of_its_image(api, judged):
    _give(api, judged)
    actions = [event.action for event in life_of("image", str(judged.image_id))]
    assert "feedback.given" in actions


# --- models


def test_the_active_model_says_what_was_measured(api, model_version):
    body = api.get("/api/v1/models/active").json()
    assert body["artifact_sha256"] == model_version.artifact_sha256
    assert body["state"] == "active"
    assert body["operating_point"] == model_version.operating_point
    assert body["metrics"] == model_version.metrics


def test_every_version_is_listed(api, model_version):
    results = api.get("/api/v1/models").json()["results"]
    assert [row["version"] for row in results] == [model_version.version]


def test_without_a_model_there_is_none_to_show(api, model_version):
    model_version.delete()
    answer = api.get("/api/v1/models/active")
    assert answer.status_code == 503
    assert answer.json()["code"] == "no_active_model"


def test_models_take_a_scope_of_their_own(alice, key_of):
    client = Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:read')}"})
    assert client.get("/api/v1/models").status_code == 403
