"""Webhooks on their way: sent once at least, under one id, on the published schedule."""

import ipaddress
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as current
from django.db import connections
from django.utils import timezone
from standardwebhooks import Webhook

from accounts.models import AuditEvent, User
from detection.models import WebhookDelivery, WebhookEndpoint
from detection.models.webhook import LEASE
from detection.services import delivering, sweeping, webhooks
from detection.tasks import deliver_webhook, tidy
from tests.receivers import Receiver, receiver, until

pytestmark = pytest.mark.django_db
Status = WebhookDelivery.Status
EVENTS = ["detection.completed", "detection.failed"]
BODY = '{"type":"detection.completed","data":{"title":"Ünï"}}'


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def well() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiver(204) as it:
        yield it


def _endpoint(owner: User, url: str) -> tuple[WebhookEndpoint, str]:
    return webhooks.add_endpoint(by=owner, url=url, events=EVENTS)


def _delivery(endpoint: WebhookEndpoint, **fields: Any) -> WebhookDelivery:
    defaults = {
        "url": endpoint.url,
        "event": "detection.completed",
        "payload": BODY,
        "due_at": timezone.now() - timedelta(seconds=1),
    }
    return WebhookDelivery.objects.create(endpoint=endpoint, **(defaults | fields))


def _to(owner: User, it: Receiver) -> WebhookDelivery:
    return _delivery(_endpoint(owner, it.url)[0])


def _again(row: WebhookDelivery) -> WebhookDelivery:
    """Let the wait be over, and send."""
    WebhookDelivery.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    deliver_webhook(str(row.pk))
    row.refresh_from_db()
    return row


def _actions() -> list[str]:
    return list(
        AuditEvent.objects.filter(action__startswith="webhook")
        .exclude(action="webhook_endpoint.created")
        .order_by("id")
        .values_list("action", flat=True)
    )


# --- one attempt


def test_what_arrives_is_what_was_stored_and_verifies(alice, well):
    endpoint, secret = _endpoint(alice, well.url)
    row = _again(_delivery(endpoint))
    (message,) = well.messages
    assert message.body == BODY.encode()
    assert message.id == f"msg_{row.pk.hex}"
    assert message.headers["content-type"] == "application/json"
    assert Webhook(secret).verify(message.body, message.headers)
    assert (row.status, row.attempts[0]["status_code"]) == (Status.DELIVERED, 204)
    assert row.ended_at is not None
    assert _actions() == []


def test_two_failures_and_a_success_bear_one_id(alice):
    with receiver(500, 500, 200) as it:
        row = _to(alice, it)
        seen = [(_again(row).status, row.attempt) for _ in range(3)]
    assert seen == [("pending", 1), ("pending", 2), ("delivered", 3)]
    assert {message.id for message in it.messages} == {row.message_id}
    assert [one["status_code"] for one in row.attempts] == [500, 500, 200]


@pytest.mark.parametrize(
    ("answer", "code"), [("hang", "timeout"), ("drip", "timeout"), ("reset", "connection_broken")]
)
def test_a_receiver_that_gives_no_answer_is_left_in_time(alice, monkeypatch, answer, code):
    monkeypatch.setattr(delivering, "DEADLINE_S", 0.7)
    with receiver(answer) as it:
        row = _to(alice, it)
        started = time.monotonic()
        _again(row)
        assert time.monotonic() - started < 3
    assert (row.status, row.attempts[0]["error"]) == (Status.PENDING, code)


def test_nobody_listening_is_another_attempt(alice):
    with receiver() as it:
        pass
    row = _again(_to(alice, it))
    assert (row.status, row.attempts[0]["error"]) == (Status.PENDING, "not_connected")


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 404, 500, 503])
def test_only_2xx_is_success_and_no_redirect_is_followed(alice, answer):
    with receiver(answer) as it:
        row = _again(_to(alice, it))
        assert len(it.messages) == 1
    assert (row.status, row.attempts[0]["status_code"]) == (Status.PENDING, answer)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://[::1]:8080/", "http://10.0.0.1/"])
