"""A pipeline against a desk that keeps being killed: each image one verdict and one webhook."""

import io
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from standardwebhooks import Webhook

from client.server import Desk
from tests import images
from tests.integration.installation import EMAIL, Installation
from tests.receivers import Receiver, receiver

pytestmark = pytest.mark.integration
IMAGES = int(os.environ.get("UNMASK_PIPELINE_IMAGES", "40"))
IN_A_BATCH = min(100, max(10, IMAGES // 10))
ANSWERS = [200, 200, 200, 500] * 10 + [200]  # a receiver that fails now and then
KILLED = ("worker", "bulk", "deliver", "web")
SCOPES = ("detections:write", "detections:read", "webhooks:write")


@contextmanager
def _killing(installation: Installation, every_s: float, seed: int) -> Iterator[list[str]]:
    """Meanwhile, kill a process of the desk now and then: a whole service, or one of its pool."""
    killed: list[str] = []
    is_over = threading.Event()
    chosen = random.Random(seed)

    def kill() -> None:
        while not is_over.wait(every_s * chosen.uniform(0.5, 1.5)):
            name = chosen.choice(KILLED)
            with suppress(psutil.Error, AssertionError):
                service = installation.service(name)
                victims = [service, *service.children()]
                chosen.choice(victims).send_signal(signal.SIGKILL)
                killed.append(name)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(
        tmp_path / "data",
        UNMASK_OUTBOUND_ALLOW="127.0.0.1/32",
        UNMASK_API_REQUESTS_PER_MINUTE="100000",
    ) as running:
        yield running


def _send(desk: Desk, first: int) -> list[str]:
    """One batch, under a key of its own however often it has to be sent; the detections' ids."""
    numbers = range(first, min(first + IN_A_BATCH, IMAGES))
    files = [io.BytesIO(images.jpeg_bytes(seed=number)) for number in numbers]
    accepted = desk.submit_batch(
        files, names=[f"{n}.jpg" for n in numbers], idempotency_key=f"batch-{first}"
    )
    assert [result["problem"] for result in accepted["results"]] == [None] * len(files)
    return [result["detection"]["id"] for result in accepted["results"]]


@contextmanager
def _verifying(it: Receiver, secret: str) -> Iterator[list[dict[str, Any]]]:
    """What came, verified at once: the public library takes no signature five minutes old."""
    verified: list[dict[str, Any]] = []
    is_over = threading.Event()

    def verify() -> None:
        while not is_over.wait(0.5) or len(verified) < len(it.messages):
            for one in it.messages[len(verified) :]:
                verified.append(Webhook(secret).verify(one.body, dict(one.headers)))

    with ThreadPoolExecutor(1) as pool:
        verifying = pool.submit(verify)
        try:
            yield verified
        finally:
            is_over.set()
            verifying.result()


def test_every_image_gets_one_verdict_and_one_webhook(installation: Installation) -> None:
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    key = installation.manage("create_api_key", EMAIL, "pipeline", *scopes)
    with receiver(*ANSWERS) as it, Desk(installation.origin, key) as desk:
        with installation.client() as client:
            client.headers["Authorization"] = f"Bearer {key}"
            body = {"url": it.url, "events": ["detection.completed", "detection.failed"]}
            secret = client.post("/api/v1/webhooks", json=body).json()["secret"]
        started = time.monotonic()
        with _verifying(it, secret) as messages:
            with (
                _killing(installation, every_s=5.0, seed=7) as killed,
                ThreadPoolExecutor(4) as pool,
            ):
                batches = list(pool.map(lambda n: _send(desk, n), range(0, IMAGES, IN_A_BATCH)))
                ids = [pk for batch in batches for pk in batch]
                for pk in ids:
                    desk.wait(pk)
            installation.wait_until(lambda: len({r.id for r in it.messages}) >= IMAGES, 180)
    print(f"{IMAGES} images, {len(killed)} kills, {time.monotonic() - started:.0f} s")
    assert killed
    assert len(set(ids)) == IMAGES
    told = [message["data"]["id"] for message in messages]
    assert sorted(set(told)) == sorted(ids)
    assert {m["data"]["status"] for m in messages} == {"done"}
    assert len({r.id for r in it.messages}) == IMAGES  # a second arrival has the first one's id
    count = installation.database.count
    assert count("select count(*) from detection_detection where status = 'done'") == IMAGES
    assert count("select count(*) from detection_submission") == IMAGES
    completed = "select count(*) from accounts_auditevent where action = 'detection.completed'"
    assert count(completed) == IMAGES
