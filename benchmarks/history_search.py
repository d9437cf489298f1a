"""Time of history pages among many rows, for every kind of filter and combinations of them.

    python -m benchmarks.history_search [--rows 1000000] [--sample 600] [--clock cpu]

With `DATABASE_URL` it fills an empty PostgreSQL database, or asks the one it filled before; without
one, a temporary SQLite file. One
person owns nearly all rows, one owns 500, a moderator sees all but the confidential. Words, models
and verdicts lie where they hurt: `archive` only in the oldest twentieth, the first model only in
the oldest tenth and never sure of a fake. Prints the slowest first page (with the count that the
page shows), deep page and count of a random sample of combinations.
"""

import argparse
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from rich.console import Console
from rich.table import Table

PAGE = 24
DEEP = 20  # pages turned before the deep one is taken
FEW = 500
LABELLED = 10_000  # images with the tag, and in the case, but no more than a tenth of all
SECONDS = 86  # between two images: a million in three years
REPEATS = 3

SERIES = {
    "postgresql": "SELECT n FROM generate_series(0, {rows} - 1) n",
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {rows} - 1)"
    " SELECT n FROM s",
}
SHA = {
    "postgresql": "md5(n::text) || md5((n + 1)::text)",
    "sqlite": "lower(hex(randomblob(32)))",
}
UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
AGO = {
    "postgresql": "now() - n * interval '{s} seconds'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (n * {s}) || ' seconds')",
}
WITHOUT_TRIGGERS = {
    "postgresql": ["SET session_replication_role = replica"],
    "sqlite": ["DROP TRIGGER history_added", "DROP TRIGGER history_asked"],
}
IMAGES = """INSERT INTO detection_image (id, owner_id, sha256, size_bytes, format, media_type,
 width, height, perceptual_hash, mirrored_hash, facts, is_confidential, created_at, hold_reason)
SELECT {uuid}, CASE WHEN n % ({rows} / {few}) = 0 THEN {few_id} ELSE {many_id} END, {sha},
 1, 'JPEG', 'image/jpeg', n, 1, '', '', '{{}}', n % 20 = 7, {ago}, '' FROM ({series}) s"""
# An image's width is its number: what else is said of it follows from that.
DETECTIONS = """INSERT INTO detection_detection (id, image_id, model_version_id, status, queue,
 attempt, attempt_limit, lease_owner, created_at, queued_at, completed_at, verdict, probability,
 reasons, transforms, faces, activation_shape, timings_ms, failure_code)
SELECT {uuid}, i.id, CASE WHEN n >= {rows} * 0.9 THEN '{old}' WHEN n >= {rows} * 0.5
 THEN '{middle}' ELSE '{new}' END{cast}, CASE WHEN n % 100 = 3 THEN 'failed' ELSE 'done' END,
 'detect', 1, 3, '',
 i.created_at, i.created_at, i.created_at,
 CASE WHEN n % 100 = 3 THEN '' WHEN n % 10 = 1 AND n < {rows} * 0.9 THEN 'likely_manipulated'
 WHEN n % 10 < 4 THEN 'inconclusive' ELSE 'likely_authentic' END,
 CASE WHEN n % 100 = 3 THEN NULL ELSE (n % 100000 * 7919 % 100000) / 100000.0 END,
 '[]', '{{}}', '[]', '[]', '{{}}', CASE WHEN n % 100 = 3 THEN 'corrupt' ELSE '' END
FROM (SELECT *, width AS n FROM detection_image) i"""
SUBMISSIONS = """INSERT INTO detection_submission (id, image_id, detection_id, by_id, file_name,
 source_url, metadata, callback_url, via, priority, created_at,
 wants_review, words)
SELECT {uuid}, i.id, d.id, i.owner_id, 'x', '', '{{}}', '',
 CASE WHEN n % 10 < 7 THEN 'api' ELSE 'page' END, 'bulk', i.created_at, false,
 'img ' || n || CASE WHEN n % 10 = 2 THEN ' harbour' ELSE '' END
 || CASE WHEN n >= {rows} * 0.95 THEN ' archive' ELSE '' END
 || CASE WHEN n >= {rows} * 0.6 THEN ' vault' ELSE '' END
 || CASE WHEN n % ({rows} / 20) = 1 THEN ' seldom' ELSE '' END || ' jpg'
FROM (SELECT *, width AS n FROM detection_image) i
JOIN detection_detection d ON d.image_id = i.id"""
# As the triggers would; by one statement, which takes minutes less.
HISTORY = """INSERT INTO detection_historyrow (detection_id, image_id, owner_id, model_version_id,
 facet, rank, created_at, words)
SELECT d.id, i.id, i.owner_id, d.model_version_id, CASE WHEN d.status = 'failed' THEN 32
 WHEN d.verdict = 'likely_authentic' THEN 8 WHEN d.verdict = 'likely_manipulated' THEN 16
 ELSE 24 END + CASE WHEN s.via = 'page' THEN 2 ELSE 4 END
 + CASE WHEN i.is_confidential THEN 1 ELSE 0 END, COALESCE(d.probability, -1), d.created_at, s.words
FROM detection_image i JOIN detection_detection d ON d.image_id = i.id
JOIN detection_submission s ON s.detection_id = d.id"""
TAGGED = """INSERT INTO detection_imagetag (image_id, tag_id, by_id, created_at)
SELECT id, '{tag}'{cast}, {many_id}, created_at FROM detection_image
WHERE width % ({rows} / {labelled}) = 1"""
IN_CASE = """INSERT INTO detection_caseimage (id, image_id, case_id, added_by_id, created_at)
SELECT id, id, '{case}'{cast}, owner_id, created_at FROM detection_image
WHERE width % ({rows} / {labelled}) = 2"""


