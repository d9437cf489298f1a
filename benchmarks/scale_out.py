"""Verdicts a second of more and more workers at one PostgreSQL and one Redis, and what holds them.

    TEST_DATABASE_URL=postgres://… TEST_REDIS_URL=redis://… python -m benchmarks.scale_out real
    … python -m benchmarks.scale_out simulated [--workers 4 8 16 32 64] [--owners 1 64]
    … python -m benchmarks.scale_out costs [--images 200]

`real` judges JPEGs of 200 kB with the shipped model, in whole installations with 1, 2, 3 and 4
processes. `simulated` judges nothing (`benchmarks.simulated_worker`): each verdict waits 150 ms
instead, so that many workers fit on few cores, eight processes in each of so many Celery workers,
as on so many machines; the images belong to one person or to many, so to one audit chain or to all.
`costs` uploads and judges one image after the other in this process, without Celery and without
judging: what each costs web or worker, PostgreSQL and Redis, whatever else the machine does.

PostgreSQL's processor time is that of all processes of its server, which has to run on this machine
and should serve nobody else. Waits are those of processes that had a statement under way, ten times
a second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis
from django.core.files.uploadedfile import SimpleUploadedFile
from rich.console import Console
from rich.table import Table

from benchmarks.history_search import Clock
from benchmarks.pipeline import WARM_UP, Desk, Pictures, cpu_s
from tests.integration.installation import PROJECT, Database, Redis, free_port

MACHINE = 8  # processes of one Celery worker
SAMPLE_S = 0.1
SETTLE_S, WINDOW_S = 3.0, 15.0
FASTEST = 200  # verdicts a second that the backlog is large enough for
COUNTERS = """SELECT xact_commit, blks_read, tup_inserted + tup_updated + tup_deleted,
 pg_current_wal_lsn() - '0/0'::pg_lsn FROM pg_stat_database WHERE datname = current_database()"""
ACTIVITY = """SELECT state, COALESCE(wait_event_type || ' ' || wait_event, 'on a processor')
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
console = Console(width=160)


@dataclass
class Seen:
    """What a window of time showed; rates are a second.

    Attributes:
        waits: how many processes of PostgreSQL waited for what, on average.
    """

    verdicts: float = 0.0
    worker_ms: float = 0.0
    database_ms: float = 0.0
    broker_ms: float = 0.0
    commits: float = 0.0
    wal_kb: float = 0.0
    broker_commands: float = 0.0
    connections: int = 0
    waits: dict[str, float] = field(default_factory=dict)
    sweep_ms: list[float] = field(default_factory=list)


class Watch:
    """Counters of workers, database and broker, read twice, and what waits in between."""

    def __init__(self, database_url: str, broker: redis.Redis, broker_pid: int) -> None:
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
        ((backend,),) = self._rows("SELECT pg_backend_pid()")
        self._server = psutil.Process(backend).parent()
        self._broker, self._broker_process = broker, psutil.Process(broker_pid)

    def close(self) -> None:
        self._connection.close()

    def _rows(self, sql: str) -> list[tuple]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def done(self) -> int:
        return self._rows("SELECT count(*) FROM detection_detection WHERE status = 'done'")[0][0]

    def _counters(self, workers: Sequence[psutil.Process]) -> list[float]:
        commands = self._broker.info("stats")["total_commands_processed"]
        commits, _read, _rows, wal = self._rows(COUNTERS)[0]
        server = cpu_s([self._server])
        own = cpu_s([self._broker_process])
        return [self.done(), cpu_s(workers), server, own, commits, float(wal), commands]

    def look(self, workers: Sequence[psutil.Process], seconds: float) -> Seen:
        waits: Counter[str] = Counter()
        connections = samples = 0
        began, before = time.perf_counter(), self._counters(workers)
        while time.perf_counter() - began < seconds:
            rows = self._rows(ACTIVITY)
            connections, samples = max(connections, len(rows)), samples + 1
            waits.update(what for state, what in rows if state == "active")
            waits.update("idle in transaction" for state, _ in rows if state == IN_TRANSACTION)
            time.sleep(SAMPLE_S)
        took = time.perf_counter() - began
        grown = [b - a for a, b in zip(before, self._counters(workers), strict=True)]
        done, worker, server, broker, commits, wal, commands = grown
        each = 1000 / max(done, 1)
        return Seen(
            done / took,
            *(each * worker, each * server, each * broker),
            *(commits / took, wal / 1000 / took, commands / took),
            connections,
            {what: n / samples for what, n in waits.most_common()},
        )


