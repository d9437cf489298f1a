"""Time of what pages look up, as the desk's past grows.

    [DATABASE_URL=postgres://…] REDIS_URL=redis://… python -m benchmarks.growth --rows 10000 \
        --data FOLDER [--only audit] [--plans]

Fills the empty database that DATABASE_URL names, or SQLite in the folder, with so many images and
as many audit events; asks the one that an earlier call filled. Pages are asked for through
Django's test client, so their times hold middleware and template. Each is asked for 20 times about
different things, after three times that do not count. Prints for each the time that passed and the
processor time of this process and of the PostgreSQL process that serves it, which has to run on
this machine; helpers of that one are in the time that passed alone.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from tempfile import TemporaryFile
from typing import Any

import django
from rich.console import Console
from rich.table import Table

from benchmarks.history_search import SECONDS, Clock

WARM_UP = 3
N = 20
SLOW_MS = 100


@dataclass(frozen=True)
class Lookup:
    """One question.

    Attributes:
        ask: asks it about something; called so often as is measured.
        per_s: how many rows a call goes through, where its speed says more than its time.
    """

    name: str
    ask: Callable[[], object]
    n: int = N
    per_s: int = 0


@dataclass
class Slowest:
    """The slowest statement of a lookup, while its calls run."""

    ms: float = 0.0
    sql: str = ""
    parameters: Any = None

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, parameters, many, context)
        finally:
            ms = 1000 * (time.perf_counter() - started)
            if ms > self.ms and not many:
                self.ms, self.sql, self.parameters = ms, sql, parameters

    def plan(self) -> str:
        from django.db import connection

        is_postgresql = connection.vendor == "postgresql"
        explain = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF)" if is_postgresql else "EXPLAIN QUERY PLAN"
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {self.sql}", self.parameters)
            lines = "\n".join(f"    {row[-1]}" for row in cursor.fetchall())
        return f"  {self.ms:.0f} ms: {self.sql[:600]}\n{lines}"


@dataclass
class Figures:
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    slowest: Slowest = field(default_factory=Slowest)

    @staticmethod
    def spread(times: list[float]) -> str:
        ordered = sorted(times)
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        return f"{statistics.median(ordered):.1f} / {p95:.1f}"


def measured(lookup: Lookup, *, with_plan: bool) -> Figures:
    from django.db import connection

    figures, wall, cpu = Figures(), Clock("wall"), Clock("cpu")
    for _ in range(WARM_UP if lookup.n > WARM_UP else 0):
        lookup.ask()
    watch: AbstractContextManager[object] = nullcontext()
    if with_plan:
        watch = connection.execute_wrapper(figures.slowest)
    with watch:
        for _ in range(lookup.n):
            began = wall.ms(), cpu.ms()
            lookup.ask()
            figures.wall_ms.append(wall.ms() - began[0])
            figures.cpu_ms.append(cpu.ms() - began[1])
    return figures


def lookups(made: dict[str, Any], rows: int) -> Iterator[Lookup]:
    """Every question, about things that lie anywhere in the desk's past."""
    yield from _of_detections(made)
    yield from _of_the_trail(made, rows)
    yield from _of_the_desk(made)


def _page(user: Any) -> Callable[[str], object]:
    """Asks for a page as this person."""
    from django.test import Client

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(user)

    def get(path: str) -> object:
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        return answer

    return get


