"""Nothing lost, nothing doubled: workers, broker, web processes and clients fail on purpose.

Those marked `integration` run in CI as well, small; UNMASK_CHAOS=full makes all as large as in
`make chaos`.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.chaos.faults import arm, taken
from tests.chaos.ledger import Ledger
from tests.chaos.rows import again_and_again, seeds, settled, sized, step_of, submit_many, suspended
from tests.integration.installation import Installation

AGAIN = 10  # requests for one picture: all write, and not each leaves a minute of work behind


@pytest.mark.by_command
def test_workers_that_are_killed_lose_and_double_nothing(
    desk: Installation, client: httpx.Client
) -> None:
    ledger, drawn = Ledger(), random.Random(1)

    def kill() -> None:
        worker = desk.service("worker")
        drawn.choice([worker, *worker.children()]).kill()

    with again_and_again(ledger, kill, every_s=1.5):
        for _ in range(sized(500, 20)):
            ledger.submit(client, next(seeds))
            time.sleep(0.1)
        while ledger.faults < sized(50, 1):  # it is started ever more slowly, so that takes a while
            time.sleep(0.1)
    assert len(ledger.promised) == sized(500, 20)
    settled(desk, ledger)


@pytest.mark.integration
def test_a_broker_that_forgets_costs_no_verdict(desk: Installation, client: httpx.Client) -> None:
    ledger = Ledger()
    with suspended(desk):
        submit_many(ledger, client, sized(200, 12))
        desk.replace_broker(forgetful=True)
        ledger.note_fault()
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
        drawn.choice(desk.service("web").children()).kill()

    with again_and_again(ledger, kill, every_s=0.3, after_a_promise=True):
        while len(ledger.promised) < sized(400, 25) or ledger.faults < sized(200, 1):
            assert ledger.submit(client, next(seeds), tries=40)
    settled(desk, ledger)


@pytest.mark.by_command
def test_an_image_that_kills_its_process_fails_and_the_others_are_judged(
    desk: Installation, client: httpx.Client, faults: Path
) -> None:
    ledger, seed = Ledger(), next(seeds)
    step = step_of("judging", seed)
    arm(faults, "die", step)
    poison = ledger.submit(client, seed)
    submit_many(ledger, client, sized(50, 5))
    for number in range(1, 4):
        desk.wait_until(lambda n=number: len(taken(faults, "die", step)) == n, 90)
        ledger.note_fault()
        arm(faults, "die", step)
    settled(desk, ledger)
    body = client.get(f"/api/v1/detections/{poison}").json()
    assert (body["status"], len(taken(faults, "die", step))) == ("failed", 3)
    assert body["failure"]["code"] == "attempts_exhausted"
    kept = [pk for pk in ledger.ids if pk != poison]
    assert {client.get(f"/api/v1/detections/{pk}").json()["status"] for pk in kept} == {"done"}


@pytest.mark.by_command
def test_connections_to_the_broker_that_are_cut_cost_nothing(
    desk: Installation, client: httpx.Client
) -> None:
    """As a firewall does that forgets them: the worker must not wait for ever on a dead one."""
    ledger, broker = Ledger(), _broker(desk)

    def cut() -> None:
        broker.client_kill_filter(_type="normal", skipme=True)

    with again_and_again(ledger, cut, every_s=1.0):
        for _ in range(sized(200, 15)):
            assert ledger.submit(client, next(seeds)) is not None
            time.sleep(0.1)
    assert ledger.faults
    settled(desk, ledger)


def _broker(desk: Installation) -> Redis:
    asked = "from django.conf import settings; print(settings.REDIS_URL)"
    url = desk.manage("shell", "-v0", "-c", asked)
    return Redis.from_url(url.replace("redis+socket://", "unix://"))


@pytest.mark.by_command
def test_a_worker_that_is_stopped_is_ended_and_started_anew(
    desk: Installation, client: httpx.Client
) -> None:
    ledger, stopped = Ledger(), desk.service("worker")
    with suspended(desk):
        submit_many(ledger, client, sized(20, 2))
        ledger.note_fault()
        settled(desk, ledger)
    assert not stopped.is_running()
    assert "worker   | (has given no sign for 45 s; ending it)" in desk.log


@pytest.mark.by_command
def test_a_worker_that_takes_no_message_is_started_anew(
    desk: Installation, client: httpx.Client, faults: Path
) -> None:
    ledger, deaf = Ledger(), desk.service("worker")
    arm(faults, "hear nothing", "a sign of worker")
    desk.wait_until(lambda: taken(faults, "hear nothing", "a sign of worker") == [deaf.pid], 60)
    submit_many(ledger, client, sized(20, 2))
    ledger.note_fault()
    settled(desk, ledger)
    assert not deaf.is_running()
    assert "messages wait and none is taken" in desk.log


@pytest.mark.integration
def test_many_writers_and_a_reader_meet_no_error(desk: Installation, client: httpx.Client) -> None:
    ledger, until = Ledger(), time.monotonic() + sized(300, 3)
    answers: list[int] = []

    def read() -> None:
        while time.monotonic() < until:
            answers.append(client.get("/api/v1/detections").status_code)

    def write() -> None:
        seed = 0
        for number in count():
            if time.monotonic() >= until:
                return
            if number % AGAIN == 0:
                seed = next(seeds)
            assert ledger.submit(client, seed, request=f"-{number}", priority="bulk")

    with ThreadPoolExecutor(9) as pool:
        for task in [pool.submit(read), *(pool.submit(write) for _ in range(8))]:
            task.result()
    assert ledger.promised
    assert (ledger.refused, ledger.broken) == ({}, 0)
    assert set(answers) == {200}
    settled(desk, ledger)
