"""A process dies, stops or hangs at a step that has a name, not only at a random moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.chaos.faults import ENDS, UPLOAD_STEPS, arm, taken
from tests.chaos.ledger import Ledger
from tests.chaos.rows import seeds, settled, sized, step_of, submit_many
from tests.integration.installation import PROJECT, Installation

LEASE_S = 40
A_DAY_OLD = time.time() - 25 * 3600


@pytest.mark.integration
def test_a_web_process_that_dies_at_any_step_of_an_upload_breaks_no_promise(
    desk: Installation, client: httpx.Client, faults: Path
) -> None:
    ledger = Ledger()
    for step in UPLOAD_STEPS:
        for number in range(1, 1 + sized(25, 1)):
            arm(faults, "die", step)
            ledger.submit(client, next(seeds), tries=20)
            desk.wait_until(lambda s=step, n=number: _deaths(faults, s) == n, 10)
            ledger.note_fault()
    assert len(ledger.promised) == ledger.faults <= ledger.broken
    settled(desk, ledger)
    ids = ", ".join(f"'{pk.replace('-', '')}', '{pk}'" for pk in ledger.ids)
    once = f"select count(*) from detection_submission where cast(detection_id as text) in ({ids})"
    assert desk.database.count(once) == len(ledger.promised)
    _everything_is_tidied_away(desk)


def _deaths(faults: Path, step: str) -> int:
    return len(taken(faults, "die", step))


def _everything_is_tidied_away(desk: Installation) -> None:
    """A day later, of all that was broken off nothing lies where it does not belong."""
    for path in [*desk.data.glob("incoming/*"), *desk.data.glob("originals/*/*")]:
        os.utime(path, (A_DAY_OLD, A_DAY_OLD))
    desk.manage("sweep")
    assert list(desk.data.glob("incoming/*")) == []
    originals = desk.database.count("select count(*) from detection_image")
    assert len(list(desk.data.glob("originals/*/*"))) == originals


@pytest.mark.by_command
def test_a_worker_that_slept_past_its_lease_changes_nothing_when_it_wakes(
    desk: Installation, client: httpx.Client, faults: Path
) -> None:
    """Two images: of the first another worker has recorded a verdict when the sleeper wakes, of the
    second it is about to, so that the row is leased and only the attempt tells the two apart.
    """
    ledger, (first, second) = Ledger(), (next(seeds), next(seeds))
    step, other_step = step_of("judged", first), step_of("judged", second)
    arm(faults, "stop", step)
    arm(faults, "stop", other_step)
    ids = [ledger.submit(client, seed) for seed in (first, second)]
    desk.wait_until(lambda: _stopped(faults, step) and _stopped(faults, other_step), 20)
    sleepers = {*_stopped(faults, step), *_stopped(faults, other_step)}
    ledger.note_fault()
    with _suspended_but(desk, sleepers), _another_worker(desk) as other:
        arm(faults, "stop", other_step)
        desk.wait_until(lambda: len(_stopped(faults, other_step)) == 2, LEASE_S + 60)
        desk.wait_until(lambda: _row(desk, ids[0])[0] == "done", 20)
        (awaited,) = {*_stopped(faults, other_step)} - sleepers
        assert psutil.Process(awaited).ppid() == other.pid
        recorded, leased = _row(desk, ids[0]), _row(desk, ids[1])
        assert (recorded[1], leased[:2]) == (2, ("running", 2))
        before = len(_ends(faults, sleepers))
        _wake(*sleepers)
        ledger.note_fault()
        desk.wait_until(lambda: len(_ends(faults, sleepers)) == before + 2, 20)
        assert _ends(faults, sleepers)[before:] == [(1, False)] * 2
        assert (_row(desk, ids[0]), _row(desk, ids[1])) == (recorded, leased)
        _wake(awaited)
        desk.wait_until(lambda: _row(desk, ids[1])[0] == "done", 20)
    assert (_row(desk, ids[0]), _row(desk, ids[1])[1]) == (recorded, 2)
    settled(desk, ledger)


@pytest.mark.by_command
def test_what_hangs_is_ended_and_its_place_is_free_again(
    desk: Installation, client: httpx.Client, faults: Path
) -> None:
    """Both processes of the worker: one hears that its time is over, one has to be killed."""
    ledger, hanging = Ledger(), {"sleep": next(seeds), "sleep deaf": next(seeds)}
    for what, seed in hanging.items():
        arm(faults, what, step_of("judging", seed))
    ids = [ledger.submit(client, seed) for seed in hanging.values()]
    for what, seed in hanging.items():
        desk.wait_until(lambda w=what, s=seed: taken(faults, w, step_of("judging", s)) != [], 20)
        ledger.note_fault()
    submit_many(ledger, client, sized(50, 6))
    settled(desk, ledger)
    assert [_row(desk, pk)[:2] for pk in ids] == [("done", 2)] * 2
    failed = "select count(*) from detection_detection where failure_code = 'decoder_timeout'"
    assert desk.database.count(failed) == 0


@contextmanager
def _suspended_but(desk: Installation, sleepers: set[int]) -> Iterator[None]:
    """Their worker sleeps as well, or it would end them: their time is over long before the lease.

    The sleepers sleep by themselves, and are woken at the end at the latest.
    """
    worker = desk.service("worker")
    worker.suspend()
    try:
        yield
    finally:
        for pid in sleepers:
            with suppress(ProcessLookupError):
                _wake(pid)
        worker.resume()


def _stopped(faults: Path, step: str) -> list[int]:
    """The processes that stopped there, or are there no more."""
    return [pid for pid in taken(faults, "stop", step) if _is_stopped(pid)]


def _is_stopped(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return False


def _wake(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def _ends(faults: Path, by: set[int]) -> list[tuple[int, bool]]:
    """Each attempt of these processes to record a verdict: its number, and whether it did."""
    lines = (line.split() for line in (faults / ENDS).read_text().splitlines())
    return [(int(attempt), did == "True") for pid, attempt, did in lines if int(pid) in by]


def _row(desk: Installation, pk: str | None) -> tuple[object, ...]:
    """Status, attempt and all that a verdict writes."""
    (row,) = desk.database.rows(
        "select status, attempt, verdict, probability, logit, completed_at, timings_ms "
        f"from detection_detection where id in ('{pk}', '{str(pk).replace('-', '')}')"
        if not desk.database.server
        else "select status, attempt, verdict, probability, logit, completed_at, timings_ms::text "
        f"from detection_detection where id = '{pk}'"
    )
    return row


@contextmanager
def _another_worker(desk: Installation) -> Iterator["subprocess.Popen[bytes]"]:
    """A second one for the queue that somebody waits for, as on another machine."""
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "deepfake_site", "worker"]
    command += ["--queues", "sweep,detect", "--hostname", "other@%h"]
    with desk.log_path.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=desk.environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
