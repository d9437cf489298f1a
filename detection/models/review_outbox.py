"""What is to be told of a review, written in the transaction that closed it or took it back."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models.functions import Now
from django.urls import reverse

from detection.models.outbox import MAX_BYTES, utc
from detection.models.webhook import WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    from detection.models.detection import Detection

# Of `data`; both null where a decision was taken back.
Said = Mapping[str, Any]


def tell(
    detection: "Detection", event: WebhookEndpoint.Event, said: Said, *, occasion: str, at: datetime
) -> list[uuid.UUID]:
    """Write one delivery for each endpoint of the owner that wants it and each callback.

    Args:
        said: what `data` holds beside the detection: `outcome`, `reasons`, `decided_at`.
        occasion: tells this event from others of its kind; the same one is told of once.
        at: when it happened.
    Returns:
        The deliveries' ids.
    """
    made = [
        WebhookDelivery(
            endpoint=endpoint,
            url=url,
            event=event,
            occasion=occasion,
            detection=detection,
            submission_id=submission,
            payload=_payload(detection, event, said, metadata, at),
            due_at=Now(),  # by the clock that claims compare it with
            rung_at=Now(),
        )
        for endpoint, url, submission, metadata in _receivers(detection, event)
    ]
    WebhookDelivery.objects.bulk_create(made, ignore_conflicts=True)
    return [one.pk for one in made]


def _receivers(
    detection: "Detection", event: WebhookEndpoint.Event
) -> Iterator[tuple[WebhookEndpoint, str, uuid.UUID | None, dict[str, Any]]]:
    owner = detection.image.owner
    own = detection.submissions.filter(by=owner).order_by("-created_at")
    for endpoint in WebhookEndpoint.objects.active().filter(owner=owner):
        if endpoint.is_for_callbacks:
            for submission in own.exclude(callback_url=""):
                yield endpoint, submission.callback_url, submission.pk, submission.metadata
        elif event in endpoint.events:
            latest = own.first()
            yield endpoint, endpoint.url, None, latest.metadata if latest else {}


def _payload(
    detection: "Detection",
    event: WebhookEndpoint.Event,
    said: Said,
    metadata: dict[str, Any],
    at: datetime,
) -> str:
    """The body, under MAX_BYTES: metadata that would make it larger is null."""
    links = {"page": "detection", "detection": "api_detection"}
    data = {
        "id": str(detection.pk),
        **said,
        "image_sha256": detection.image.sha256,
        "links": {
            name: settings.UNMASK_ORIGIN + reverse(route, args=[detection.pk])
            for name, route in links.items()
        },
    }
    for told in (metadata, None):
        body = {"type": event, "timestamp": utc(at), "data": data | {"metadata": told}}
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if len(text.encode()) < MAX_BYTES:
            break
    return text
