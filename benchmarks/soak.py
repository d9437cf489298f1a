"""A desk that works for hours at a part of what it can: what grows, and how long things wait.

    python -m benchmarks.soak SAMPLES.jsonl [--minutes 120] [--per-s 2.5] [--warm-up 1000]

Starts a whole installation with one process that judges what somebody waits for, one for bulk, and
sends images at a constant rate (`benchmarks.soak_load`): one by one, in batches, waited for, with
webhooks to a receiver, damaged and hostile ones; somebody reads pages, searches the history, asks
for layers and reports. Where the machine does not give the desk what that takes, nothing is sent
to a queue while thirty wait in it, and for how long that was is printed.

Every few seconds each process's memory, descriptors and threads, the queues, the broker, the
database and the folders are written to SAMPLES.jsonl, one JSON object a line. Memory is judged
within each process's own life, after its first so many detections. SIGTERM ends the run early, with
its report.

With TEST_DATABASE_URL and TEST_REDIS_URL set it runs on PostgreSQL and Redis, else on SQLite and
the package's broker. Exit status 1 where a promise is not kept (docs/reliability.md).
"""

import argparse
import itertools
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.soak_growth import Generation, generations, slope
from benchmarks.soak_load import Load
from benchmarks.soak_samples import ENDED, Sampler, busy_s, seconds
from tests.integration.installation import EMAIL, Installation
from tests.receivers import Receiver, receiver

MIB = 1 << 20
MOST_PER_100, MOST_DESCRIPTORS, MOST_AGE_S = 1.0, 2, 30.0  # MiB, gained in a life, p99
DRAIN_S = 300.0
AT = (0.0, 0.25, 0.5, 0.75, 1.0)
TROUBLE = re.compile(r"starting it again|TimeLimit|WorkerLost|Traceback|ERROR|CRITICAL")
SCOPES = ("detections:write", "detections:read", "models:read", "webhooks:write")
ENVIRONMENT = {
    "UNMASK_WORKERS": "1",
    "UNMASK_BULK_WORKERS": "1",
    "UNMASK_API_REQUESTS_PER_MINUTE": "1000000",
    "UNMASK_OUTBOUND_ALLOW": "127.0.0.0/8",
}
console = Console(width=118)


@contextmanager
def running(folder: Path) -> Iterator[Installation]:
    (folder / "tmp").mkdir()
    desk = Installation(folder / "data", TMPDIR=str(folder / "tmp"), **ENVIRONMENT)
    try:
        yield desk.start()
    finally:
        desk.close()


def client_of(desk: Installation) -> httpx.Client:
    scopes = itertools.chain.from_iterable(("--scope", scope) for scope in SCOPES)
    key = desk.manage("create_api_key", EMAIL, "soak", *scopes)
    limits = httpx.Limits(max_connections=40, max_keepalive_connections=40)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=desk.origin, headers=headers, timeout=60, limits=limits)


def waiting(desk: Installation) -> int:
    return desk.database.count(
        "select (select count(*) from detection_detection where status in ('queued', 'running'))"
        " + (select count(*) from detection_webhookdelivery where status = 'pending')"
    )


def drain(desk: Installation) -> float:
    """Seconds until nothing waits, or until patience ended."""
    started = time.perf_counter()
    while waiting(desk) and time.perf_counter() - started < DRAIN_S:
        time.sleep(1)
    return time.perf_counter() - started


