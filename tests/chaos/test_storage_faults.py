"""The database is brought down hard, the machine loses its power, the disk is full."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.cluster import Cluster, programs
from tests.chaos.ledger import UNAVAILABLE, Ledger
from tests.chaos.test_faults import NO_LIMITS, again_and_again, seeds, settled, sized
from tests.integration.installation import Installation

SMALL_DISK = "64m"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's server is not installed")
    own = Cluster(found)
    own.start()
    yield own
    own.close()


@pytest.mark.by_command
def test_a_database_that_is_restarted_hard_costs_nothing(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", cluster.url)
    desk, ledger = Installation(tmp_path / "data", **NO_LIMITS), Ledger()
    try:
        with desk.start().client() as client:
            with again_and_again(cluster.restart_hard, every_s=3.0) as restarts:
                for _ in range(sized(300, 25)):
                    ledger.submit(client, next(seeds), tries=40)
            assert restarts
            assert len(ledger.promised) == sized(300, 25)
            assert set(ledger.refused) <= UNAVAILABLE
            settled(desk, ledger)
    finally:
        desk.close()


@pytest.mark.by_command
def test_a_machine_that_loses_its_power_keeps_what_it_promised(tmp_path: Path) -> None:
    desk, ledger = Installation(tmp_path / "data", **NO_LIMITS), Ledger()
    try:
        key = ""
        for _ in range(sized(10, 2)):
            with desk.start().client() as client:
                key = key or client.headers["Authorization"]
                _submit_until_killed(desk, client, ledger)
        with desk.start().client():
            settled(desk, ledger)
        assert ledger.promised
    finally:
        desk.close()


def _submit_until_killed(desk: Installation, client: httpx.Client, ledger: Ledger) -> None:
    timer = threading.Timer(3.0, lambda: _kill_all(desk))
    timer.start()
    while timer.is_alive():
        ledger.submit(client, next(seeds))
    timer.join()


def _kill_all(desk: Installation) -> None:
    """Every process at once, the supervisor first, so that it restarts nobody."""
    assert desk.process is not None
    family = desk.family()
    desk.process.kill()
    for one in family:
        if one.is_running():
            one.kill()
    desk.process.wait()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk of its own")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", folder], check=True
    )
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.integration
def test_a_full_disk_is_said_and_nothing_is_half_there(small_disk: Path) -> None:
    desk, ledger = Installation(small_disk / "data", **NO_LIMITS), Ledger()
    filler = small_disk / "filler"
    try:
        with desk.start().client() as client:
            before = [ledger.submit(client, next(seeds)) for _ in range(3)]
            _fill(filler)
            during = [ledger.submit(client, next(seeds)) for _ in range(sized(40, 6))]
            filler.unlink()
            after = [ledger.submit(client, next(seeds), tries=5) for _ in range(3)]
            assert all(before)
            assert all(after)
            assert None in during
            assert set(ledger.refused) <= UNAVAILABLE
            settled(desk, ledger)
    finally:
        desk.close()


def _fill(path: Path) -> None:
    """Write until there is no byte left."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
