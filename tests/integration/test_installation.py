"""What only real processes can show: nothing lost, nothing doubled, no orphan left."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.installation import PROJECT, Installation, free_port, status, submit

pytestmark = pytest.mark.integration


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path / "data") as running:
        yield running


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Installation]:
    """One whose database and folder are made by its first start."""
    with Installation(tmp_path / "data", is_from_nothing=True) as running:
        yield running


def _all_done(client: object, ids: list[str]) -> bool:
    return all(status(client, pk) == "done" for pk in ids)


def test_it_judges_keeps_and_ends_without_an_orphan(new: Installation) -> None:
    with new.client() as client:
        ids = [submit(client, seed) for seed in range(3)]
        new.wait_until(lambda: _all_done(client, ids), 30)
    family = new.family()
    assert not any("tensorflow" in m.path for p in family for m in p.memory_maps(grouped=True))

    assert new.stop() == 0
    new.wait_until(lambda: not any(p.is_running() for p in family), 5)

    new.start()
    with new.client() as client:
        assert _all_done(client, ids)


def test_a_killed_worker_loses_and_doubles_nothing(installation: Installation) -> None:
    with installation.client() as client:
        ids = []
        for seed in range(24):
            ids.append(submit(client, seed))
            if seed % 8 == 4:
                pool = installation.service("worker").children()
                victim = pool[0] if seed == 4 and pool else installation.service("worker")
                victim.send_signal(signal.SIGKILL)
        installation.wait_until(lambda: _all_done(client, ids), 60)
    verdicts = installation.database.count(
        "select count(*) from accounts_auditevent where action = 'detection.completed'"
    )
    assert verdicts == len(set(ids)) == 24


def test_what_is_sent_while_the_broker_is_stopped_is_judged_later(
    installation: Installation,
) -> None:
    with installation.client() as client:
        submit(client, 100)  # so that the web processes hold an open connection
        installation.broker().suspend()
        ids = [submit(client, 200 + n) for n in range(5)]
        installation.replace_broker()
        installation.wait_until(lambda: _all_done(client, ids), 90)


@pytest.mark.any_database
def test_a_killed_supervisor_leaves_no_orphan(installation: Installation) -> None:
    family = installation.family()
    assert len(family) >= 6
    installation.process.kill()
    installation.process.wait()
    installation.wait_until(lambda: not any(_is_alive(p) for p in family), 20)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _refusal(environment: dict[str, str]) -> str:
    """What a start that does not come about says."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    return ended.stderr


@pytest.mark.any_database
def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        environment = {**os.environ, "UNMASK_DATA": str(tmp_path), "PORT": str(port)}
        environment["DJANGO_SETTINGS_MODULE"] = "deepfake_site.settings"
        refusal = _refusal(environment)
    assert f"Port {port}" in refusal
    assert f"PORT={port + 1} make run" in refusal


@pytest.mark.any_database
def test_a_second_start_on_the_same_folder_is_refused(installation: Installation) -> None:
    other = {**installation.environment, "PORT": str(free_port())}
    refusal = _refusal(other)
    assert f"already runs on {installation.data}: {installation.origin}, process" in refusal
    with installation.client() as client:
        pk = submit(client, 1)
        installation.wait_until(lambda: status(client, pk) == "done", 30)
