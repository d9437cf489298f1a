"""Alive, and able to work: what an operator's machine is told."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from detection.models import ModelVersion
from detection.services import readiness
from tests.factories import detection_row, done_row


def test_alive_needs_no_database(client):
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_with_a_model_and_nothing_waiting(client, model_version):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "ready"


def test_not_ready_without_a_model(client, db):
    response = client.get("/readyz")
    assert (response.status_code, response.json()["model"]) == (503, "none")


@pytest.mark.parametrize(("age_s", "status"), [(30, 200), (90, 503)])
def test_not_ready_when_work_piles_up(client, alice, model_version, age_s, status):
    since = timezone.now() - timedelta(seconds=age_s)
    detection_row(alice, model_version, queued_at=since)
    response = client.get("/readyz")
    assert response.status_code == status
    assert response.json()["stalled_s"] == pytest.approx(age_s, abs=10)


def test_old_finished_work_does_not_matter(client, alice, model_version):
    done_row(alice, model_version, created_at=timezone.now() - timedelta(days=9))
    assert client.get("/readyz").status_code == 200


def test_not_ready_without_a_database(client, monkeypatch, db):
    def away() -> float:
        raise OperationalError("gone")

    monkeypatch.setattr(readiness, "stalled_s", away)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["database"]) == (503, "away")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_tells_nothing_about_people_or_versions(client, model_version, path):
    text = client.get(path).content.decode()
    assert not [word for word in ("django", "python", "@", "sha256") if word in text.lower()]


def test_not_ready_when_the_disk_is_full(client, model_version, settings):
    settings.MAX_UPLOAD_BYTES = 2**62
    response = client.get("/readyz")
    assert (response.status_code, response.json()["storage"]) == (503, "full")


def test_a_desk_whose_model_is_damaged_is_not_ready(client, model_version):
    ModelVersion.objects.update(damaged_at=timezone.now())
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["model"]) == (503, "damaged")
