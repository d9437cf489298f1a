"""Processor time of counting a day and of the page Monitoring among many detections, and the plans.

    DATABASE_URL=postgres://… python -m benchmarks.monitoring [--rows 1000000] [--plans]

Fills an empty PostgreSQL database with images that came evenly over 52 weeks, one detection and one
request each, or asks the one it filled before. What is printed is the processor time of this
process and of the server's that it talks to, in steps of 10 ms; parallel helpers are not counted.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import django

WEEKS = 52
REPEATS = 7
IMAGES = """INSERT INTO detection_image (id, owner_id, sha256, size_bytes, format, media_type,
 width, height, perceptual_hash, mirrored_hash, facts, is_confidential, created_at, hold_reason)
SELECT gen_random_uuid(), {owner}, md5(n::text) || md5((n + 1)::text), 1,
 CASE WHEN n % 5 = 0 THEN 'PNG' ELSE 'JPEG' END, 'image/jpeg', 1000 + n % 3000, 1000, '', '',
 CASE WHEN n % 5 = 0 THEN '{{}}'::jsonb ELSE jsonb_build_object('file', jsonb_build_object('jpeg',
 jsonb_build_object('quality', 40 + n % 60, 'tables', 'standard'))) END, false,
 now() - n * interval '{seconds} seconds', '' FROM generate_series(0, {rows} - 1) n"""
DETECTIONS = """INSERT INTO detection_detection (id, image_id, model_version_id, status, queue,
 attempt, attempt_limit, lease_owner, created_at, queued_at, completed_at, verdict, probability,
 reasons, transforms, faces, activation_shape, timings_ms, failure_code)
SELECT gen_random_uuid(), id, '{version}', 'done', 'detect', 1, 3, '', created_at, created_at,
 created_at + random() * interval '9 seconds', CASE WHEN p < 0.2 THEN 'likely_authentic'
 WHEN p < 0.9 THEN 'inconclusive' ELSE 'likely_manipulated' END, p, '[]', '{{}}', '[]', '[]',
 '{{}}', '' FROM (SELECT *, random() p FROM detection_image) i"""
REQUESTS = """INSERT INTO detection_submission (id, image_id, detection_id, by_id, file_name,
 source_url, metadata, callback_url, via, priority, created_at, words, wants_review)
SELECT gen_random_uuid(), image_id, id, {owner}, 'x', '', '{{}}', '', 'page', 'bulk', created_at,
 '', false FROM detection_detection"""


def prepare(rows: int) -> Any:
    """Fill the database unless it was filled; the person who looks at the page."""
    from django.core.management import call_command
    from django.db import connection

    from accounts.models import User
    from detection.models import Image, ModelVersion

    call_command("migrate", verbosity=0)
    if person := User.objects.filter(email="lead@example.org").first():
        return person
    if Image.objects.exists():
        raise SystemExit("The database holds images of others; give an empty one.")
    person = User.objects.create_superuser("lead@example.org", "x" * 12)
    version = ModelVersion.objects.create(
        name="m", version="1", architecture="none", artifact_sha256="1" * 64, state="active"
    )
    seconds = round(WEEKS * 7 * 86_400 / rows, 3)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for sql in (IMAGES, DETECTIONS, REQUESTS):
            cursor.execute(
                sql.format(owner=person.pk, version=version.pk, rows=rows, seconds=seconds)
            )
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")
    return person


def explained(action: Callable[[], object]) -> list[str]:
    """The plans of whatever an action asks."""
    from django.db import connection

    plans: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}", params)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        action()
    return plans


def cpu_ms(action: Callable[[], object]) -> float:
    """Processor time of this process and of the server's that it talks to."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = cursor.fetchone()[0]
    began = time.process_time(), _server_s(server)
    action()
    return 1000 * (time.process_time() - began[0] + _server_s(server) - began[1])


def _server_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    django.setup()
    from detection.services import period_figures
    from detection.services.monitoring import monitoring

    person = prepare(options.rows)
    today = period_figures.today()
    day = today - timedelta(days=30)
    period_figures.count_day(day)
    times = [
        cpu_ms(lambda n=n: period_figures.count_day(day - timedelta(days=n)))
        for n in range(REPEATS)
    ]
    print(f"a day: {_spread(times)}")
    began = time.process_time()
    days = period_figures.recount(today - timedelta(days=period_figures.KEPT_DAYS), today)
    print(f"{days} days: {time.process_time() - began:.1f} s of this process")
    for unit, count in (("week", 26), ("week", 52), ("day", 90)):
        look = partial(monitoring, by=person, unit=unit, count=count)
        times = [cpu_ms(look) for _ in range(REPEATS)]
        print(f"page, {count} {unit}s: {_spread(times)}")
    if options.plans:
        print("\n\n".join(explained(lambda: period_figures.count_day(day))))
        print("\n\n".join(explained(lambda: monitoring(by=person))))


def _spread(times: list[float]) -> str:
    low, middle, high = min(times), statistics.median(times), max(times)
    return f"median {middle:.0f} ms ({low:.0f}-{high:.0f}), n = {len(times)}"


if __name__ == "__main__":
    main()