def test_an_address_inside_is_refused(alice, settings, url):
    settings.OUTBOUND_ALLOW = []
    row = _again(_delivery(_endpoint(alice, url)[0]))
    assert (row.status, row.attempts[0]["error"]) == (Status.PENDING, "address_refused")


def test_neither_answers_nor_addresses_are_kept_or_logged(alice, well, caplog):
    with caplog.at_level(logging.DEBUG):
        row = _again(_to(alice, well))
    assert "planted0marker" not in caplog.text
    assert "secret" not in caplog.text
    assert set(row.attempts[0]) == {"at", "status_code", "error", "ms"}


def test_a_secret_sealed_under_another_key_is_a_failure_with_a_name(alice, well, settings):
    row = _to(alice, well)
    settings.SECRET_KEY = "another-key-of-tests-" * 5
    assert _again(row).attempts[0]["error"] == "secret_unreadable"
    assert well.messages == []


def test_during_a_rotation_both_secrets_verify_and_later_the_new_one_alone(alice, well):
    endpoint, old = _endpoint(alice, well.url)
    _row, new = webhooks.rotate_secret(by=alice, endpoint=endpoint)
    _again(_delivery(endpoint))
    for secret in (old, new):
        assert Webhook(secret).verify(well.messages[0].body, well.messages[0].headers)
    WebhookEndpoint.objects.update(previous_secret_until=timezone.now() - timedelta(seconds=1))
    _again(_delivery(endpoint))
    assert well.messages[1].headers["webhook-signature"].count("v1,") == 1
    assert Webhook(new).verify(well.messages[1].body, well.messages[1].headers)


# --- the schedule


def test_retries_come_as_published_with_a_tenth_of_jitter(alice, monkeypatch):
    waits = []
    with receiver(500) as it:
        row = _to(alice, it)
        for _ in range(9):
            _again(row)
            waits.append(row.due_at - timezone.now())
        assert _again(row).status == Status.FAILED
    published = [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200]
    for wait, seconds in zip(waits, published, strict=True):
        assert 0.9 * seconds - 2 <= wait.total_seconds() <= 1.1 * seconds
    assert len({round(w.total_seconds() / s, 3) for w, s in zip(waits, published, strict=True)}) > 3
    assert 0.9 < sum(published) / 86_400 < 1
    assert {message.id for message in it.messages} == {row.message_id}
    assert len(it.messages) == 10


def test_after_the_last_attempt_it_is_given_up_once(alice):
    with receiver(500) as it:
        row = _to(alice, it)
        WebhookDelivery.objects.update(attempt=9)
        _again(row)
        _again(row)
    assert (row.status, len(it.messages)) == (Status.FAILED, 1)
    assert _actions() == ["webhook_delivery.failed"]


def test_what_was_given_up_can_be_sent_again_under_its_id(alice, bells):
    with receiver(500, 200) as it:
        row = _to(alice, it)
        WebhookDelivery.objects.update(attempt=9)
        _again(row)
        webhooks.resend(by=alice, delivery=row)
        row = _again(row)
    assert (row.status, row.attempt) == (Status.DELIVERED, 1)
    assert {message.id for message in it.messages} == {row.message_id}
    assert _actions() == ["webhook_delivery.failed", "webhook_delivery.resent"]


def test_no_more_than_twelve_attempts_are_kept(alice):
    with receiver(500) as it:
        row = _to(alice, it)
        for _ in range(3):
            WebhookDelivery.objects.update(attempt=0)
            for _ in range(5):
                _again(row)
    assert len(row.attempts) == 12


def test_a_short_wait_is_rung_for_and_a_long_one_left_to_the_sweeper(
    alice, bells, django_capture_on_commit_callbacks
):
    with receiver(500) as it, django_capture_on_commit_callbacks(execute=True):
        row = _to(alice, it)
        _again(row)
    assert bells == [[str(row.pk)]]
    assert row.rung_at == row.due_at
    bells.clear()
    WebhookDelivery.objects.update(attempt=4)
    with receiver(500) as it, django_capture_on_commit_callbacks(execute=True):
        _again(row)
    assert (bells, row.rung_at) == ([], None)


# --- an endpoint that is gone, or fails for days


