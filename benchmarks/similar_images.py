"""Time of "Seen before?" among many images, as a journalist and as a moderator.

    [DATABASE_URL=postgres://…] python -m benchmarks.similar_images [--rows 1000000] [--plans]

Fills a database with images and verdicts: SQLite in a temporary folder, or the empty PostgreSQL
that DATABASE_URL names. The hashes are drawn as those of pictures are distributed: half of them are
faces, which resemble each other; some are copies, a few bits apart; one is a placeholder that came
often.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator

import django
import numpy as np
from rich.console import Console
from rich.table import Table

CHUNK = 50_000
BITS = 64
# share of faces, and how much of a face is every face: four times as many candidates as measured
FACES, LIKENESS = 0.5, 0.6
COPIES = 0.05
PLACEHOLDER_ROWS = 0.005
QUERIES = 200
CONFIDENTIAL, PIPELINE, ONE_IN_FEW = 0.1, 0.5, 2000

SAMPLE = """
CREATE TEMPORARY TABLE sample (
    n integer, hash text, in_mirror text, band_0 integer, band_1 integer, band_2 integer,
    owner integer, is_confidential boolean)
"""
IMAGES = """
INSERT INTO detection_image (
    id, owner_id, sha256, size_bytes, format, media_type, width, height, perceptual_hash,
    mirrored_hash, band_0, band_1, band_2, facts, is_confidential, created_at, hold_reason)
SELECT {uuid}, owner, {sha256}, 400000, 'JPEG', 'image/jpeg', 1600, 1200, hash, in_mirror,
    band_0, band_1, band_2, '{facts}', is_confidential, {moment}, ''
FROM sample
"""
DETECTIONS = """
INSERT INTO detection_detection (
    id, image_id, model_version_id, status, queue, attempt, attempt_limit, lease_owner, created_at,
    queued_at, completed_at, verdict, probability, reasons, transforms, faces, activation_shape,
    timings_ms, failure_code)
SELECT {uuid}, id, {version}, 'done', 'detect', 1, 3, '', created_at, created_at, created_at,
    CASE WHEN band_0 % 3 = 0 THEN 'likely_manipulated' ELSE 'inconclusive' END, 0.5, '[]', '{{}}',
    '[]', '[]', '{{}}', ''
