"""The page and the API of a model that judges silently."""

from datetime import timedelta

import pytest
from django.utils import timezone

from detection.models import ModelVersion, ShadowJudgement
from detection.services import shadowing
from tests.factories import done_row, image_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def candidate(model_version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.create(
        name="fake", version="2", architecture="none", artifact_sha256="e" * 64
    )


@pytest.fixture
def page(candidate: ModelVersion) -> str:
    return f"/models/{candidate.pk}/shadow"


def shadow(detection, candidate, **fields):
    defaults = {"status": "done", "verdict": "inconclusive", "probability": 0.5}
    return ShadowJudgement.objects.create(
        detection=detection, version=candidate, **(defaults | fields)
    )


def test_reviewers_read_and_administrators_act(client_of, alice, carol, dora, page, candidate):
    assert client_of(alice).get(page).status_code == 404
    assert '<form method="post" action="/models' not in client_of(carol).get(page).content.decode()
    assert client_of(carol).post(f"{page}/start", {"days": 7, "percent": 25}).status_code == 404
    client_of(dora).post(f"{page}/start", {"days": 7, "percent": 25})
    candidate.refresh_from_db()
    assert candidate.is_shadow
    assert candidate.shadow_share == 0.25
    assert client_of(carol).post(f"{page}/stop").status_code == 404
    client_of(dora).post(f"{page}/stop")
    assert ModelVersion.objects.shadow() is None


@pytest.mark.parametrize("data", [{}, {"days": 29, "percent": 1}, {"days": 1, "percent": 0}])
def test_bad_bounds_are_said_on_the_page(client_of, dora, page, data):
    answer = client_of(dora).post(f"{page}/start", data)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()


def test_refusals_are_said_on_the_page(client_of, dora, page, model_version):
    client = client_of(dora)
    path = f"/models/{model_version.pk}/shadow/start"
    answer = client.post(path, {"days": 7, "percent": 25}, follow=True)
    assert "judges already" in answer.content.decode()
    assert "does not judge silently" in client.post(f"{page}/stop", follow=True).content.decode()


def test_it_says_what_would_change_and_links_it(client_of, alice, carol, dora, page, candidate):
    active = ModelVersion.objects.active()
    plain = done_row(alice, active)
    secret = done_row(alice, active, image=image_row(alice, is_confidential=True))
    shadowing.start(candidate, by=dora, until=timezone.now() + timedelta(days=1), share=1)
    for row in (plain, secret):
        shadow(row, candidate)
    text = client_of(carol).get(page).content.decode()
    assert f"/detections/{plain.pk}" in text
    assert str(secret.pk) not in text
    assert "1 more is older, or of an image that is not yours to see" in text


def test_nobody_who_submits_sees_it(client_of, alice, candidate, dora):
    row = done_row(alice, ModelVersion.objects.active())
    shadowing.start(candidate, by=dora, until=timezone.now() + timedelta(days=1), share=1)
    client = client_of(alice)
    paths = ("/history", f"/detections/{row.pk}", f"/api/v1/detections/{row.pk}")
    before = [client.get(path).content.decode().count("annot tell") for path in paths]
    shadow(row, candidate)
    assert [client.get(path).content.decode().count("annot tell") for path in paths] == before
    assert "silently" not in client.get(f"/models/{candidate.pk}").content.decode()


# --- the API


def test_the_api_starts_reads_and_ends_it(client, dora, carol, alice, key_of, candidate):
    path = f"/api/v1/models/{candidate.pk}/shadow"

    def asks(person, *scopes):
        return {"Authorization": f"Bearer {key_of(person, *scopes)}"}

    def post(what, headers, **body):
        return client.post(f"{path}/{what}", body, headers=headers, content_type="application/json")

    until = (timezone.now() + timedelta(days=3)).isoformat()
    assert post("start", asks(carol), until=until).status_code == 404
    assert post("start", asks(dora, "models:read"), until=until).status_code == 403
    assert post("start", asks(dora), until=timezone.now().isoformat()).status_code == 400
    assert post("start", asks(dora), until=until, share=0).status_code == 400
    started = post("start", asks(dora), until=until, share=0.5)
    assert started.json()["is_running"]
    row = shadow(done_row(alice, ModelVersion.objects.active()), candidate)
    found = client.get(path, headers=asks(carol, "models:read")).json()
    assert found["changed"][0]["detection"] == str(row.detection_id)
    assert found["verdicts"] == [
        {"active": "likely_authentic", "shadow": "inconclusive", "count": 1}
    ]
    assert client.get(path, headers=asks(alice)).status_code == 404
    assert post("stop", asks(dora)).status_code == 204
    again = post("stop", asks(dora))
    assert (again.status_code, again.json()["code"]) == (409, "shadow_not_running")
