"""Nothing lost, nothing doubled: workers, broker, web processes and clients fail on purpose.

Those marked `integration` run in CI as well, small; UNMASK_CHAOS=full makes all as large as in
`make chaos`.
"""

import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count

import httpx
import psutil
import pytest

from tests.chaos.ledger import Ledger, all_ended
from tests.integration.installation import Installation

IS_FULL = os.environ.get("UNMASK_CHAOS") == "full"
NO_LIMITS = {"UNMASK_API_REQUESTS_PER_MINUTE": "1000000"}
seeds = count(1)
RUNNING = "select lease_owner, id from detection_detection where status = 'running'"


def sized(full: int, small: int) -> int:
    return full if IS_FULL else small


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("chaos") / "data", **NO_LIMITS)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture(scope="module")
def client(desk: Installation) -> Iterator[httpx.Client]:
    with desk.client() as one:
        yield one


@contextmanager
def again_and_again(action: Callable[[], object], every_s: float) -> Iterator[list[object]]:
    """Meanwhile, do something at random moments, so often on average."""
    done, is_over, drawn = list[object](), threading.Event(), random.Random(3)

    def act() -> None:
        while not is_over.wait(every_s * drawn.uniform(0.4, 1.6)):
            with suppress(psutil.Error, AssertionError):
                done.append(action())

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield done
    finally:
        is_over.set()
        thread.join()


@contextmanager
def suspended(desk: Installation) -> Iterator[None]:
    """Meanwhile the worker lives and does nothing."""
    worker = desk.service("worker")
    family = [worker, *worker.children(recursive=True)]
    for one in family:
        one.suspend()
    try:
        yield
    finally:
        for one in family:
            one.resume()


def settled(desk: Installation, ledger: Ledger, within_s: float = 150) -> None:
    """Everything has ended, and is as it was promised."""
    desk.wait_until(lambda: all_ended(desk), within_s)
    assert ledger.differences(desk) == []


def submit_many(ledger: Ledger, client: httpx.Client, number: int, *, tries: int = 1) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda n: ledger.submit(client, n, tries=tries),
                [next(seeds) for _ in range(number)],
            )
        )


@pytest.mark.by_command
def test_workers_that_are_killed_lose_and_double_nothing(
    desk: Installation, client: httpx.Client
) -> None:
    ledger, drawn = Ledger(), random.Random(1)

    def kill() -> None:
        worker = desk.service("worker")
        drawn.choice([worker, *worker.children()]).kill()

    with again_and_again(kill, every_s=1.5) as killed:
        for _ in range(sized(500, 20)):
            ledger.submit(client, next(seeds))
            time.sleep(0.1)
    assert killed
    assert len(ledger.promised) == sized(500, 20)
    settled(desk, ledger)


@pytest.mark.integration
def test_a_broker_that_forgets_costs_no_verdict(desk: Installation, client: httpx.Client) -> None:
    ledger = Ledger()
    with suspended(desk):
        submit_many(ledger, client, sized(200, 12))
        desk.replace_broker(forgetful=True)
    assert len(ledger.promised) == sized(200, 12)
    settled(desk, ledger)


@pytest.mark.integration
def test_messages_that_come_three_times_give_one_verdict(
    desk: Installation, client: httpx.Client
) -> None:
    ledger = Ledger()
    submit_many(ledger, client, sized(200, 10))
    again = ", ".join(repr(pk) for pk in ledger.ids * 3)
    desk.manage(
        "shell",
        "-c",
        f"from detection.doorbell import ring\nfor pk in [{again}]: ring(pk, 'detect')",
    )
    settled(desk, ledger)


@pytest.mark.integration
def test_web_processes_that_are_killed_keep_what_they_promised(
    desk: Installation, client: httpx.Client
) -> None:
    ledger, drawn = Ledger(), random.Random(2)

    def kill() -> None:
        desk_web = desk.service("web").children()
        drawn.choice(desk_web).kill()

    with again_and_again(kill, every_s=0.7) as killed:
        for _ in range(sized(400, 25)):
            ledger.submit(client, next(seeds), tries=20)
    assert killed
    assert len(ledger.promised) == sized(400, 25)
    settled(desk, ledger)


@pytest.mark.by_command
def test_an_image_that_kills_its_process_fails_and_the_others_are_judged(
    desk: Installation, client: httpx.Client
) -> None:
    ledger = Ledger()
    with suspended(desk):  # large, so that its process can be caught at it
        poison = ledger.submit(client, next(seeds), width=4000)
        assert poison is not None
    submit_many(ledger, client, sized(50, 5))

    def status() -> str:
        return client.get(f"/api/v1/detections/{poison}").json()["status"]

    killed = set[str]()  # by the name of each process
    while status() not in {"done", "failed"}:
        for owner, pk in desk.database.rows(RUNNING):
            if uuid.UUID(str(pk)) == uuid.UUID(poison):
                with suppress(ProcessLookupError):
                    os.kill(int(owner.split(":")[1]), signal.SIGKILL)
                    killed.add(owner)
    body = client.get(f"/api/v1/detections/{poison}").json()
    assert (body["status"], len(killed)) == ("failed", 3)
    assert body["failure"]["code"] == "attempts_exhausted"
    settled(desk, ledger)
    kept = [pk for pk in ledger.ids if pk != poison]
    assert {client.get(f"/api/v1/detections/{pk}").json()["status"] for pk in kept} == {"done"}


@pytest.mark.by_command
def test_a_worker_that_lives_and_does_not_work_makes_the_desk_unready(
    desk: Installation, client: httpx.Client
) -> None:
    ledger = Ledger()

    def is_ready() -> bool:
        return client.get("/readyz").status_code == 200

    with suspended(desk):
        submit_many(ledger, client, 2)
        desk.wait_until(lambda: not is_ready(), 90)
    desk.wait_until(is_ready, 60)
    settled(desk, ledger)


@pytest.mark.integration
def test_many_writers_and_a_reader_meet_no_error(desk: Installation, client: httpx.Client) -> None:
    ledger, until = Ledger(), time.monotonic() + sized(300, 3)
    answers: list[int] = []

    def read() -> None:
        while time.monotonic() < until:
            answers.append(client.get("/api/v1/detections").status_code)

    def write() -> None:
        while time.monotonic() < until:
            ledger.submit(client, next(seeds), priority="bulk")

    with ThreadPoolExecutor(9) as pool:
        for task in [pool.submit(read), *(pool.submit(write) for _ in range(8))]:
            task.result()
    assert ledger.promised
    assert (ledger.refused, ledger.broken) == ({}, 0)
    assert set(answers) == {200}
    settled(desk, ledger, within_s=60 + len(ledger.promised))