IN_TRANSACTION = "idle in transaction"
ROW_BYTES = "SELECT sum(pg_column_size(t.*)) / (SELECT count(*) FROM detection_detection) FROM {} t"
TABLES = ("detection_image", "detection_detection", "detection_submission", "detection_historyrow")
TABLES += ("accounts_auditevent", "accounts_auditdetail")


def sizes(desk: Desk) -> str:
    """Bytes that a detection takes in each table, without indexes, and on the disk as previews."""
    database, previews = desk.installation.database, desk.installation.data / "previews"
    rows = ", ".join(f"{table} {database.count(ROW_BYTES.format(table))}" for table in TABLES)
    count = database.count("SELECT count(*) FROM detection_detection")
    files = [path.stat().st_size for path in previews.rglob("*") if path.is_file()]
    return f"bytes each: {rows}; {len(files) / count:.1f} previews, {sum(files) / count:.0f}"


def real(folder: Path, counts: Sequence[int], images: int) -> Table:
    pictures = Pictures()
    table = _table("processes")
    for workers in counts:
        (folder / f"{workers}").mkdir()
        with Desk(folder / f"{workers}", UNMASK_WORKERS=str(workers)) as desk:
            desk.at_once(4, pictures.some(WARM_UP * workers))
            desk.drain()
            desk.stop_judging()
            desk.at_once(8, pictures.some(images))
            broker = desk.installation.redis
            client = redis.Redis.from_url(broker.url)
            with closing(Watch(desk.installation.database.url, client, broker.process.pid)) as one:
                desk.go_on_judging()
                time.sleep(SETTLE_S)
                left = images - SETTLE_S * 6.5 * min(workers, 2)
                window = max(5.0, 0.8 * left / (6.5 * min(workers, 2)))
                seen = one.look([desk.installation.service("worker")], window)
            if not desk.open_work():
                raise RuntimeError("the backlog was gone before the end of the window")
            console.print(sizes(desk))
        _add_row(table, str(workers), seen)
    return table


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Database, Redis]]:
    """A database and a broker of their own, and the environment that Django asks for."""
    broker, database = Redis(folder / "redis"), Database(folder, f"unmask_{uuid.uuid4().hex[:12]}")
    broker.start()
    os.environ |= {
        "UNMASK_DATA": str(folder / "data"),
        "SECRET_KEY": "benchmark " * 6,
        "DATABASE_URL": database.url,
        "REDIS_URL": broker.url,
        "PORT": str(free_port()),
        "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
    }
    try:
        yield database, broker
    finally:
        broker.stop()
        from django.db import connections

        connections.close_all()
        database.drop()


def people(count: int) -> list[int]:
    from django.core.management import call_command

    from accounts.models import User
    from detection.models import ModelVersion

    call_command("prepare_database", verbosity=0)
    ModelVersion.objects.create(
        name="none", version="1", architecture="none", artifact_sha256="1" * 64, state="active"
    )
    return [User.objects.create_user(f"p{n}@example.org").pk for n in range(count)]


def queue(owners: Sequence[int], count: int) -> None:
    """So many images of these people that wait, and a message for each."""
    from detection.doorbell import ring
    from detection.models import Detection, Image, ModelVersion, Submission

    version = ModelVersion.objects.get()
    images = [
        Image(
            owner_id=owners[n % len(owners)],
            sha256=uuid.uuid4().hex * 2,
            size_bytes=200_000,
            format="JPEG",
            media_type="image/jpeg",
            width=1024,
            height=768,
        )
        for n in range(count)
    ]
    rows = [
        Detection(
            image=image,
            model_version=version,
            turn=n // len(owners),
            turn_of_id=image.owner_id,
        )
        for n, image in enumerate(images)
    ]
    requests = [
        Submission(
            image=row.image, detection=row, by_id=row.image.owner_id, file_name="a.jpg", via="api"
        )
        for row in rows
    ]
    for made in (images, rows, requests):
        type(made[0]).objects.bulk_create(made, batch_size=1000)
    for row in rows:
        ring(row.pk, row.queue)