FROM detection_image
"""
DIALECTS = {
    "sqlite": {
        "uuid": "lower(hex(randomblob(16)))",
        "sha256": "lower(hex(randomblob(32)))",
        "moment": "datetime('2026-01-01', '+' || n || ' seconds')",
    },
    "postgresql": {
        "uuid": "gen_random_uuid()",
        "sha256": "md5(n::text) || md5('x' || n)",
        "moment": "timestamptz '2026-01-01' + n * interval '1 second'",
    },
}
FACTS = '{"format": "JPEG", "metadata": {"exif": {"Make": "%s"}}}' % ("x" * 600)


def hashes(count: int, rng: np.random.Generator) -> np.ndarray:
    """So many perceptual hashes, each with half of its bits set."""
    frequencies = rng.normal(size=(count, BITS))
    face = rng.normal(size=BITS)
    faces = rng.random(count) < FACES
    frequencies[faces] = LIKENESS * face + (1 - LIKENESS**2) ** 0.5 * frequencies[faces]
    frequencies[:, 0] = np.inf
    is_high = frequencies > np.median(frequencies, axis=1, keepdims=True)
    is_copy = np.flatnonzero(rng.random(count) < COPIES)
    is_high[is_copy] = is_high[rng.integers(0, max(count // 20, 1), is_copy.size)]
    for row in is_copy[::2]:  # saved again: one frequency less above the median, another more
        is_high[row, rng.choice(np.flatnonzero(is_high[row]))] = False
        is_high[row, rng.choice(np.flatnonzero(~is_high[row]))] = True
    return np.packbits(is_high, axis=1).view(">u8").ravel()


def samples(rows: int, people: list[int], few: int) -> Iterator[tuple[object, ...]]:
    from detection import likeness

    rng = np.random.default_rng(20261128)
    drawn = [int(value) for value in hashes(rows, rng)]
    placeholder = drawn[0]
    for n, value in enumerate(drawn):
        is_placeholder = n % round(1 / PLACEHOLDER_ROWS) == 0
        owner = few if n % ONE_IN_FEW == 1 else people[0 if rng.random() < PIPELINE else n % 18 + 1]
        upright = f"{placeholder if is_placeholder else value:016x}"
        bands = likeness.bands(upright)
        is_confidential = bool(rng.random() < CONFIDENTIAL)
        yield n, upright, likeness.mirrored(upright), *bands, owner, is_confidential


def prepare(rows: int) -> None:
    from django.core.management import call_command
    from django.db import connection, transaction

    from accounts.models import User
    from detection.models import ModelVersion

    call_command("migrate", verbosity=0)
    people = [User.objects.create_user(f"p{n}@example.org", "x" * 12).pk for n in range(19)]
    few = User.objects.create_user("few@example.org", "x" * 12)
    User.objects.create_user("moderator@example.org", "x" * 12, role=User.Role.MODERATOR)
    version = ModelVersion.objects.create(
        name="none", version="1", architecture="none", artifact_sha256="a" * 64, state="active"
    )
    dialect = DIALECTS[connection.vendor] | {"facts": FACTS, "version": repr(version.pk)}
    if not isinstance(version.pk, int):
        dialect["version"] = f"'{version.pk.hex}'"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SAMPLE)
        load(cursor, samples(rows, people, few.pk))
        cursor.execute(IMAGES.format(**dialect))
        cursor.execute(DETECTIONS.format(**dialect))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def load(cursor: object, rows: Iterator[tuple[object, ...]]) -> None:
    if hasattr(cursor, "copy"):
        with cursor.copy("COPY sample FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        cursor.executemany("INSERT INTO sample VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rows)


def measure(table: Table) -> None:
    from accounts.models import User
    from detection import sightings
    from detection.models import Detection
    from detection.services import seen_before

    for email in ("few@example.org", "p0@example.org", "moderator@example.org"):
        user = User.objects.get(email=email)
        visible = Detection.objects.visible_to(user)
        ids = list(visible.values_list("pk", flat=True)[:20_000])
        asked = random.Random(0).sample(ids, min(QUERIES, len(ids)))
        times, with_matches, cpu_s = [], 0, time.process_time()
        for pk in asked:
            row = Detection.objects.select_related("image").get(pk=pk)
            picture = seen_before.fingerprint(row.image)
            started = time.perf_counter()
            found = seen_before.find(user, picture, beside=row)
            seen = sightings.seen_before(found, reader=user, beside=row)
            times.append((time.perf_counter() - started) * 1000)
            with_matches += bool(seen.sightings)
        cpu_ms = (time.process_time() - cpu_s) * 1000 / len(asked)
        table.add_row(
            email.partition("@")[0],
            str(len(asked)),
            f"{statistics.median(times):.1f}",
            f"{statistics.quantiles(times, n=20)[-1]:.1f}",
            f"{cpu_ms:.1f}",
            str(with_matches),
        )


def print_plans() -> None:
    """What the database does for the first picture, as moderator."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from accounts.models import User
    from detection.models import Detection
    from detection.services import seen_before

    explain = (
        "EXPLAIN (ANALYZE, BUFFERS)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    )
    for email in ("few@example.org", "moderator@example.org"):
        user = User.objects.get(email=email)
        row = Detection.objects.visible_to(user).select_related("image").first()
        with CaptureQueriesContext(
            connection,
        ) as asked:
            seen_before.find(user, seen_before.fingerprint(row.image), beside=row)
        for query in asked.captured_queries:
            print(f"\n-- {email} {query['time']} s: {query['sql'][:200]} …")
            with connection.cursor() as cursor:
                cursor.execute(f"{explain} {query['sql'].replace('%', '%%')}")
                for line in cursor.fetchall():
                    print("  ", str(line[-1])[:220])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--filled", action="store_true", help="the database is filled already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("UNMASK_DATA", folder)
        os.environ.setdefault("SECRET_KEY", "benchmark of similar images " * 3)
        os.environ["DJANGO_SETTINGS_MODULE"] = "deepfake_site.settings"
        django.setup()
        from django.db import connection

        if not given.filled:
            prepare(given.rows)
        table = Table("person", "n", "p50, ms", "p95, ms", "CPU, ms", "with matches")
        measure(table)
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        Console().print(f"{given.rows} images, {connection.vendor}, {load}", table)
        if given.plans:
            print_plans()


if __name__ == "__main__":
    main()