def _of_detections(made: dict[str, Any]) -> Iterator[Lookup]:
    from detection import history
    from detection.history import Asked
    from detection.models import Detection

    many, moderator = _page(made["many"]), _page(made["mod"])
    chance = random.Random(1)
    ids = [str(pk) for pk in _some(Detection.objects.all(), made["many"], chance)]
    yield Lookup("history, own: first page", lambda: many("/history"))
    yield Lookup("history, moderator: first page", lambda: moderator("/history"))
    deep = _cursor_after(history, made["many"], Asked(owner=made["many"]), 20)
    yield Lookup("history, own: page 20", lambda: many(f"/history?cursor={deep}"))
    yield Lookup("history, own, two words", lambda: many("/history?q=harbour+vault"))
    yield Lookup("detection page", lambda: many(f"/detections/{chance.choice(ids)}"))
    yield Lookup("API: one detection", lambda: many(f"/api/v1/detections/{chance.choice(ids)}"))
    yield Lookup("API: list, first page", lambda: many("/api/v1/detections"))
    yield Lookup("API: list, page 20", lambda: many(f"/api/v1/detections?cursor={deep}"))
    yield Lookup(
        "API: list, manipulated", lambda: many("/api/v1/detections?verdict=likely_manipulated")
    )


def _of_the_trail(made: dict[str, Any], rows: int) -> Iterator[Lookup]:
    from django.utils import timezone

    from accounts.audit_export import write_export
    from accounts.audit_key import mac_key
    from accounts.models import AuditEvent
    from accounts.trail import Filter
    from accounts.verification import verify

    chance, get = random.Random(2), _page(made["lead"])
    last = AuditEvent.objects.order_by("-id").values_list("id", flat=True)[0]
    began = timezone.now() - timedelta(seconds=SECONDS * rows)

    def day() -> Any:
        return (began + timedelta(seconds=chance.random() * SECONDS * rows)).date()

    def detection() -> AuditEvent:
        # the kind as a condition would be what SQLite finds them by, a third of all
        later = AuditEvent.objects.filter(id__gt=chance.randrange(last - 50)).order_by("id")[:50]
        return next(event for event in later if event.target_type == "detection")

    def export(**asked: Any) -> None:
        with TemporaryFile() as file:
            write_export(Filter(**asked).events(), file)

    yield Lookup("audit: first page", lambda: get("/audit"))
    yield Lookup("audit: from anywhere", lambda: get(_before("/audit?", chance, last)))
    for name, words in {
        "what most did": "person=many@example.org",
        "one with 250 events in 500": "person=few@example.org",
        "one who did little, long ago": "person=seldom@example.org",
        "a frequent action": "action=submission.accepted",
        "a rare action, long ago": "action=model_version.promoted",
        "an action that never was": "action=report.revoked",
        "one person and action": "person=many@example.org&action=report.viewed",
    }.items():
        yield Lookup(f"audit: {name}", lambda words=words: get(f"/audit?{words}"))
    yield Lookup("audit: one day", lambda: get("/audit?since={0}&until={0}".format(day())))
    yield Lookup("audit: until a day", lambda: get(f"/audit?until={day()}"))
    yield Lookup(
        "audit: a day of a person",
        lambda: get("/audit?person=many@example.org&since={0}&until={0}".format(day())),
    )
    yield Lookup("audit: an object", lambda: get(f"/audit?about={detection().target_id}"))
    yield Lookup("audit: a SHA-256", lambda: get(f"/audit?about={detection().target_sha256}"))
    yield Lookup(
        "audit: one object's life", lambda: get(f"/audit/detection/{detection().target_id}")
    )
    yield Lookup("audit: export of a day", lambda: export(since=(d := day()), until=d), n=5)
    yield Lookup(
        "audit: export of one with 250 in 500", lambda: export(person="few@example.org"), n=5
    )
    events = AuditEvent.objects.count()
    yield Lookup("audit: verification", lambda: verify(None, None, mac_key()), n=2, per_s=events)


