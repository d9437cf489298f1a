"""Webhook endpoints: set up, changed, rotated, switched, deleted; each an event without secrets."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.erasure import erase_person
from accounts.models import AuditDetail, AuditEvent
from detection.errors import Refused
from detection.models import WebhookDelivery, WebhookEndpoint
from detection.services import webhooks
from tests.factories import in_parallel

pytestmark = pytest.mark.django_db
URL = "https://cms.example.org/hooks?token=planted0marker"
COMPLETED = ["detection.completed"]


@pytest.fixture
def endpoint(alice) -> WebhookEndpoint:
    return webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED, description="wire")[0]


def _delivery(endpoint: WebhookEndpoint, status: str = "pending") -> WebhookDelivery:
    return WebhookDelivery.objects.create(
        endpoint=endpoint, url=URL, event="detection.completed", payload="{}", status=status
    )


def _events() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_a_new_endpoint_has_a_secret_that_is_kept_sealed(alice):
    endpoint, secret = webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED)
    assert secret.startswith("whsec_")
    assert secret not in endpoint.secret
    assert endpoint.signing_secrets() == [secret]
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_id) == ("webhook_endpoint.created", alice.pk)
    told = event.change + AuditDetail.objects.get().body
    assert "cms.example.org" in told
    assert not any(word in told for word in ("planted0marker", secret, "whsec"))


def test_nobody_has_more_than_twenty(alice, bob):
    for _ in range(20):
        webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED)
    with pytest.raises(Refused, match="as many"):
        webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED)
    assert webhooks.add_endpoint(by=bob, url=URL, events=COMPLETED)
    webhooks.delete_endpoint(by=alice, endpoint=alice.webhook_endpoints.first())
    assert webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED)


def test_a_change_is_an_event_and_no_change_is_none(alice, endpoint):
    webhooks.change_endpoint(by=alice, endpoint=endpoint, events=["detection.failed"])
    webhooks.change_endpoint(by=alice, endpoint=endpoint, url="https://other.example.org/")
    webhooks.change_endpoint(by=alice, endpoint=endpoint, description="wire", is_enabled=True)
    assert _events()[1:] == ["webhook_endpoint.changed"] * 2
    change = json.loads(AuditEvent.objects.order_by("id")[1].change)
    assert change == {
        "before": {"events": COMPLETED},
        "after": {"events": ["detection.failed"]},
    }


def test_switching_off_cancels_what_waits_and_on_starts_anew(alice, endpoint):
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    waiting, done = _delivery(endpoint), _delivery(endpoint, "delivered")
    for is_enabled in (False, False, True, True):
        webhooks.change_endpoint(by=alice, endpoint=endpoint, is_enabled=is_enabled)
    endpoint.refresh_from_db()
    assert (endpoint.disabled_at, endpoint.disabled_because, endpoint.failing_since) == (
        None,
        "",
        None,
    )
    statuses = set(WebhookDelivery.objects.values_list("pk", "status"))
    assert statuses == {(waiting.pk, "cancelled"), (done.pk, "delivered")}
    assert _events()[1:] == ["webhook_endpoint.disabled", "webhook_endpoint.enabled"]


def test_a_rotation_keeps_the_old_secret_for_a_day(alice, endpoint):
    (old,) = endpoint.signing_secrets()
    row, new = webhooks.rotate_secret(by=alice, endpoint=endpoint)
    assert row.signing_secrets() == [new, old]
    left = row.previous_secret_until - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    row.previous_secret_until = timezone.now() - timedelta(seconds=1)
    assert row.signing_secrets() == [new]
    assert _events()[1:] == ["webhook_endpoint.rotated"]


def test_the_secret_of_callbacks_is_made_when_it_is_first_asked_for(alice):
    row, secret = webhooks.rotate_callback_secret(by=alice)
    again, newer = webhooks.rotate_callback_secret(by=alice)
    assert (row.pk, secret in again.signing_secrets()) == (again.pk, True)
    assert newer != secret


def test_a_deleted_endpoint_keeps_no_secret_and_takes_nothing(alice, endpoint):
    waiting = _delivery(endpoint)
    webhooks.rotate_secret(by=alice, endpoint=endpoint)
    webhooks.delete_endpoint(by=alice, endpoint=endpoint)
    row = WebhookEndpoint.objects.get()
    assert (row.secret, row.previous_secret) == ("", "")
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    for act in (webhooks.rotate_secret, webhooks.delete_endpoint, webhooks.resend_failed):
        with pytest.raises(Refused):
            act(by=alice, endpoint=endpoint)
    assert _events()[-1] == "webhook_endpoint.deleted"


@pytest.mark.parametrize("status", ["pending", "delivered"])
def test_what_waits_or_arrived_is_not_sent_again(alice, endpoint, status):
    with pytest.raises(Refused):
        webhooks.resend(by=alice, delivery=_delivery(endpoint, status))


def test_what_is_switched_off_sends_nothing_again(alice, endpoint):
    delivery = _delivery(endpoint, "failed")
    webhooks.change_endpoint(by=alice, endpoint=endpoint, is_enabled=False)
    with pytest.raises(Refused):
        webhooks.resend(by=alice, delivery=delivery)
    with pytest.raises(Refused):
        webhooks.resend_failed(by=alice, endpoint=endpoint)


def test_all_that_failed_is_sent_again_as_one_event(
    alice, endpoint, bells, django_capture_on_commit_callbacks
):
    for status in ["failed"] * 4 + ["cancelled", "delivered"]:
        _delivery(endpoint, status)
    with django_capture_on_commit_callbacks(execute=True):
        assert webhooks.resend_failed(by=alice, endpoint=endpoint) == 5
        assert webhooks.resend_failed(by=alice, endpoint=endpoint) == 0
    assert WebhookDelivery.objects.waiting().count() == 5
    assert [len(bell) for bell in bells] == [3]
    assert _events()[1:] == ["webhook_endpoint.resent"]


@pytest.mark.django_db(transaction=True)
def test_twenty_is_the_limit_for_many_at_once_too(alice):
    for _ in range(17):
        webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED)

    def add() -> bool:
        try:
            return bool(webhooks.add_endpoint(by=alice, url=URL, events=COMPLETED))
        except Refused:
            return False

    assert sum(in_parallel(add, times=6)) == 3


def test_an_erased_persons_endpoints_are_deleted_with_all_they_hold(alice, dora, endpoint):
    webhooks.rotate_callback_secret(by=alice)
    waiting = _delivery(endpoint)
    erase_person(by=dora, person=alice, reason="asked")
    for row in WebhookEndpoint.objects.all():
        assert row.deleted_at is not None
        assert (row.secret, row.previous_secret, row.description) == ("", "", "")
        assert "example" not in row.url
    waiting.refresh_from_db()
    assert (waiting.status, waiting.url, waiting.payload) == ("cancelled", "", "")
    assert not any("cms.example" in detail.body for detail in AuditDetail.objects.all())


def test_a_new_address_is_that_of_what_waits_and_what_is_sent_again(alice, endpoint):
    waiting, failed, arrived = (_delivery(endpoint, s) for s in ("pending", "failed", "delivered"))
    moved = webhooks.change_endpoint(by=alice, endpoint=endpoint, url="https://new.example.org/")
    webhooks.resend(by=alice, delivery=failed)
    for row, url in ((waiting, moved.url), (failed, moved.url), (arrived, URL)):
        row.refresh_from_db()
        assert row.url == url


def test_a_callback_that_is_sent_again_goes_where_it_was_to_go(alice):
    row, _secret = webhooks.rotate_callback_secret(by=alice)
    delivery = _delivery(row, "failed")
    webhooks.resend(by=alice, delivery=delivery)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.url) == ("pending", URL)
