"""Sending webhooks: claim, send, record. What a receiver answers is never kept, only its status."""

import logging
import os
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from django.db import transaction
from django.db.models import Window
from django.db.models.functions import Now, RowNumber
from django.utils import timezone

from accounts import audit
from accounts.sealing import UnreadableError
from deepfake_site import outbound
from detection import doorbell, signing
from detection.models import WebhookDelivery, WebhookEndpoint
from detection.models.webhook import AT_ONCE
from detection.services.leases import process_name

log = logging.getLogger(__name__)

QUEUE = "deliver"
TASK = "detection.tasks.deliver_webhook"
DEADLINE_S = 15.0  # for all of one attempt, however slowly the receiver drips
# After each failure; ten attempts in about a day. Published in docs/api.md.
RETRY_AFTER = (
    *(timedelta(seconds=5), timedelta(seconds=30)),
    *(timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30)),
    *(timedelta(hours=1), timedelta(hours=3), timedelta(hours=6), timedelta(hours=12)),
)
MAX_ATTEMPTS = len(RETRY_AFTER) + 1
JITTER = 0.1
# Waits so short that the broker holds the doorbell for them; the sweeper sees to longer ones.
BROKER_HOLDS = timedelta(minutes=1)
FAILING_FOR = timedelta(days=3)
GONE = 410
KEPT_FOR = timedelta(days=30)
DROPPED_AT_ONCE = 5000
CANCELLED_AT_ONCE = 1000


@dataclass(frozen=True)
class Outcome:
    """How one attempt went.

    Attributes:
        status_code: what the receiver answered; None where no answer came.
        error: a code of `words.DELIVERY_ERRORS`; empty where an answer came.
        ms: how long it took.
    """

    status_code: int | None
    error: str
    ms: int

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    def as_row(self) -> dict[str, Any]:
        return {
            "at": timezone.now().isoformat(timespec="milliseconds"),
            "status_code": self.status_code,
            "error": self.error,
            "ms": self.ms,
        }


def deliver(pk: uuid.UUID | str) -> None:
    """Try one delivery once; a repeated doorbell finds nothing to claim and returns."""
    claim = WebhookDelivery.objects.claim(pk, sender=process_name(os.getpid()))
    if claim is None:
        return
    is_over = claim.attempt > MAX_ATTEMPTS  # the sender of the last attempt ended with it
    record(claim, Outcome(None, "interrupted", 0) if is_over else _attempt(claim))
    _ring_for_next(claim.endpoint_id)


def record(claim: WebhookDelivery, outcome: Outcome) -> bool:
    """Write down how an attempt went and what follows; False where the lease was lost."""
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.locked(claim.endpoint_id)
        if outcome.is_success:
            return _succeeded(claim, endpoint, outcome)
        if outcome.status_code == GONE or claim.attempt >= MAX_ATTEMPTS:
            return _failed_for_good(claim, endpoint, outcome)
        return _failed(claim, endpoint, outcome)