def _of_the_desk(made: dict[str, Any]) -> Iterator[Lookup]:
    from django.test import RequestFactory

    from deepfake_site.metrics import metrics
    from detection.models import Case

    lead, moderator, many = _page(made["lead"]), _page(made["mod"]), _page(made["many"])
    token = {"Authorization": f"Bearer {os.environ['UNMASK_METRICS_TOKEN']}"}
    cases = Case.objects.filter(title__startswith="case ")
    large, small = str(made["case"].pk), [str(pk) for (pk,) in cases.values_list("pk")[:500]]
    chance = random.Random(3)
    yield Lookup("operations", lambda: lead("/operations"))
    yield Lookup("operations: one code", lambda: lead("/operations?code=corrupt"))
    yield Lookup("monitoring", lambda: lead("/monitoring"))
    yield Lookup("metrics", lambda: metrics(RequestFactory().get("/metrics", headers=token)))
    yield Lookup("review: open", lambda: moderator("/review"))
    yield Lookup("review: one reason", lambda: moderator("/review?reason=sample"))
    yield Lookup("review: figures", lambda: moderator("/review/figures"))
    yield Lookup("cases", lambda: many("/cases"))
    yield Lookup("case of 5 images", lambda: many(f"/cases/{chance.choice(small)}"))
    yield Lookup("case of a tenth of all, 10,000 at most", lambda: many(f"/cases/{large}"))


def _some(found: Any, owner: Any, chance: random.Random, count: int = 500) -> list[Any]:
    """Ids of somebody's detections from anywhere in the table, without reading all of it."""
    first = found.order_by("created_at").values_list("created_at", flat=True)[0]
    last = found.order_by("-created_at").values_list("created_at", flat=True)[0]
    ids: list[Any] = []
    while len(ids) < count:
        at = first + chance.random() * (last - first)
        # asked with the owner as a condition, SQLite would sort all that is this person's
        later = found.filter(created_at__gte=at).order_by("created_at")[:20]
        rows = later.values_list("pk", "image__owner_id")
        ids += [pk for pk, whose in rows if whose == owner.pk][:1]
    return ids


def _cursor_after(history: Any, by: Any, asked: Any, pages: int) -> str:
    cursor = ""
    for _ in range(pages):
        cursor = history.find(by, asked, cursor=cursor, size=24).next_cursor
    return cursor


def _before(path: str, chance: random.Random, last: int) -> str:
    return f"{path}before={chance.randrange(last // 2, last)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", default="", help="lookups whose name begins so")
    parser.add_argument("--n", type=int, default=N, help="calls of each that count, at most")
    parser.add_argument("--plans", action="store_true", help="of what takes long")
    options = parser.parse_args()
    os.environ |= {
        "UNMASK_DATA": options.data,
        "SECRET_KEY": "benchmark " * 6,
        "UNMASK_METRICS_TOKEN": "benchmark" * 6,
        "UNMASK_API_REQUESTS_PER_MINUTE": "1000000",
        "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
    }
    django.setup()
    from django.db import connection

    from benchmarks.growth_rows import prepare
    from detection import history
    from detection.services import operations

    # What other work on the machine takes must not end a search, nor leave parts of a page out.
    history.TIMEOUT_MS, operations.PATIENCE_S = 600_000, 600.0
    made = prepare(options.rows)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    title = f"{options.rows} images and audit events, {connection.vendor}, {load}"
    table = Table("what", "n", "passed: p50 / p95 ms", "processor", "rows/s", title=title)
    plans, console = [], Console(width=150)
    for found in lookups(made, options.rows):
        if not found.name.startswith(options.only):
            continue
        lookup = replace(found, n=min(found.n, options.n))
        figures = measured(lookup, with_plan=options.plans)
        cells = (figures.spread(figures.wall_ms), figures.spread(figures.cpu_ms))
        speed = 1000 * lookup.per_s / statistics.median(figures.cpu_ms) if lookup.per_s else 0
        row = (lookup.name, str(lookup.n), *cells, f"{speed:,.0f}" if speed else "")
        table.add_row(*row)
        console.print(*row, sep=" | ")
        if options.plans and statistics.median(figures.cpu_ms) > SLOW_MS:
            plans.append(f"{lookup.name}\n{figures.slowest.plan()}")
    console.print(table)
    console.print("\n\n".join(plans), markup=False, highlight=False)


if __name__ == "__main__":
    main()
