"""A person's webhook endpoints: set up, changed, rotated, switched, deleted; deliveries re-sent.

Every change locks the endpoint's row first, then its deliveries, and records itself last.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection import signing
from detection.errors import Refused
from detection.models import Detection, Submission, WebhookDelivery, WebhookEndpoint, outbox
from detection.models.webhook import AT_ONCE, WebhookDeliveryQuerySet
from detection.services.delivering import ring_after_commit

MAX_ENDPOINTS = 20
# How long a secret goes on signing after it was rotated, so that no receiver need stop for it.
ROTATION_PERIOD = timedelta(hours=24)


def add_endpoint(
    *, by: User, url: str, events: Collection[str], description: str = ""
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret, which is shown this once.

    Raises:
        Refused: the person has `MAX_ENDPOINTS` already.
    """
    secret = signing.new_secret()
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)  # so that the count holds
        if WebhookEndpoint.objects.receivers_of(by).count() >= MAX_ENDPOINTS:
            raise Refused("too_many_webhooks")
        endpoint = WebhookEndpoint.objects.create(
            owner=by,
            url=url,
            events=sorted(events),
            description=description,
            secret=signing.sealed(secret),
        )
        _record("webhook_endpoint.created", by, endpoint, after=_terms(endpoint))
    return endpoint, secret


