"""Webhooks by real processes: sent again after a failure, and after the sender's death."""

import ipaddress
import multiprocessing
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connections
from standardwebhooks import Webhook

from detection.models import WebhookDelivery, webhook
from detection.services import delivering, webhooks
from tests.integration.installation import EMAIL, Installation, submit
from tests.receivers import receiver

pytestmark = pytest.mark.integration
DELIVERIES, KILLS = 200, 20
FORK = multiprocessing.get_context("fork")


def _deliver_all_that_is_due() -> None:
    """What the process `deliver` does, without a broker: three threads, for ever."""
    with ThreadPoolExecutor(3) as pool:
        while True:
            due = WebhookDelivery.objects.due().order_by("due_at").values_list("pk", flat=True)
            list(pool.map(delivering.deliver, list(due[:6])))


@pytest.fixture
def fast(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of dead senders end soon, failures are tried again at once, no doorbell is rung."""
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]
    monkeypatch.setattr(webhook, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(delivering, "retry_after", lambda attempt: timedelta(seconds=0.1))
    monkeypatch.setattr(delivering.doorbell, "send", lambda *_, **__: True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fast")
def test_of_200_webhooks_none_is_lost_by_killing_the_sender_20_times(alice):
    with receiver(200) as it:
        endpoint, _secret = webhooks.add_endpoint(by=alice, url=it.url, events=["a"])
        rows = [
            WebhookDelivery(endpoint=endpoint, url=it.url, event="a", payload=f'{{"n":{n}}}')
            for n in range(DELIVERIES)
        ]
        WebhookDelivery.objects.bulk_create(rows)
        pending = WebhookDelivery.objects.filter(status="pending")
        for kill in range(KILLS + 1):
            connections.close_all()
            sender = FORK.Process(target=_deliver_all_that_is_due)
            sender.start()
            deadline = time.monotonic() + (random.uniform(0.1, 0.8) if kill < KILLS else 120)
            while time.monotonic() < deadline and pending.exists():
                time.sleep(0.02)
            sender.kill()
            sender.join()
        statuses = set(WebhookDelivery.objects.values_list("status", flat=True))
        arrived = [message.id for message in it.messages]
    print(f"{len(arrived)} messages for {DELIVERIES} webhooks")
    assert set(arrived) == {row.message_id for row in rows}
    assert statuses == {"delivered"}


def test_a_verdict_reaches_a_callback_at_the_second_attempt(tmp_path):
    with receiver(500, 200) as it, receiver("hang") as stuck:
        desk = Installation(tmp_path / "data", UNMASK_OUTBOUND_ALLOW="127.0.0.0/8")
        try:
            desk.start()
            scopes = ["--scope", "detections:write", "--scope", "webhooks:write"]
            key = desk.manage("create_api_key", EMAIL, "pipeline", *scopes)
            headers = {"Authorization": f"Bearer {key}"}
            with httpx.Client(base_url=desk.origin, headers=headers, timeout=20) as client:
                answer = client.post("/api/v1/webhooks/callbacks/rotate")
                submit(client, 1, callback_url=stuck.url)
                desk.wait_until(lambda: bool(stuck.messages))
                detection = submit(client, 2, callback_url=it.url)
                desk.wait_until(lambda: len(it.messages) == 2)
        finally:
            desk.close()
    first, second = it.messages
    assert first.id == second.id
    waited = int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"])
    assert 4 <= waited <= 7  # the broker holds the doorbell for five seconds
    body = Webhook(answer.json()["secret"]).verify(second.body, second.headers)
    assert (body["data"]["id"], body["data"]["status"]) == (detection, "done")
    assert "planted0marker" not in desk.log