@contextmanager
def workers(count: int, log: Path) -> Iterator[list[psutil.Process]]:
    """Celery workers of at most `MACHINE` processes each, all of which are up."""
    sizes = [min(MACHINE, count - first) for first in range(0, count, MACHINE)]
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "benchmarks.simulated_worker"]
    command += ["worker", "--without-gossip", "--without-mingle", "-Q", "detect"]
    with log.open("ab") as file:
        started = [
            subprocess.Popen(
                [*command, "-c", str(size), "-n", f"machine{number}@%h"],
                cwd=PROJECT,
                stdout=file,
                stderr=file,
            )
            for number, size in enumerate(sizes)
        ]
    mains = [psutil.Process(one.pid) for one in started]
    try:
        deadline = time.monotonic() + 300
        while sum(len(main.children()) for main in mains) < count:
            has_ended = any(one.poll() is not None for one in started)
            if has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"not all workers came up: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield mains
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.wait(60)


def drop_backlog(broker: redis.Redis) -> None:
    from django.utils import timezone

    from detection.models import Detection

    broker.flushdb()
    ended = {"status": "failed", "failure_code": "corrupt", "completed_at": timezone.now()}
    Detection.objects.open_work().update(**ended)


def simulated(folder: Path, counts: Sequence[int], owner_counts: Sequence[int]) -> Table:
    with servers(folder) as (database, broker):
        import django

        django.setup()
        everybody = people(max(owner_counts))
        client = redis.Redis.from_url(broker.url)
        table = _table("workers, owners")
        with closing(Watch(database.url, client, broker.process.pid)) as watch:
            for owners in owner_counts:
                for count in counts:
                    wanted = min(FASTEST, count / 0.15) * (SETTLE_S + WINDOW_S + 5)
                    queue(everybody[:owners], int(wanted))
                    with workers(count, folder / "workers.log") as mains:
                        time.sleep(SETTLE_S)
                        seen = watch.look(mains, WINDOW_S)
                        is_empty = not client.llen("detect")
                        seen.sweep_ms = timed_sweeps()
                    drop_backlog(client)
                    if is_empty:
                        raise RuntimeError("the backlog was gone before the end of the window")
                    _add_row(table, f"{count}, {owners}", seen)
        return table


@dataclass
class Cost:
    """What one call took on average, beside the time of the quickest tenth."""

    name: str
    own_ms: float
    database_ms: float
    statements: float
    commits: float
    wal_kb: float
    broker_commands: float
    passed_ms: list[float]

    def row(self) -> list[str]:
        ordered = sorted(self.passed_ms)
        passed = f"{ordered[len(ordered) // 10]:.1f} / {statistics.median(ordered):.1f}"
        costs = (self.own_ms, self.database_ms, self.statements, self.commits)
        more = (f"{self.wal_kb:.1f}", f"{self.broker_commands:.1f}", passed, f"{len(ordered)}")
        return [self.name, *(f"{value:.1f}" for value in costs), *more]


class Meter:
    """Counts what calls cost this process, its process of PostgreSQL, and Redis."""

    def __init__(self, broker: redis.Redis) -> None:
        from django.db import connection

        self._broker, self._connection = broker, connection
        self._clock = Clock("cpu")
        self._statements = 0

    def _count(self, execute: Any, *arguments: Any) -> Any:
        self._statements += 1
        return execute(*arguments)

    def _counters(self) -> list[float]:
        time.sleep(1.1)  # PostgreSQL tells of commits once a second
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute(COUNTERS)
            commits, _read, _rows, wal = cursor.fetchone()
        commands = self._broker.info("stats")["total_commands_processed"]
        own, both = 1000 * time.process_time(), self._clock.ms()
        return [own, both - own, commits, float(wal) / 1000, commands]

    def measured(self, name: str, calls: Sequence[Callable[[], object]]) -> Cost:
        for call in calls[:WARM_UP]:
            call()
        counted, passed = calls[WARM_UP:], []
        self._statements, before = 0, self._counters()
        with self._connection.execute_wrapper(self._count):
            for call in counted:
                began = time.perf_counter()
                call()
                passed.append(1000 * (time.perf_counter() - began))
        grown = [b - a for a, b in zip(before, self._counters(), strict=True)]
        own, server, commits, wal, commands = (value / len(counted) for value in grown)
        made = self._statements / len(counted)
        return Cost(name, own, server, made, commits, wal, commands, passed)