class Report:
    """Prints what came of a run, and counts promises that were not kept."""

    def __init__(self, samples: Sequence[dict[str, Any]], warm_up: int) -> None:
        self.samples, self.warm_up = samples, warm_up
        self.lives = generations(samples)
        self.not_kept: list[str] = []

    def memory(self) -> None:
        table = Table("process", "life", "n", *[f"{at:.0%}" for at in AT], "USS", "MiB/100 (95 %)")
        table.add_column("fds")
        table.add_column("threads")
        for number, life in enumerate(self.lives, 1):
            warm = life.warm(self.warm_up)
            if warm.done:
                table.add_row(*self._memory_row(f"{number}", warm))
        console.print(table)
        short = [one for one in self.lives if not one.warm(self.warm_up).done]
        console.print(f"lives with fewer than {self.warm_up} detections: {names(short)}")

    def _memory_row(self, number: str, life: Generation) -> Iterator[str]:
        yield from (life.role, number, str(life.done[-1] - life.done[0]))
        for at in AT:
            done = life.done[0] + at * (life.done[-1] - life.done[0])
            yield f"{life.near(round(done), 'rss') / MIB:.1f}"
        yield f"{life.values['uss'][-1] / MIB:.1f}"
        rss, fds = life.slope("rss"), life.gained("fds")
        if rss is None:
            yield "too few samples"
        else:
            yield f"{rss.per_100 / MIB:+.3f} ({rss.low / MIB:+.3f} to {rss.high / MIB:+.3f})"
            self.promise(rss.high / MIB < MOST_PER_100, f"memory of {life.role} {number}")
        self.promise(fds <= MOST_DESCRIPTORS, f"descriptors of {life.role} {number}: {fds:+g}")
        yield f"{life.values['fds'][-1]:.0f} ({fds:+.0f})"
        yield f"{life.values['threads'][-1]:.0f}"

    def peaks(self) -> None:
        """The most that a role's processes held in any life, and how many lives there were."""
        table = Table("process", "lives", "most RSS, MiB", "most descriptors")
        for role in dict.fromkeys(one.role for one in self.lives):
            some = [one for one in self.lives if one.role == role]
            rss, fds = (max(max(one.values[k]) for one in some) for k in ("rss", "fds"))
            table.add_row(role, str(len(some)), f"{rss / MIB:.0f}", f"{fds:.0f}")
        console.print(table)

    def queues(self) -> None:
        for queue in ("detect", "bulk"):
            ages = [one["oldest_s"].get(queue, 0.0) for one in self.samples]
            p50, p99 = np.percentile(ages, (50, 99))
            console.print(
                f"oldest queued in {queue}, n = {len(ages)} looks: p50 {p50:.1f}, p99 {p99:.1f},"
                f" max {max(ages):.1f} s"
            )
            self.promise(p99 < MOST_AGE_S, f"queue age of {queue}: p99 {p99:.1f} s")

    def stores(self) -> None:
        done = [one["done"] for one in self.samples]
        for name in ("database_bytes", "wal_written_bytes"):
            values = [one[name] for one in self.samples if name in one]
            if values and (found := slope(done, values)):
                console.print(
                    f"{name}: {values[0] / MIB:.1f} to {values[-1] / MIB:.1f} MiB;"
                    f" {10 * found.per_100 / 1000:.0f} kB for each 1,000 detections"
                )
        wal = [one["wal_bytes"] / MIB for one in self.samples]
        console.print(f"WAL on disk: last {wal[-1]:.1f}, most {max(wal):.1f} MiB")
        used = [one["broker"]["used"] for one in self.samples]
        unacked = [one["broker"]["unacked"] for one in self.samples]
        found = slope(done, used)
        console.print(
            f"broker: {used[0] / MIB:.2f} to {used[-1] / MIB:.2f} MiB used, most"
            f" {max(used) / MIB:.2f};"
            f" slope {f'{found.per_100 / 1024:+.2f} KiB/100' if found else 'unknown'};"
            f" unacked at most {max(unacked)}, last {unacked[-1]};"
            f" keys {self.samples[0]['broker']['keys']} to {self.samples[-1]['broker']['keys']};"
            f" clients {self.samples[0]['broker']['clients']} to"
            f" {self.samples[-1]['broker']['clients']}"
        )

    def folders(self) -> None:
        last = [one for one in self.samples if "files" in one][-1]
        for name, found in (("data", last["files"]), ("temporary", last["temporary"])):
            some = (f"{k} {n} files, {b / MIB:.1f} MiB" for k, (n, b) in sorted(found.items()))
            console.print(f"{name}: {'; '.join(some)}")
        left = last["files"].get("incoming", [0])[0] + last["files"].get("*.part", [0])[0]
        self.promise(left == 0, f"{left} files of uploads and previews are left")

    def promise(self, is_kept: bool, what: str) -> None:
        if not is_kept:
            self.not_kept.append(what)


def names(lives: Sequence[Generation]) -> str:
    return ", ".join(f"{one.role} ({len(one.done)} samples)" for one in lives) or "none"


def print_waits(desk: Installation) -> None:
    """Seconds from queued to ended, by the database's own clock."""
    took = seconds(desk, "queued_at", "completed_at")
    for queue in ("detect", "bulk"):
        rows = desk.database.rows(
            f"select {took} from detection_detection where queue = '{queue}' and status = 'done'"
        )
        if rows:
            p50, p95, p99 = np.percentile([row[0] for row in rows], (50, 95, 99))
            longest = max(row[0] for row in rows)
            console.print(
                f"queued to done, {queue}, n = {len(rows)}: p50 {p50:.2f}, p95 {p95:.2f},"
                f" p99 {p99:.2f}, max {longest:.2f} s"
            )


def print_answers(load: Load, arrived: Receiver) -> None:
    table = Table("asked for", "n", "p50 ms", "p95 ms", "p99 ms", "max ms", "statuses")
    for kind, laps in sorted(load.seen.laps_s.items()):
        figures = (*np.percentile(laps, (50, 95, 99)), max(laps))
        statuses = {s: n for (k, s), n in sorted(load.seen.statuses.items()) if k == kind}
        table.add_row(kind, str(len(laps)), *[f"{1000 * x:.0f}" for x in figures], str(statuses))
    console.print(table)
    late = np.percentile(load.seen.late_s, (50, 99))
    console.print(
        f"uploads began late by p50 {late[0] * 1000:.0f}, p99 {late[1] * 1000:.0f} ms; without an"
        f" answer: {dict(load.seen.broken)}; webhooks that arrived: {len(arrived.messages)}"
    )