def change_endpoint(
    *,
    by: User,
    endpoint: WebhookEndpoint,
    url: str | None = None,
    events: Collection[str] | None = None,
    description: str | None = None,
    is_enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given; None leaves as it is.

    Switching off cancels what waits; switching on starts anew, whatever switched it off. What waits
    goes to a new address as well.
    """
    with transaction.atomic():
        row = _locked(endpoint)
        before = _terms(row), row.url, row.description
        row.url = row.url if url is None else url
        row.events = row.events if events is None else sorted(events)
        row.description = row.description if description is None else description
        is_switched = is_enabled is not None and is_enabled is (row.disabled_at is not None)
        if is_switched:
            _switch(row, on=bool(is_enabled))
        row.save()
        row.deliveries.pending().update(url=row.url)
        if (_terms(row), row.url, row.description) != before:
            _record("webhook_endpoint.changed", by, row, before=before[0], after=_terms(row))
        if is_switched:
            _record(
                "webhook_endpoint.enabled" if is_enabled else "webhook_endpoint.disabled",
                by,
                row,
                after=_state(row),
            )
    return row


def rotate_secret(*, by: User, endpoint: WebhookEndpoint) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown this once; the old one signs as well for `ROTATION_PERIOD`."""
    secret = signing.new_secret()
    with transaction.atomic():
        row = _locked(endpoint)
        row.previous_secret, row.secret = row.secret, signing.sealed(secret)
        row.previous_secret_until = timezone.now() + ROTATION_PERIOD
        row.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
        until = row.previous_secret_until.isoformat()
        _record("webhook_endpoint.rotated", by, row, after={"old_secret_until": until})
    return row, secret


def rotate_callback_secret(*, by: User) -> tuple[WebhookEndpoint, str]:
    """A new secret for the callbacks of a person's submissions, shown this once."""
    return rotate_secret(by=by, endpoint=outbox.callback_endpoint(by))


def delete_endpoint(*, by: User, endpoint: WebhookEndpoint) -> None:
    """End an endpoint for good: its secrets go, what waits is cancelled, the record stays."""
    with transaction.atomic():
        row = _locked(endpoint)
        row.secret, row.previous_secret, row.previous_secret_until = "", "", None
        row.deleted_at = timezone.now()
        row.save()
        row.deliveries.all().cancel()
        _record("webhook_endpoint.deleted", by, row)


def resend(*, by: User, delivery: WebhookDelivery) -> None:
    """Send a delivery again that failed or was cancelled, under its id, on a fresh schedule.

    Raises:
        Refused: it waits or arrived, its content was erased, or its endpoint is switched off.
    """
    with transaction.atomic():
        endpoint = _accepting(delivery.endpoint)
        if not _revived(endpoint, endpoint.deliveries.filter(pk=delivery.pk)):
            raise Refused("not_resendable")
        audit.record(
            "webhook_delivery.resent",
            actor=by,
            target=delivery,
            owner=endpoint.owner,
            after={"endpoint": str(endpoint.pk), "event": delivery.event},
        )
        ring_after_commit([delivery.pk])


def resend_failed(*, by: User, endpoint: WebhookEndpoint) -> int:
    """Send everything again that failed or was cancelled; says how much that is.

    Raises:
        Refused: the endpoint is switched off.
    """
    with transaction.atomic():
        row = _accepting(endpoint)
        count = _revived(row, row.deliveries.all())
        if count:
            # Each that ends rings for the next.
            first = row.deliveries.waiting().order_by("created_at").values_list("pk", flat=True)
            bells = list(first[:AT_ONCE])
            _record("webhook_endpoint.resent", by, row, after={"deliveries": count})
            ring_after_commit(bells)
    return count


def expect_callback(submission: Submission, *, tried_again: Collection[str]) -> Detection:
    """See to a submission's callback: at its detection's end or, where that was, at once.

    The detection is held until this transaction ends: whoever ends it sees the submission, or the
    end is seen here.

    Args:
        tried_again: codes of failures after which the submission has it tried again.
    Returns:
        The detection as it is now.
    """
    rows = Detection.objects.select_for_update(of=("self",), no_key=True)
    detection = rows.select_related("image", "model_version").get(pk=submission.detection_id)
    endpoint = outbox.callback_endpoint(submission.by)
    if detection.is_finished and detection.failure_code not in tried_again:
        ring_after_commit(outbox.call_back(detection, submission, endpoint))
    return detection


def forget_person(person: User) -> None:
    """Delete what an erased person set up, with addresses, secrets and what was told to them."""
    endpoints = WebhookEndpoint.objects.filter(owner=person)
    endpoints.lock()
    told = WebhookDelivery.objects.filter(endpoint__in=endpoints)
    told.cancel()
    told.update(url="", payload="", attempts=[])
    endpoints.filter(is_for_callbacks=False).update(url="erased", description="")
    endpoints.update(
        secret="",  # there is none any more # nosec B106
        previous_secret="",
        previous_secret_until=None,
        deleted_at=timezone.now(),
    )


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """The row as it is now, held; one that was deleted meanwhile is refused."""
    row = WebhookEndpoint.objects.locked(endpoint.pk)
    if row.deleted_at is not None:
        raise Refused("webhook_deleted")
    return row


def _accepting(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    row = _locked(endpoint)
    if row.disabled_at is not None:
        raise Refused("webhook_disabled")
    return row


def _revived(endpoint: WebhookEndpoint, deliveries: WebhookDeliveryQuerySet) -> int:
    """Have them sent again, to where the endpoint is by now; a callback goes where it was to go."""
    if not endpoint.is_for_callbacks:
        deliveries.resendable().update(url=endpoint.url)
    return deliveries.revive()


def _switch(row: WebhookEndpoint, *, on: bool) -> None:
    row.failing_since = None
    row.disabled_at = None if on else timezone.now()
    row.disabled_because = "" if on else WebhookEndpoint.Disabled.OWNER
    if not on:
        row.deliveries.all().cancel()


def _terms(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {"events": endpoint.events}


def _state(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {"because": endpoint.disabled_because} if endpoint.disabled_because else {}


def _record(action: str, by: User, endpoint: WebhookEndpoint, **more: Any) -> None:
    """An event about an endpoint. Of its address the host alone: the rest may hold a token."""
    host = urlsplit(endpoint.url).hostname
    audit.record(
        action,
        actor=by,
        target=endpoint,
        owner=endpoint.owner,
        detail={"host": host} if host else None,
        **more,
    )
