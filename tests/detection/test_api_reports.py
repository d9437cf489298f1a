"""Reports for machines."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from client import report_file
from deepfake_site.rate_limits import Limit
from detection import storage
from detection.models import Detection, ModelVersion, Report, ReportKey
from detection.services import reports
from tests.factories import detection_row, done_row, report_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def detection(alice: User, model_version: ModelVersion) -> Detection:
    return done_row(alice, model_version)


@pytest.fixture
def machine(alice: User, key_of: Callable[..., str]) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def _make(machine: Client, detection: Detection, body: dict[str, Any] | None = None) -> Any:
    address = f"/api/v1/detections/{detection.pk}/reports"
    return machine.post(address, body or {}, content_type="application/json")


def test_a_report_is_made_found_and_fetched(machine, detection):
    made = _make(machine, detection, {"language": "ar", "recipient": "The court"})
    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["language"], body["recipient"]) == ("current", "ar", "The court")
    assert made["Location"] == body["links"]["status"]
    listed = machine.get(f"/api/v1/detections/{detection.pk}/reports").json()["results"]
    assert listed == [body]
    read = machine.get(f"/api/v1/detections/{detection.pk}").json()
    assert read["links"]["report"] == body["links"]["pdf"]
    file = machine.get(body["links"]["pdf"])
    assert file["Content-Type"] == "application/pdf"
    assert report_file.check(file.content, ()).sha256 == body["pdf_sha256"]


def test_the_link_of_a_detection_is_null_without_a_report_that_stands(machine, detection, alice):
    address = f"/api/v1/detections/{detection.pk}"
    assert machine.get(address).json()["links"]["report"] is None
    report_row(detection, alice, revoked_at=timezone.now())
    assert machine.get(address).json()["links"]["report"] is None
    assert machine.get("/api/v1/detections").json()["results"][0]["links"]["report"] is None


@pytest.mark.parametrize(
    "body", [{"language": "xx"}, {"recipient": "x" * 201}, {"is_named": "perhaps"}, {"x": 1}]
)
def test_what_it_does_not_understand_is_400(machine, detection, body):
    assert _make(machine, detection, body).status_code == 400


def test_without_a_verdict_it_is_409(machine, alice, model_version):
    answer = _make(machine, detection_row(alice, model_version))
    assert (answer.status_code, answer.json()["code"]) == (409, "no_verdict_to_report")


def test_too_many_in_a_minute_are_429(machine, detection, monkeypatch):
    monkeypatch.setattr(reports, "ISSUED_BY_ONE", Limit(1, 60))
    answers = [_make(machine, detection) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 429]
    assert answers[1]["Retry-After"]


def test_a_key_that_only_reads_makes_none(alice, key_of, detection):
    reader = Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:read')}"})
    assert _make(reader, detection).status_code == 403


def test_a_key_without_the_scope_reads_none(alice, key_of, detection):
    report = report_row(detection, alice)
    other = Client(headers={"Authorization": f"Bearer {key_of(alice, 'models:read')}"})
    assert other.get(f"/api/v1/reports/{report.pk}").status_code == 404
    assert other.get(f"/api/v1/reports/{report.pk}/pdf").status_code == 403


def test_a_stranger_finds_none(bob, key_of, detection, alice):
    report = report_row(detection, alice)
    stranger = Client(headers={"Authorization": f"Bearer {key_of(bob)}"})
    for part in ("", "/pdf", "/json"):
        assert stranger.get(f"/api/v1/reports/{report.pk}{part}").status_code == 404
    assert stranger.post(f"/api/v1/reports/{report.pk}/revoke").status_code == 404


def test_whoever_holds_the_file_asks_what_became_of_it(client, detection, alice):
    report = report_row(detection, alice, recipient="The court")
    address = f"/api/v1/reports/{report.pk}"
    for sha256 in (report.pdf_sha256, report.json_sha256):
        answer = client.get(address, {"sha256": sha256})
        assert answer.json()["state"] == "current"
        assert "court" not in answer.content.decode()
    for sha256 in ("", "0" * 64):
        assert client.get(address, {"sha256": sha256}).status_code == 404


def test_revoking_is_for_good(machine, detection, alice, client):
    report = report_row(detection, alice)
    for _ in range(2):
        answer = machine.post(f"/api/v1/reports/{report.pk}/revoke")
        assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    status = client.get(f"/api/v1/reports/{report.pk}", {"sha256": report.pdf_sha256})
    assert status.json()["state"] == "revoked"


def test_the_public_keys_are_everybodys(client, detection, alice):
    report = report_row(detection, alice)
    [key] = client.get("/api/v1/reports/keys").json()["keys"]
    assert key["id"] == report.key_id == report_file.key_id(key["public_key"])
    assert ReportKey.objects.get().public_key == key["public_key"]


def test_files_that_were_removed_are_410(machine, detection, alice):
    report = report_row(detection, alice)
    storage.drop_report(detection.image_id, report.pk)
    Report.objects.update(removed_at=timezone.now())
    answer = machine.get(f"/api/v1/reports/{report.pk}/pdf")
    assert (answer.status_code, answer.json()["code"]) == (410, "report_removed")