def test_410_ends_the_endpoint_and_what_waits_for_it(alice):
    with receiver(410) as it:
        row = _to(alice, it)
        waiting = _delivery(row.endpoint, due_at=timezone.now() + timedelta(hours=1))
        _again(row)
        waiting.refresh_from_db()
        row.endpoint.refresh_from_db()
    assert (row.status, waiting.status) == (Status.FAILED, Status.CANCELLED)
    assert row.endpoint.disabled_because == "gone"
    assert _actions() == ["webhook_delivery.failed", "webhook_endpoint.disabled"]


def test_an_endpoint_whose_deliveries_failed_for_three_days_is_switched_off(alice):
    with receiver(500) as it:
        row = _to(alice, it)
        _again(row)
        row.endpoint.refresh_from_db()
        assert row.endpoint.failing_since is not None
        long_ago = timezone.now() - timedelta(days=3, seconds=1)
        WebhookEndpoint.objects.update(failing_since=long_ago)
        _again(row)  # which has attempts left, so it may be new
        row.endpoint.refresh_from_db()
        assert row.endpoint.disabled_because == ""
        WebhookDelivery.objects.update(attempt=9)
        _again(row)
    row.endpoint.refresh_from_db()
    assert row.endpoint.disabled_because == "failing"


def test_a_success_ends_the_failing(alice):
    with receiver(500, 200) as it:
        row = _to(alice, it)
        _again(row)
        _again(row)
    row.endpoint.refresh_from_db()
    assert row.endpoint.failing_since is None


def test_nothing_is_sent_for_somebody_whose_account_is_disabled(alice, well):
    row = _to(alice, well)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert _again(row).status == Status.PENDING
    assert well.messages == []


# --- claims, leases, lost doorbells


def test_a_doorbell_heard_twice_sends_once(alice, well):
    row = _again(_to(alice, well))
    deliver_webhook(str(row.pk))
    deliver_webhook(str(uuid.uuid4()))
    assert len(well.messages) == 1


def test_it_is_not_sent_before_it_is_due(alice, well):
    row = _to(alice, well)
    WebhookDelivery.objects.update(due_at=timezone.now() + timedelta(minutes=1))
    deliver_webhook(str(row.pk))
    assert well.messages == []


def _claim(row: WebhookDelivery) -> WebhookDelivery | None:
    return WebhookDelivery.objects.claim(row.pk, sender="test:1:1")


def test_after_a_senders_death_it_is_sent_again_under_the_same_id(alice, well, bells):
    row = _to(alice, well)
    assert _claim(row)  # by a process that dies now
    deliver_webhook(str(row.pk))
    assert sweeping.ring_for_webhooks() == 0
    WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweeping.ring_for_webhooks() == 1
    deliver_webhook(*bells[-1])
    row.refresh_from_db()
    assert (row.status, row.attempt) == (Status.DELIVERED, 2)
    assert [message.id for message in well.messages] == [row.message_id]


def test_a_sender_that_lost_its_lease_writes_nothing(alice):
    row = _to(alice, Receiver([200], "http://127.0.0.1:2000/"))
    slow = _claim(row)
    WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert _claim(row)
    assert not delivering.record(slow, delivering.Outcome(200, "", 1))
    row.refresh_from_db()
    assert (row.status, row.attempts) == (Status.PENDING, [])


def test_senders_that_die_every_time_end_it_at_last(alice, well):
    row = _to(alice, well)
    WebhookDelivery.objects.update(attempt=10)
    _again(row)
    assert (row.status, row.attempts[0]["error"]) == (Status.FAILED, "interrupted")
    assert well.messages == []


def test_a_lost_doorbell_is_rung_again(alice, well, bells):
    row = _to(alice, well)
    assert sweeping.ring_for_webhooks() == 1
    assert bells == [[str(row.pk)]]
    assert sweeping.ring_for_webhooks() == 0  # it has time to be heard


def test_a_broker_that_is_away_leaves_them_due(alice, well, monkeypatch):
    row = _to(alice, well)
    WebhookDelivery.objects.update(rung_at=timezone.now())
    monkeypatch.setattr(delivering.doorbell, "send", lambda *_, **__: False)
    delivering.ring_or_leave_due([row.pk])
    assert WebhookDelivery.objects.get().rung_at is None
    assert sweeping.ring_for_webhooks() == 0