def costs(folder: Path, images: int) -> Table:
    """Of an upload through the API, a verdict's record, an audit event alone."""
    with servers(folder) as (_database, broker):
        import django

        django.setup()
        from django.db import transaction
        from django.test import Client

        from accounts import audit
        from accounts.models import ApiKey, User
        from benchmarks import simulated_worker
        from detection import tasks
        from detection.models import Detection

        simulated_worker.WAIT_S = 0.0
        owner = User.objects.get(pk=people(1)[0])
        scopes = [scope.value for scope in ApiKey.Scope]
        key = ApiKey.objects.issue(owner=owner, name="benchmark", scopes=scopes)[1]
        client = Client(headers={"host": "127.0.0.1", "authorization": f"Bearer {key}"})
        pictures = Pictures().some(images + WARM_UP)

        def upload(content: bytes) -> None:
            file = SimpleUploadedFile("a.jpg", content, "image/jpeg")
            answer = client.post("/api/v1/detections", {"image": file})
            if answer.status_code != 202:
                raise RuntimeError(answer.content)

        def event() -> None:
            with transaction.atomic():
                audit.record("user.changed", actor=owner, target=owner, owner=owner)

        meter = Meter(redis.Redis.from_url(broker.url))
        found = [meter.measured("upload", [partial(upload, content) for content in pictures])]
        ids = [str(pk) for pk in Detection.objects.open_work().values_list("pk", flat=True)]
        found.append(meter.measured("verdict", [partial(tasks.run_detection, pk) for pk in ids]))
        found.append(meter.measured("audit event", [event] * (images + WARM_UP)))
    heads = ("statements", "commits", "WAL kB", "Redis", "passed: 10 % / median ms", "n")
    table = Table("what", "own ms", "PostgreSQL ms", *heads)
    for one in found:
        table.add_row(*one.row())
    return table


def timed_sweeps(count: int = 3) -> list[float]:
    """A round of the sweeper, while the workers go on."""
    from detection.services import sweeping

    times = []
    for _ in range(count):
        began = time.perf_counter()
        sweeping.sweep()
        times.append(1000 * (time.perf_counter() - began))
    return times


def _table(first: str) -> Table:
    each = "ms each: worker / database / broker"
    rates = "commits/s, WAL kB/s, Redis commands/s"
    last = ("connections", "in PostgreSQL, on average", "sweep ms")
    return Table(first, "verdicts/s", each, rates, *last)


def _add_row(table: Table, name: str, seen: Seen) -> None:
    waits = ", ".join(f"{what} {n:.2f}" for what, n in list(seen.waits.items())[:5])
    cells = (
        f"{seen.verdicts:.1f}",
        f"{seen.worker_ms:.1f} / {seen.database_ms:.1f} / {seen.broker_ms:.2f}",
        f"{seen.commits:.0f}, {seen.wal_kb:.0f}, {seen.broker_commands:.0f}",
        str(seen.connections),
        waits,
        f"{statistics.median(seen.sweep_ms):.0f}" if seen.sweep_ms else "",
    )
    table.add_row(name, *cells)
    console.print(name, *cells, sep=" | ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("real", "simulated", "costs"))
    parser.add_argument("--workers", type=int, nargs="+", default=None)
    parser.add_argument("--owners", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--images", type=int, default=250, help="of a run")
    options = parser.parse_args()
    load = f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.what == "real":
            table = real(folder, options.workers or (1, 2, 3, 4), options.images)
        elif options.what == "costs":
            table = costs(folder, options.images)
        else:
            counts = options.workers or (4, 8, 16, 32, 64)
            table = simulated(folder, counts, options.owners)
    console.print(load, table)


if __name__ == "__main__":
    main()
