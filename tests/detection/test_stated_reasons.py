"""A verdict between the cuts has a code for machines, and the row stays as it was judged."""

import json

import pytest
from django.utils.translation import override

from accounts.models import User
from detection.models import Detection, WebhookDelivery
from detection.presentation import verdict_card
from detection.services import reports
from detection.services.webhooks import add_endpoint
from detection.words import BETWEEN_THRESHOLDS, reason_sentence
from tests.factories import WORKER, detection_row, done_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def between(alice: User, model_version) -> Detection:
    return done_row(alice, model_version, verdict="inconclusive", probability=0.5, reasons=[])


def test_an_answer_says_it_and_the_row_does_not(api, between):
    answer = api.get(f"/api/v1/detections/{between.pk}").json()
    assert answer["reasons"] == ["between_thresholds"]
    between.refresh_from_db()
    assert between.reasons == []


def test_another_reason_stands_alone(api, alice, model_version):
    row = done_row(alice, model_version, verdict="inconclusive", reasons=["unstable"])
    assert api.get(f"/api/v1/detections/{row.pk}").json()["reasons"] == ["unstable"]


def test_a_decided_verdict_has_none(api, alice, model_version):
    row = done_row(alice, model_version, verdict="likely_authentic", probability=0.1)
    assert api.get(f"/api/v1/detections/{row.pk}").json()["reasons"] == []


def test_what_waits_has_none(api, alice, model_version):
    row = detection_row(alice, model_version)
    assert api.get(f"/api/v1/detections/{row.pk}").json()["reasons"] == []


def test_a_webhook_says_it(alice, model_version):
    add_endpoint(by=alice, url="https://192.0.2.1/hook", events=["detection.completed"])
    row = detection_row(alice, model_version)
    claimed = Detection.objects.claim(row.pk, worker=WORKER)
    assert claimed.complete(probability=0.5, verdict="inconclusive", reasons=[])
    told = json.loads(WebhookDelivery.objects.get().payload)
    assert told["data"]["reasons"] == ["between_thresholds"]


def test_a_report_says_it_to_machines(alice, between):
    report = reports.issue(by=alice, detection=between, language="en", has_pictures=False)
    facts = json.loads(reports.file_of(report, ".json"))["report"]["facts"]
    assert facts["reasons"] == ["between_thresholds"]


@pytest.mark.parametrize("language", ["en", "ar"])
def test_page_and_code_have_the_same_words(between, language):
    with override(language):
        assert verdict_card(between).reasons[0] == reason_sentence(BETWEEN_THRESHOLDS)
