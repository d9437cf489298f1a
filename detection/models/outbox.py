"""What is to be told of a detection's end, written in the transaction of that end."""

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from detection import signing
from detection.models.webhook import WebhookDelivery, WebhookEndpoint
from detection.stated_reasons import stated_reasons
from detection.words import failure_sentence

if TYPE_CHECKING:
    from detection.models.detection import Detection
    from detection.models.submission import Submission

MAX_BYTES = 20_000  # a webhook says what happened; who wants more asks the API


def tell(detection: "Detection") -> list[uuid.UUID]:
    """Write one delivery for each endpoint of the owner and each callback; gives their ids.

    A detection that fails again after another try has been told of: receivers hear of the same end
    once.
    """
    owner = detection.image.owner
    endpoints = list(WebhookEndpoint.objects.active().filter(owner=owner))
    wanted = [one for one in endpoints if event_of(detection) in one.events]
    told = []
    if wanted:
        latest = detection.submissions.filter(by=owner).order_by("-created_at").first()
        body = payload(detection, latest.metadata if latest else {})
        told += [_delivery(detection, one, one.url, body) for one in wanted]
    for one in endpoints:
        if one.is_for_callbacks:
            waiting = detection.submissions.filter(by=owner).exclude(callback_url="")
            told += [_callback(detection, one, submission) for submission in waiting]
    return _written(told)


def call_back(
    detection: "Detection", submission: "Submission", endpoint: WebhookEndpoint
) -> list[uuid.UUID]:
    """Write the callback of a submission that came after its detection had ended."""
    return _written([_callback(detection, endpoint, submission)])


def callback_endpoint(owner: User) -> WebhookEndpoint:
    """What signs the callbacks of a person's submissions; made when it is first needed."""
    endpoint, _is_new = WebhookEndpoint.objects.get_or_create(
        owner=owner,
        is_for_callbacks=True,
        defaults={"secret": signing.sealed(signing.new_secret())},
    )
    return endpoint


def event_of(detection: "Detection") -> WebhookEndpoint.Event:
    is_done = detection.status == detection.Status.DONE
    Event = WebhookEndpoint.Event  # noqa: N806 (an enum's own name)
    return Event.DETECTION_COMPLETED if is_done else Event.DETECTION_FAILED


def payload(detection: "Detection", metadata: dict[str, Any]) -> str:
    """The body, under MAX_BYTES: metadata that would make it larger is null."""
    data = _data(detection)
    for told in (metadata, None):
        body = {
            "type": event_of(detection),
            "timestamp": utc(detection.completed_at) if detection.completed_at else "",
            "data": data | {"metadata": told},
        }
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if len(text.encode()) < MAX_BYTES:
            break
    return text


def _data(detection: "Detection") -> dict[str, Any]:
    version, code = detection.model_version, detection.failure_code
    with translation.override(settings.LANGUAGE_CODE):  # a program reads it, whoever submitted
        failure = {"code": code, "detail": failure_sentence(code)} if code else None
    links = {"page": "detection", "detection": "api_detection"}
    return {
        "id": str(detection.pk),
        "status": detection.status,
        "verdict": detection.verdict or None,
        "probability": detection.probability,
        "reasons": stated_reasons(detection),
        "failure": failure,
        "image_sha256": detection.image.sha256,
        "model": {
            "name": version.name,
            "version": version.version,
            "artifact_sha256": version.artifact_sha256,
        },
        "links": {
            name: settings.UNMASK_ORIGIN + reverse(route, args=[detection.pk])
            for name, route in links.items()
        },
    }


def _callback(
    detection: "Detection", endpoint: WebhookEndpoint, submission: "Submission"
) -> WebhookDelivery:
    body = payload(detection, submission.metadata)
    delivery = _delivery(detection, endpoint, submission.callback_url, body)
    delivery.submission = submission
    return delivery


def _delivery(
    detection: "Detection", endpoint: WebhookEndpoint, url: str, body: str
) -> WebhookDelivery:
    return WebhookDelivery(
        endpoint=endpoint,
        url=url,
        event=event_of(detection),
        detection=detection,
        payload=body,
        due_at=Now(),  # by the clock that claims compare it with
        rung_at=Now(),
    )


def _written(deliveries: list[WebhookDelivery]) -> list[uuid.UUID]:
    WebhookDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    return [one.pk for one in deliveries]


def utc(at: datetime) -> str:
    """A moment in UTC as it is written everywhere: with a Z."""
    return at.isoformat().replace("+00:00", "Z")