def test_one_doorbell_for_several_is_rung_on(alice, well, bells):
    rows = [_to(alice, well) for _ in range(3)]
    deliver_webhook(*(str(row.pk) for row in rows))
    assert len(well.messages) == 1
    assert [[str(row.pk)] for row in rows[1:]] == bells


def test_a_heap_for_one_endpoint_keeps_no_other_waiting(alice, bob, well, bells):
    heap, _secret = _endpoint(alice, well.url)
    for _ in range(20):
        _delivery(heap, due_at=timezone.now() - timedelta(hours=1))
    other = _to(bob, well)
    assert sweeping.ring_for_webhooks() == 4
    assert str(other.pk) in bells[0][:2]


def test_of_one_endpoint_three_are_under_way_and_the_next_follows(alice, well, bells):
    endpoint, _secret = _endpoint(alice, well.url)
    rows = [_delivery(endpoint) for _ in range(5)]
    claims = [_claim(row) for row in rows]
    assert [claim is not None for claim in claims] == [True, True, True, False, False]
    assert delivering.record(claims[0], delivering.Outcome(200, "", 1))
    deliver_webhook(str(rows[3].pk))
    assert bells == [[str(rows[4].pk)]]


def test_a_failing_endpoint_has_one_under_way(alice, well):
    endpoint, _secret = _endpoint(alice, well.url)
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    rows = [_delivery(endpoint) for _ in range(2)]
    assert [_claim(row) is not None for row in rows] == [True, False]


def test_a_doorbell_for_what_is_taken_brings_the_next_of_its_endpoint(alice, well):
    endpoint, _secret = _endpoint(alice, well.url)
    first, second = _delivery(endpoint), _delivery(endpoint)
    assert _claim(first).pk == first.pk
    assert _claim(first).pk == second.pk


@pytest.mark.django_db(transaction=True)
def test_a_hanging_receiver_delays_no_other(alice, bob, well):
    with receiver("hang") as stuck:
        held, quick = _to(alice, stuck), _to(bob, well)

        def send() -> None:
            deliver_webhook(str(held.pk))
            connections.close_all()

        thread = threading.Thread(target=send)
        thread.start()
        until(lambda: stuck.messages)
        assert _again(quick).status == Status.DELIVERED
        stuck.over.set()
        thread.join()


# --- cleaning up


def test_old_ended_deliveries_are_dropped_and_waiting_ones_kept(alice, well):
    row, fresh, waiting = (_to(alice, well) for _ in range(3))
    ago = timezone.now() - timedelta(days=30, seconds=1)
    WebhookDelivery.objects.filter(pk=row.pk).update(status=Status.FAILED, ended_at=ago)
    _again(fresh)
    WebhookDelivery.objects.filter(pk=waiting.pk).update(created_at=ago)
    tidy()
    assert set(WebhookDelivery.objects.all()) == {fresh, waiting}


@pytest.mark.parametrize("how", ["disabled_at", "deleted_at"])
def test_what_came_while_its_endpoint_was_closed_is_cancelled(alice, bob, well, how, monkeypatch):
    monkeypatch.setattr(delivering, "CANCELLED_AT_ONCE", 2)
    endpoint, _secret = _endpoint(alice, well.url)
    stranded = [_delivery(endpoint) for _ in range(3)]
    arrived = _again(_delivery(endpoint))
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**{how: timezone.now()})
    waiting = _to(bob, well)
    assert delivering.cancel_stranded() == 2
    tidy()
    assert delivering.cancel_stranded() == 0
    statuses = dict(WebhookDelivery.objects.values_list("pk", "status"))
    assert [statuses.pop(row.pk) for row in stranded] == [Status.CANCELLED] * 3
    assert statuses == {arrived.pk: Status.DELIVERED, waiting.pk: Status.PENDING}
    assert not WebhookDelivery.objects.filter(status=Status.CANCELLED, ended_at=None).exists()


def test_a_lease_outlives_the_longest_attempt():
    assert LEASE.total_seconds() > delivering.DEADLINE_S + 10
    assert (
        delivering.BROKER_HOLDS.total_seconds()
        < (current.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"])
    )
