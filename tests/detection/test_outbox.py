"""What is told of a detection's end: written with it, to everybody who wants to know, once."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone, translation

from accounts.models import AuditEvent, User
from detection.models import Detection, ModelVersion, Submission, WebhookDelivery, outbox
from detection.services import sweeping, webhooks
from detection.services.erasure import erase_image
from detection.services.waiting import retry_detection
from detection.tasks import run_detection
from tests.conftest import RESULT
from tests.factories import WORKER, detection_row, image_row, in_parallel, running_row, submitted
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db
URL = "https://cms.example.org/hooks"
CALLBACK = "https://cms.example.org/articles/7?token=planted0marker"
EVENTS = ["detection.completed", "detection.failed"]


def _endpoint(owner: User, *events: str, **more: Any) -> Any:
    return webhooks.add_endpoint(by=owner, url=URL, events=events or EVENTS, **more)[0]


def _submission(detection: Detection, **fields: Any) -> Submission:
    defaults = {"by": detection.image.owner, "via": "api"}
    return Submission.objects.create(
        image=detection.image, detection=detection, **(defaults | fields)
    )


def _told() -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in WebhookDelivery.objects.order_by("created_at")]


# --- endpoints


def test_a_verdict_is_told_to_the_owners_endpoints(alice, bob, model_version, settings):
    settings.UNMASK_ORIGIN = "https://unmask.example.org"
    mine, _others = _endpoint(alice), _endpoint(bob)
    row = running_row(alice, model_version)
    _submission(row, metadata={"article": 6}, created_at=timezone.now() - timedelta(days=1))
    _submission(row, metadata={"article": 7})
    row.complete(**RESULT)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.endpoint, delivery.url, delivery.status) == (mine, URL, "pending")
    assert row.deliveries_written == [delivery.pk]
    stored = Detection.objects.get()
    (body,) = _told()
    page = f"https://unmask.example.org/detections/{row.pk}"
    assert body == {
        "type": "detection.completed",
        "timestamp": stored.completed_at.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": str(row.pk),
            "status": "done",
            "verdict": "likely_manipulated",
            "probability": 0.93,
            "reasons": [],
            "failure": None,
            "image_sha256": row.image.sha256,
            "model": {"name": "fake", "version": "1", "artifact_sha256": "f" * 64},
            "links": {
                "page": page,
                "detection": f"https://unmask.example.org/api/v1/detections/{row.pk}",
            },
            "metadata": {"article": 7},
        },
    }


def test_a_failure_is_told_in_english_whoever_is_at_work(alice, model_version):
    _endpoint(alice)
    with translation.override("ar"):
        running_row(alice, model_version).fail("truncated")
    (body,) = _told()
    assert body["type"] == "detection.failed"
    assert body["data"]["failure"]["code"] == "truncated"
    assert body["data"]["failure"]["detail"].startswith("The file breaks off")
    assert (body["data"]["verdict"], body["data"]["probability"]) == (None, None)


def test_only_what_was_subscribed_to_is_told(alice, model_version):
    _endpoint(alice, "detection.failed")
    running_row(alice, model_version).complete(**RESULT)
    assert _told() == []


@pytest.mark.parametrize("how", ["off", "deleted", "disabled account"])
def test_nothing_is_told_to_what_takes_nothing(alice, model_version, how):
    endpoint = _endpoint(alice)
    if how == "off":
        webhooks.change_endpoint(by=alice, endpoint=endpoint, is_enabled=False)
    elif how == "deleted":
        webhooks.delete_endpoint(by=alice, endpoint=endpoint)
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    running_row(alice, model_version).complete(**RESULT)
    assert _told() == []


def test_without_endpoints_it_costs_one_query(alice, model_version, django_assert_num_queries):
    row = running_row(alice, model_version)
    row.image.owner  # noqa: B018 (known by then)
    with django_assert_num_queries(1):
        outbox.tell(row)


def test_a_verdict_that_is_not_recorded_is_not_told(alice, model_version):
    _endpoint(alice)
    row = running_row(alice, model_version)
    Detection.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert Detection.objects.claim(row.pk, worker=WORKER)
    assert not row.complete(**RESULT)
    assert _told() == []


def test_verdict_event_and_delivery_are_one_transaction(alice, model_version, monkeypatch):
    _endpoint(alice)
    row = running_row(alice, model_version)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("detection.models.detection.audit.record", broken)
    with pytest.raises(RuntimeError), transaction.atomic():
        row.complete(**RESULT)
    assert _told() == []
    assert Detection.objects.get().status == "running"


def test_a_second_failure_after_another_try_is_not_told_again(alice, model_version):
    _endpoint(alice)
    row = running_row(alice, model_version)
    for _ in range(2):
        row.fail("decoder_timeout")
        row.refresh_from_db()
        retry_detection(by=alice, detection=row)
        row = Detection.objects.claim(row.pk, worker=WORKER)
    row.complete(**RESULT)
    assert [body["type"] for body in _told()] == ["detection.failed", "detection.completed"]


@pytest.mark.parametrize("character", ["x", "ü", "漢", "😀", '"'])
def test_a_payload_is_never_larger_than_it_may_be(alice, model_version, character):
    _endpoint(alice)
    row = running_row(alice, model_version)
    _submission(row, metadata={"note": character * 8000})
    row.complete(**RESULT)
    text = WebhookDelivery.objects.get().payload
    assert len(text.encode()) < outbox.MAX_BYTES
    is_kept = len(character.encode()) * 8000 < 19_000
    assert (json.loads(text)["data"]["metadata"] is not None) is is_kept


def test_the_task_rings_once_for_all_that_it_wrote(alice, model_version, fake_judgement, bells):
    for _ in range(3):
        _endpoint(alice)
    submission = submitted(alice, callback_url=CALLBACK)
    run_detection(str(submission.detection_id))
    (bell,) = bells
    assert set(bell) == {str(pk) for pk in WebhookDelivery.objects.values_list("pk", flat=True)}
    assert len(bell) == 4


def test_what_the_sweeper_ends_is_told_at_once(alice, model_version, bells):
    _endpoint(alice)
    running_row(alice, model_version, attempt_limit=1)
    Detection.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweeping.fail_exhausted()
    assert bells == [[str(WebhookDelivery.objects.get().pk)]]


# --- callbacks


def test_each_submission_with_a_callback_is_told_with_its_own_metadata(alice, model_version):
    first = submitted(alice, callback_url=CALLBACK, metadata={"article": 7})
    submitted(alice, metadata={"article": 8})
    submitted(alice, callback_url=URL, metadata={"article": 9})
    claim = Detection.objects.claim(first.detection_id, worker=WORKER)
    claim.complete(**RESULT)
    told = {row.url: json.loads(row.payload)["data"] for row in WebhookDelivery.objects.all()}
    assert {url: data["metadata"]["article"] for url, data in told.items()} == {CALLBACK: 7, URL: 9}
    endpoint = alice.webhook_endpoints.get()
    assert (endpoint.is_for_callbacks, len(endpoint.signing_secrets())) == (True, 1)


def test_a_callback_for_what_was_judged_before_is_due_at_once(
    alice, model_version, fake_judgement, bells, django_capture_on_commit_callbacks
):
    run_detection(str(submitted(alice).detection_id))
    with django_capture_on_commit_callbacks(execute=True):
        submitted(alice, callback_url=CALLBACK, metadata={"article": 7})
    delivery = WebhookDelivery.objects.get()
    assert delivery.due_at <= timezone.now()
    assert bells == [[str(delivery.pk)]]
    (body,) = _told()
    assert (body["data"]["verdict"], body["data"]["metadata"]) == (
        "likely_manipulated",
        {"article": 7},
    )


def test_a_callback_for_what_is_tried_again_waits_for_its_end(alice, model_version):
    first = submitted(alice)
    claim = Detection.objects.claim(first.detection_id, worker=WORKER)
    claim.fail("decoder_timeout")
    submitted(alice, callback_url=CALLBACK)
    assert _told() == []
    Detection.objects.claim(first.detection_id, worker=WORKER).complete(**RESULT)
    assert [body["type"] for body in _told()] == ["detection.completed"]


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_comes_while_its_detection_ends_is_told_once(alice, model_version):
    data = [jpeg_bytes(seed=seed) for seed in range(30)]
    for content in data:
        first = submitted(alice, content)
        claim = Detection.objects.claim(first.detection_id, worker=WORKER)
        steps: list[Callable[[], Any]] = [
            lambda claim=claim: claim.complete(**RESULT),
            lambda content=content: submitted(alice, content, callback_url=CALLBACK),
        ]
        in_parallel(lambda steps=steps: steps.pop()(), times=2)
        assert WebhookDelivery.objects.filter(detection=first.detection_id).count() == 1


# --- erasing


def test_an_erased_images_deliveries_lose_their_content(alice, model_version):
    _endpoint(alice)
    row = running_row(alice, model_version)
    row.complete(**RESULT)
    waiting = WebhookDelivery.objects.get()
    erase_image(by=alice, image=row.image)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.payload, waiting.url) == ("cancelled", "", "")
    assert not waiting.is_resendable


def test_of_an_image_erased_before_its_verdict_nothing_is_told(alice, model_version):
    _endpoint(alice)
    row = running_row(alice, model_version)
    erase_image(by=alice, image=row.image)
    assert not row.complete(**RESULT)
    assert _told() == []


def test_verdicts_say_nothing_of_receivers_in_the_trail(alice, model_version: ModelVersion):
    submission = submitted(alice, callback_url=CALLBACK)
    Detection.objects.claim(submission.detection_id, worker=WORKER).complete(**RESULT)
    assert not any("planted0marker" in event.change for event in AuditEvent.objects.all())
    assert detection_row(alice, model_version, image=image_row(alice)).deliveries_written == ()
