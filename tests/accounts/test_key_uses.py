"""The first use of a key from a network each day is an event, and no other use is."""

import json
from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.keys import record_first_use
from accounts.models import ApiKey, ApiKeyUse, AuditEvent
from tests.factories import in_parallel


def use(plaintext: str, address: str = "192.0.2.9") -> None:
    client = Client(REMOTE_ADDR=address, headers={"Authorization": f"Bearer {plaintext}"})
    assert client.get("/api/v1/detections").status_code == 200


def uses() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="api_key.used").order_by("id"))


def test_it_is_recorded_once_a_network_and_day(alice, key_of):
    plaintext = key_of(alice)
    for address in ("192.0.2.9", "192.0.2.200", "198.51.100.1", "192.0.2.9"):
        use(plaintext, address)
    networks = [json.loads(event.detail.body)["network"] for event in uses()]
    assert networks == ["192.0.2.0/24", "198.51.100.0/24"]


def test_the_event_names_the_key_and_keeps_the_network_apart(alice, key_of):
    use(key_of(alice))
    [event], key = uses(), ApiKey.objects.get()
    assert (event.actor_id, event.target_type, event.target_id) == (
        alice.pk,
        "apikey",
        str(key.pk),
    )
    assert json.loads(event.change)["after"]["prefix"] == key.prefix == event.key_prefix
    assert "192.0.2" not in str(AuditEvent.objects.filter(pk=event.pk).values().get())


def test_another_key_and_another_day_are_other_uses(alice, key_of, monkeypatch):
    first, second = key_of(alice), key_of(alice)
    use(first)
    use(second)
    monkeypatch.setattr(
        "accounts.keys.timezone.now", lambda: datetime(2099, 1, 2, 0, 0, 1, tzinfo=UTC)
    )
    record_first_use(ApiKey.objects.get(prefix=first[4:12]), "192.0.2.9")
    assert len(uses()) == 3
    assert ApiKeyUse.objects.count() == 2  # yesterday's are not kept


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_one_first_use(alice, key_of):
    plaintext = key_of(alice)
    in_parallel(lambda: use(plaintext), times=6)
    assert len(uses()) == 1


def test_a_refused_key_is_no_use(alice, key_of):
    plaintext = key_of(alice)
    ApiKey.objects.update(networks=["198.51.100.0/24"])
    client = Client(REMOTE_ADDR="192.0.2.9", headers={"Authorization": f"Bearer {plaintext}"})
    assert client.get("/api/v1/detections").status_code == 401
    assert uses() == []


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.9", "192.0.2.0/24"),
        ("::ffff:192.0.2.9", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_a_network_is_a_neighbourhood(address, network):
    assert ApiKey.network_of(address) == network