def print_rows(desk: Installation) -> None:
    for name in ("accounts_auditevent", "detection_submission", "detection_webhookdelivery"):
        console.print(f"{name}: {desk.database.count(f'select count(*) from {name}')} rows")
    console.print(
        "failed: "
        + str(
            desk.database.rows(
                "select failure_code, count(*) from detection_detection where status = 'failed'"
                " group by 1 order by 2 desc"
            )
        )
    )
    if desk.database.server:
        sizes = desk.database.rows(
            "select relname, pg_total_relation_size(oid), pg_indexes_size(oid) from pg_class"
            " where relkind = 'r' and relnamespace = 'public'::regnamespace order by 2 desc limit 9"
        )
        for name, whole, indexes in sizes:
            console.print(f"{name}: {whole / MIB:.1f} MiB, indexes {indexes / MIB:.1f}")


def soak(options: argparse.Namespace, folder: Path) -> list[str]:
    """The promises that were not kept."""
    with running(folder) as desk, receiver(200) as receiving, client_of(desk) as client:
        client.post("/api/v1/webhooks/callbacks/rotate").raise_for_status()
        rates = {"per_s": options.per_s, "pages_per_s": options.pages_per_s}
        load = Load(client, receiving.url, **rates)
        signal.signal(signal.SIGTERM, load.end)
        with Sampler(desk, options.samples, options.every, load.look_at) as sampler:
            busy, started = busy_s(), time.perf_counter()
            load.run(options.minutes)
            took = time.perf_counter() - started
            spent = sum(cpu_of(sampler.samples[-1]).values()) - sum(
                cpu_of(sampler.samples[0]).values()
            )
            console.print(
                f"\n{load.sent} images sent in {took:.0f} s, of which nothing was sent"
                f" for {load.held_s:.0f} s; cores busy: all"
                f" {(busy_s() - busy) / took:.2f}, the desk's lasting processes {spent / took:.2f}"
            )
            drained = drain(desk)
            sampler.take(with_files=True)
        return tell(options, desk, load, receiving, sampler, took, drained)


def cpu_of(sample: dict[str, Any]) -> dict[int, float]:
    return {one["pid"]: one["cpu_s"] for one in sample["processes"]}


def tell(
    options: argparse.Namespace,
    desk: Installation,
    load: Load,
    arrived: Receiver,
    sampler: Sampler,
    took: float,
    drained: float,
) -> list[str]:
    report = Report(sampler.samples, options.warm_up)
    last = sampler.samples[-1]
    console.print(
        f"detections ended: {last['done']} ({ {k: last['states'].get(k, 0) for k in ENDED} }),"
        f" {last['done'] / took:.2f}/s; the rest waited {drained:.0f} s; states {last['states']}"
    )
    report.memory()
    report.peaks()
    report.queues()
    print_waits(desk)
    print_answers(load, arrived)
    report.stores()
    report.folders()
    print_rows(desk)
    lines = [line for line in desk.log.splitlines() if TROUBLE.search(line)]
    console.print(f"lines of the log that tell of trouble: {len(lines)}", *lines[:40], sep="\n")
    console.print(
        f"samples that could not be taken: {len(sampler.troubles)}", *sampler.troubles[:5]
    )
    restarts = sum("starting it again" in line for line in lines)
    report.promise(not restarts, f"{restarts} processes ended by themselves")
    report.promise(not load.seen.server_errors(), f"answers: {load.seen.server_errors()}")
    report.promise(not load.seen.broken, f"no answer: {dict(load.seen.broken)}")
    report.promise(waiting(desk) == 0, f"{waiting(desk)} still wait")
    return report.not_kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--per-s", type=float, default=2.5)
    parser.add_argument("--pages-per-s", type=float, default=0.5)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two samples")
    parser.add_argument("--warm-up", type=int, default=1000, help="detections")
    options = parser.parse_args()
    kind = "PostgreSQL" if os.environ.get("TEST_DATABASE_URL") else "SQLite"
    broker = "Redis" if os.environ.get("TEST_REDIS_URL") else "the package's broker"
    console.print(f"{kind} and {broker}: {options.minutes:g} min at {options.per_s:g}/s, 1 worker")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        not_kept = soak(options, Path(name))
    console.print("every promise was kept" if not not_kept else "NOT KEPT:", *not_kept, sep="\n")
    return bool(not_kept)


if __name__ == "__main__":
    sys.exit(main())
