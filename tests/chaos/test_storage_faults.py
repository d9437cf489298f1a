"""The database is brought down hard, the machine loses its power or all it had, the disk is full
or rots.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.chaos.cluster import Cluster, programs
from tests.chaos.ledger import UNAVAILABLE, Ledger
from tests.chaos.rows import NO_LIMITS, again_and_again, seeds, settled, sized, submit_many
from tests.integration.installation import EMAIL, PASSWORD, Installation

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
            with again_and_again(ledger, cluster.restart_hard, every_s=3.0, after_a_promise=True):
                for _ in range(sized(300, 25)):
                    ledger.submit(client, next(seeds), tries=240)
            assert ledger.faults
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
    ledger.note_fault()


def _kill_all(desk: Installation) -> None:
    """Every process at once, the supervisor first, so that it restarts nobody."""
    assert desk.process is not None
    family = desk.family()
    desk.process.kill()
    for one in family:
        if one.is_running():
            one.kill()
    desk.process.wait()


@pytest.mark.by_command
def test_a_backup_taken_during_load_brings_back_what_was_promised_before(tmp_path: Path) -> None:
    """As docs/operations.md says, onto a machine that has nothing but the backup."""
    desk, ledger, backup = Installation(tmp_path / "data", **NO_LIMITS), Ledger(), tmp_path / "copy"
    try:
        with desk.start().client() as client:
            with _sending(ledger, client):
                desk.wait_until(lambda: len(ledger.promised) >= sized(200, 20), 120)
                before = dict(ledger.promised)
                said = desk.manage("backup", str(backup), "--with-secrets")
            desk.stop()
            _lose_all(desk)
            print(f"\n{len(before)} promised before, {len(ledger.promised)} in all; {said}")
            ledger.promised, ledger.last_fault_at = before, time.monotonic()
            assert "Restored, and as recorded." in desk.manage("restore", str(backup))
            desk.start()
            settled(desk, ledger)
            desk.manage("verify_evidence")
            desk.manage("verify_audit")
            _downloads(desk, random.Random(5).sample(sorted(before), 20), before)
    finally:
        desk.close()


@contextmanager
def _sending(ledger: Ledger, client: httpx.Client) -> Iterator[None]:
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set():
            ledger.submit(client, next(seeds))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        is_over.set()
        for one in threads:
            one.join()


def _lose_all(desk: Installation) -> None:
    shutil.rmtree(desk.data)
    desk.database.drop()
    desk.database.create(is_empty=True)
    if desk.redis:
        desk.redis.stop()
        desk.redis.start(forgetful=True)


def _downloads(desk: Installation, ids: list[str], sha256: dict[str, str]) -> None:
    """A person signs in and downloads these originals."""
    with httpx.Client(base_url=desk.origin, follow_redirects=True, timeout=20) as browser:
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', browser.get("/").text)
        assert token
        form = {"login": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        assert browser.post("/accounts/login/", data=form).status_code == 200
        for pk in ids:
            page = browser.get(f"/detections/{pk}").text
            link = re.search(r'href="(/images/[\w-]+/original)"', page)
            assert link, page
            original = browser.get(link[1]).content
            assert hashlib.sha256(original).hexdigest() == sha256[pk]


@pytest.mark.by_command
def test_a_disk_that_rots_is_named_file_by_file(desk: Installation, client: httpx.Client) -> None:
    ledger = Ledger()
    submit_many(ledger, client, sized(500, 12))
    settled(desk, ledger)
    paths = sorted(desk.data.glob("originals/*/*"))
    chosen = random.Random(4).sample(paths, 7)
    flipped, lost = chosen[:5], chosen[5:]
    kept = {path: path.read_bytes() for path in chosen}
    strangers = [chosen[0].with_name(str(uuid.uuid4())) for _ in range(2)]
    strangers.append(chosen[1].with_name("thumbs.db"))
    for number, path in enumerate(flipped):
        _write(path, _with_a_bit_turned(kept[path], number))
    for path in lost:
        path.unlink()
    for path in strangers:
        path.write_bytes(kept[chosen[2]])
    try:
        ended = desk.run("verify_evidence")
        wanted = {f"changed: image/{path.name} (original)" for path in flipped}
        wanted |= {f"missing: image/{path.name}" for path in lost}
        assert set(ended.stderr.splitlines()) == wanted
        listed = {f"of no image: {path.relative_to(desk.data)}" for path in strangers}
        assert set(ended.stdout.splitlines()) == listed
        assert ended.returncode == 2
    finally:
        for path, data in kept.items():
            _write(path, data)
        for path in strangers:
            path.unlink()
    assert desk.run("verify_evidence").returncode == 0


def _with_a_bit_turned(data: bytes, number: int) -> bytes:
    """At the beginning, the end or between."""
    at = (len(data) - 1) * number // 4
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(0o440)


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
