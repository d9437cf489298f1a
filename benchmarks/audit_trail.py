"""Audit events a second from many writers, and rows a second of a verification.

    python -m benchmarks.audit_trail [--writers 16] [--owners 8] [--seconds 10] [--rows 100000]

Writes to a temporary SQLite database, or to the one of DATABASE_URL, which must be empty. Wanted:
500 events a second on PostgreSQL with 16 writers over 8 owners, 100 on SQLite; 50,000 rows a second
verified.
"""

import argparse
import os
import tempfile
import time
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import Queue

import django
from rich.console import Console
from rich.table import Table

WANTED_EVENTS = {"postgresql": 500, "sqlite": 100}
WANTED_ROWS = 50_000


def prepare(owners: int) -> list[int]:
    from django.core.management import call_command
    from django.db import connections

    from accounts.models import User

    call_command("migrate", verbosity=0)
    people = [User.objects.create_user(f"owner{n}@example.org", "x" * 12).pk for n in range(owners)]
    connections.close_all()
    return people


def write(owner_id: int, seconds: float, times: "Queue[list[float]]") -> None:
    """In a process of its own: events about one owner's objects, each its own transaction."""
    from django.db import transaction

    from accounts import audit
    from accounts.models import User

    owner, laps = User.objects.get(pk=owner_id), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        with transaction.atomic():
            audit.record(
                "image.looked_at", actor=owner, target=owner, owner=owner, detail={"name": "x"}
            )
        laps.append((time.perf_counter() - started) * 1000)
    times.put(laps)


def written(owners: list[int], writers: int, seconds: float) -> list[float]:
    context = get_context("fork")
    times: Queue[list[float]] = context.Queue()
    processes = [
        context.Process(target=write, args=(owners[n % len(owners)], seconds, times))
        for n in range(writers)
    ]
    for process in processes:
        process.start()
    laps = [lap for _ in processes for lap in times.get()]
    for process in processes:
        process.join()
    return laps


def fill(rows: int) -> None:
    """Well-made events in the system's chain, without a transaction each."""
    from django.utils import timezone

    from accounts.audit_key import mac_key, mac_of
    from accounts.models import AuditChain, AuditEvent

    key = mac_key()
    head = AuditChain.objects.get(number=0)
    seq, prev_hash, now = head.seq, head.head, timezone.now()
    events = []
    for n in range(rows):
        seq += 1
        event = AuditEvent(
            chain=0,
            seq=seq,
            prev_hash=prev_hash,
            at=now + timedelta(microseconds=n),
            action="image.looked_at",
            actor_id=n % 50,
            actor_role="journalist",
            target_type="image",
            target_id=f"{n:032x}",
            target_sha256=f"{n:064x}",
            change='{"after":{},"before":{}}',
            request_id=f"{n:032x}",
        )
        event.hash = prev_hash = event.computed_hash()
        event.mac = mac_of(key, event.hash)
        events.append(event)
    AuditEvent.objects.bulk_create(events, batch_size=1000)
    AuditChain.objects.filter(number=0).update(seq=seq, head=prev_hash)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--owners", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"UNMASK_DATA": folder, "SECRET_KEY": "benchmark " * 6}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
        django.setup()
        from django.db import connection

        from accounts.audit_key import mac_key
        from accounts.verification import verify

        laps = sorted(written(prepare(options.owners), options.writers, options.seconds))
        fill(options.rows)
        started = time.perf_counter()
        found = verify(None, None, mac_key())
        rows_a_second = found.events / (time.perf_counter() - started)
        if found.findings:
            raise SystemExit(f"not whole: {found.findings}")
        table = Table("", "measured", "wanted", "ratio")
        events = len(laps) / options.seconds
        wanted = WANTED_EVENTS[connection.vendor]
        name = f"{connection.vendor}, {options.writers} writers over {options.owners} owners"
        table.add_row(
            f"events a second, {name}", f"{events:.0f}", f"{wanted}", _ratio(events, wanted)
        )
        table.add_row(
            "one event, p50 and p99", f"{_at(laps, 0.5)} and {_at(laps, 0.99)} ms", "", ""
        )
        table.add_row(
            f"rows verified a second, n = {found.events}",
            f"{rows_a_second:.0f}",
            f"{WANTED_ROWS}",
            _ratio(rows_a_second, WANTED_ROWS),
        )
        Console().print(table)


def _at(laps: list[float], share: float) -> str:
    return f"{laps[min(len(laps) - 1, int(share * len(laps)))]:.1f}"


def _ratio(value: float, wanted: float) -> str:
    return f"{value / wanted:.1f} ×"


if __name__ == "__main__":
    main()