def retry_after(attempt: int) -> timedelta:
    """How long to wait after so many attempts, a little more or less so that heaps spread out."""
    # No secret depends on it.
    return RETRY_AFTER[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 # nosec B311


def ring(deliveries: Sequence[uuid.UUID], *, delay: timedelta = timedelta()) -> bool:
    """One doorbell for all of them: the sender rings on for the rest, where nobody waits for it."""
    return doorbell.send(TASK, [str(pk) for pk in deliveries], QUEUE, delay_s=delay.total_seconds())


def ring_or_leave_due(deliveries: Sequence[uuid.UUID], *, delay: timedelta = timedelta()) -> None:
    """Ring; where the broker is away, the sweeper does so at its next round."""
    if deliveries and not ring(deliveries, delay=delay):
        WebhookDelivery.objects.filter(pk__in=deliveries).update(rung_at=None)


def ring_after_commit(deliveries: Sequence[uuid.UUID], *, delay: timedelta = timedelta()) -> None:
    transaction.on_commit(lambda: ring_or_leave_due(deliveries, delay=delay), robust=True)


def ring_waiting(*, again_after: timedelta, at_most: int) -> int:
    """Ring for due deliveries whose doorbell went unheard; says for how many.

    For as many of each endpoint as it takes at once, so that a heap for one keeps no other waiting.
    """
    unheard = WebhookDelivery.objects.due().exclude(rung_at__gte=Now() - again_after)
    place = Window(RowNumber(), partition_by="endpoint", order_by="due_at")
    first = unheard.annotate(place=place).filter(place__lte=AT_ONCE).order_by("place", "due_at")
    waiting = list(first.values_list("pk", flat=True)[:at_most])
    if not waiting or not ring(waiting):
        return 0
    WebhookDelivery.objects.filter(pk__in=waiting).update(rung_at=Now())
    return len(waiting)


def drop_old() -> int:
    """Remove deliveries that ended long ago; says how many."""
    old = WebhookDelivery.objects.filter(ended_at__lt=Now() - KEPT_FOR)
    some = old.order_by("ended_at").values_list("pk", flat=True)[:DROPPED_AT_ONCE]
    return WebhookDelivery.objects.filter(pk__in=list(some)).delete()[0]


def cancel_stranded() -> int:
    """Cancel what was written while its endpoint was being switched off or deleted.

    It would never be due; says how many there were.
    """
    closed = WebhookEndpoint.objects.exclude(disabled_at=None, deleted_at=None)
    stranded = WebhookDelivery.objects.filter(
        status=WebhookDelivery.Status.PENDING, endpoint__in=closed
    )
    with transaction.atomic():
        some = list(stranded.values_list("pk", flat=True)[:CANCELLED_AT_ONCE])
        WebhookEndpoint.objects.filter(
            pk__in=WebhookDelivery.objects.filter(pk__in=some).values("endpoint")
        ).lock()
        return stranded.filter(pk__in=some).cancel()


def _attempt(claim: WebhookDelivery) -> Outcome:
    started = time.monotonic()
    status_code, error = None, ""
    try:
        status_code = _sent(claim)
    except UnreadableError:
        error = "secret_unreadable"
    except ValueError:  # check_url refuses it, by rules that came after it was accepted
        error = "address_refused"
    except httpx.TransportError as failure:
        error = _error_code(failure)
    ms = round((time.monotonic() - started) * 1000)
    log.info("webhook %s, attempt %s: %s", claim.pk, claim.attempt, error or status_code)
    return Outcome(status_code, error, ms)


def _sent(claim: WebhookDelivery) -> int:
    """The status that the receiver answered; its body is not read."""
    body = claim.payload.encode()
    headers = signing.signed_headers(
        message_id=claim.message_id,
        timestamp=int(time.time()),
        body=body,
        signed_with=claim.endpoint.signing_secrets(),
    )
    headers["Content-Type"] = "application/json"
    with (
        outbound.client(deadline_s=DEADLINE_S) as client,
        client.stream("POST", claim.url, content=body, headers=headers) as answer,
    ):
        return answer.status_code


def _error_code(failure: httpx.TransportError) -> str:
    if isinstance(failure, outbound.AddressRefused):
        return "address_refused"
    if isinstance(failure, httpx.TimeoutException):
        return "timeout"
    if isinstance(failure, httpx.ConnectError):
        return "not_connected"
    return "connection_broken"


def _succeeded(claim: WebhookDelivery, endpoint: WebhookEndpoint, outcome: Outcome) -> bool:
    is_recorded = claim.succeed(outcome.as_row())
    if is_recorded and endpoint.failing_since:
        endpoint.failing_since = None
        endpoint.save(update_fields=["failing_since"])
    return is_recorded


def _failed(claim: WebhookDelivery, endpoint: WebhookEndpoint, outcome: Outcome) -> bool:
    delay = retry_after(claim.attempt)
    is_rung = delay <= BROKER_HOLDS
    if not claim.postpone(outcome.as_row(), by=delay, is_rung=is_rung):
        return False
    _note_failure(endpoint)
    if is_rung:
        ring_after_commit([claim.pk], delay=delay)
    return True


def _failed_for_good(claim: WebhookDelivery, endpoint: WebhookEndpoint, outcome: Outcome) -> bool:
    """The delivery is over and, where its receiver is gone or failed for days, the endpoint too."""
    if not claim.give_up(outcome.as_row()):
        return False
    _note_failure(endpoint)
    because = _why_disable(endpoint, outcome)
    if because:
        endpoint.disabled_at, endpoint.disabled_because = timezone.now(), because
        endpoint.save(update_fields=["disabled_at", "disabled_because"])
        endpoint.deliveries.all().cancel()
    audit.record(
        "webhook_delivery.failed",
        actor=None,
        target=claim,
        owner=endpoint.owner,
        after={
            "endpoint": str(endpoint.pk),
            "event": claim.event,
            "attempts": claim.attempt,
            "status_code": outcome.status_code,
            "error": outcome.error,
        },
    )
    if because:
        audit.record(
            "webhook_endpoint.disabled",
            actor=None,
            target=endpoint,
            owner=endpoint.owner,
            after={"because": because},
        )
    return True


def _note_failure(endpoint: WebhookEndpoint) -> None:
    """Since when all has failed. Not of callbacks: each may go to another receiver."""
    if endpoint.failing_since is None and not endpoint.is_for_callbacks:
        endpoint.failing_since = timezone.now()
        endpoint.save(update_fields=["failing_since"])


def _why_disable(endpoint: WebhookEndpoint, outcome: Outcome) -> str:
    """Empty where it goes on: callbacks always do, and so does what somebody switched off."""
    if endpoint.is_for_callbacks or not endpoint.is_active:
        return ""
    if outcome.status_code == GONE:
        return WebhookEndpoint.Disabled.GONE
    since = endpoint.failing_since
    if since and since < timezone.now() - FAILING_FOR:
        return WebhookEndpoint.Disabled.FAILING
    return ""


def _ring_for_next(endpoint_id: uuid.UUID) -> None:
    """Now that one has left, another of this endpoint may be claimed."""
    due = WebhookDelivery.objects.due().filter(endpoint=endpoint_id).order_by("due_at")
    following = due.values_list("pk", flat=True).first()
    if following is not None:
        ring([following])