def prepare(rows: int) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connection

    from accounts.models import User
    from detection.models import Case, Image, ModelVersion, Tag

    call_command("migrate", verbosity=0)
    if User.objects.filter(email="many@example.org").exists():
        return _made()
    if Image.objects.exists():
        raise SystemExit("The database holds images of others; give an empty one.")
    many, few, moderator = (
        User.objects.create_user(f"{name}@example.org", "x" * 12) for name in ("many", "few", "mod")
    )
    User.objects.filter(pk=moderator.pk).update(role=User.Role.MODERATOR)
    versions = [
        ModelVersion.objects.create(
            name="m", version=str(n), architecture="none", artifact_sha256=str(n) * 64
        )
        for n in range(3)
    ]
    tag = Tag.objects.create(name="story", key="story")
    case = Case.objects.create(owner=many, title="case")
    case.people.add(moderator)
    vendor = connection.vendor
    native = vendor == "postgresql"
    ids = {
        name: (v.pk if native else v.pk.hex)
        for name, v in zip(("old", "middle", "new"), versions, strict=True)
    }
    values = {
        **ids,
        "rows": rows,
        "few": FEW,
        "few_id": few.pk,
        "many_id": many.pk,
        "labelled": min(LABELLED, rows // 10),
        "tag": tag.pk if native else tag.pk.hex,
        "case": case.pk if native else case.pk.hex,
        "cast": "::uuid" if native else "",
        "uuid": UUID[vendor],
        "sha": SHA[vendor],
        "ago": AGO[vendor].format(s=SECONDS),
        "series": SERIES[vendor].format(rows=rows),
    }
    with connection.cursor() as cursor:
        for statement in WITHOUT_TRIGGERS[vendor]:
            cursor.execute(statement)
        for sql in (IMAGES, DETECTIONS, SUBMISSIONS, HISTORY, TAGGED, IN_CASE):
            cursor.execute(sql.format(**values))
        cursor.execute("VACUUM ANALYZE" if native else "ANALYZE")
    return _made()


def _made() -> dict[str, Any]:
    from accounts.models import User
    from detection.models import Case, ModelVersion

    people = {
        name: User.objects.get(email=f"{name}@example.org") for name in ("many", "few", "mod")
    }
    return {
        **people,
        "old": ModelVersion.objects.get(name="m", version="0"),
        "case": Case.objects.get(title="case"),
    }


def combinations(made: dict[str, Any], rows: int) -> Iterator[tuple[str, str, Any]]:
    """Name of the person, words for the filter, and what is asked."""
    from django.utils import timezone

    from detection.history import Asked, Order
    from detection.models.history import Door, Kind

    now = timezone.now()
    span = timedelta(seconds=SECONDS * rows)
    choices: dict[str, dict[str, dict[str, Any]]] = {
        "verdict": {
            "": {},
            "manipulated": {"kinds": frozenset({Kind.LIKELY_MANIPULATED})},
            "two verdicts": {"kinds": frozenset({Kind.LIKELY_AUTHENTIC, Kind.INCONCLUSIVE})},
            "failed": {"kinds": frozenset({Kind.FAILED})},
            "nothing": {"kinds": frozenset({Kind.PENDING})},
        },
        "model": {"": {}, "oldest model": {"model": made["old"].pk}},
        "time": {
            "": {},
            "a week, long ago": {
                "since": now - span * 0.97,
                "until": now - span * 0.97 + timedelta(7),
            },
            "the older half": {"until": now - span / 2},
            "since yesterday": {"since": now - timedelta(1)},
        },
        "text": {
            "": {},
            "in all": {"text": "img"},
            "1 in 10": {"text": "harbour"},
            "oldest 5 %": {"text": "archive"},
            "oldest 40 %": {"text": "vault"},
            "two words": {"text": "harbour vault"},
            "a beginning": {"text": "harb*"},
            "20 rows": {"text": "seldom"},
            "none": {"text": "zebra"},
        },
        "label": {"": {}, "tag": {"tag": "story"}, "case": {"case": made["case"].pk}},
        "hidden": {"": {}, "confidential": {"is_confidential": True}},
        "door": {"": {}, "by page": {"door": Door.PAGE}},
        "order": {one: {"order": one} for one in Order.values},
    }
    people = {
        "many, own": ("many", {"owner": made["many"]}),
        "few, own": ("few", {"owner": made["few"]}),
        "few, all": ("few", {}),
        "moderator, all": ("mod", {}),
        "moderator, of many": ("mod", {"owner": made["many"]}),
    }
    for person, (name, scope) in people.items():
        for picked in itertools.product(*(group.items() for group in choices.values())):
            asked = Asked(**scope)
            for _words, fields in picked:
                asked = replace(asked, **fields)
            yield name, f"{person}: " + ", ".join(words for words, _f in picked if words), asked


class Clock:
    """Milliseconds that passed, or those that the two processes computed: this one and, of a server
    on the same machine, its own. The latter are what an idle machine would take.
    """

    def __init__(self, name: str) -> None:
        from django.db import connection

        self.name, self.server = name, None
        if name == "cpu" and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.server = Path(f"/proc/{cursor.fetchone()[0]}/schedstat")

    def ms(self) -> float:
        if self.name == "wall":
            return time.perf_counter() * 1000
        of_server = int(self.server.read_text().split()[0]) / 1e6 if self.server else 0.0
        return time.process_time() * 1000 + of_server

    def timed(self, action: Callable[[], Any]) -> tuple[float, Any]:
        """Median; where one was stopped for taking too long, the time until then."""
        from detection.history import Found, TooSlow

        times, answer = [], None
        for _ in range(REPEATS):
            started = self.ms()
            try:
                answer = action()
            except TooSlow:
                return self.ms() - started, Found([], "")
            times.append(self.ms() - started)
        return statistics.median(times), answer


def measure(clock: Clock, made: dict[str, Any], picked: list[tuple[str, str, Any]]) -> list[Any]:
    from detection import history

    figures = []
    for name, words, asked in picked:
        by = made[name]

        def one(cursor: str = "", by: Any = by, asked: Any = asked) -> Any:
            found = history.find(by, asked, cursor=cursor, size=PAGE)
            history.detections(by, found.ids)
            return found

        def page(by: Any = by, asked: Any = asked) -> Any:
            found = history.find(by, asked, size=PAGE, counted_to=history.COUNTED_TO)
            history.detections(by, found.ids)
            return found

        first_ms, found = clock.timed(page)
        cursor = ""
        for _ in range(DEEP):
            if not found.next_cursor:
                break
            cursor = found.next_cursor
            found = history.find(by, asked, cursor=cursor, size=PAGE)
        deep_ms = clock.timed(lambda at=cursor, one=one: one(at))[0] if cursor else 0.0
        count_ms, _count = clock.timed(lambda by=by, asked=asked: history.count(by, asked))
        figures.append((first_ms, deep_ms, count_ms, words))
    return figures


def report(figures: list[Any], title: str) -> None:
    table = Table("what", "first page", "deep page", "count", title=title)
    for name, pick in (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("slowest", 1.0)):
        columns = [sorted(row[n] for row in figures) for n in range(3)]
        cells = [f"{c[min(len(c) - 1, int(pick * len(c)))]:.1f} ms" for c in columns]
        table.add_row(name, *cells)
    for n in range(3):
        for row in sorted(figures, key=lambda row: -row[n])[:4]:
            table.add_row(row[3], *(f"{ms:.1f} ms" for ms in row[:3]))
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=600)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(UNMASK_DATA=folder, SECRET_KEY="benchmark " * 6)
        os.environ["DJANGO_SETTINGS_MODULE"] = "deepfake_site.settings"
        django.setup()
        from django.db import connection

        started = time.perf_counter()
        made = prepare(options.rows)
        made_s = time.perf_counter() - started
        every = list(combinations(made, options.rows))
        random.seed(7)
        picked = random.sample(every, min(options.sample, len(every)))
        figures = measure(Clock(options.clock), made, picked)
        report(
            figures,
            f"{connection.vendor}, {options.rows} rows (made in {made_s:.0f} s), "
            f"{len(picked)} of {len(every)} combinations, "
            f"median of {REPEATS}, {options.clock} time",
        )


if __name__ == "__main__":
    main()
