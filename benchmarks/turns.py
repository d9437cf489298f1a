"""What taking turns costs a submission and a worker, beside a backlog of one owner.

    python -m benchmarks.turns [--times 300]

Milliseconds of the question whose round comes next, and of taking the next row, beside the peer
it took the place of: taking the row that the doorbell names. Writes to a temporary SQLite database,
or to the one of DATABASE_URL, which must be empty.
"""

import argparse
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import django
from rich.console import Console
from rich.table import Table

BACKLOGS = (0, 1_000, 10_000, 100_000)
WORKER = "bench:1:1"
OTHERS = 8


def prepare() -> tuple[Any, list[Any]]:
    from django.core.management import call_command

    from accounts.models import User
    from detection.models import ModelVersion

    call_command("migrate", verbosity=0)
    version = ModelVersion.objects.create(
        name="none", version="1", architecture="none", artifact_sha256="a" * 64, state="active"
    )
    return version, [User.objects.create_user(f"p{n}@example.org", "x" * 12) for n in range(9)]


def wait(owner: Any, version: Any, count: int, first: int = 0) -> list[Any]:
    """So many rows of one owner that wait, a round each."""
    from detection.models import Detection, Image

    images = [
        Image(
            owner=owner,
            sha256=uuid.uuid4().hex * 2,
            size_bytes=1,
            format="JPEG",
            media_type="image/jpeg",
            width=1,
            height=1,
        )
        for _ in range(count)
    ]
    rows = [
        Detection(image=image, model_version=version, turn=first + n, turn_of=owner)
        for n, image in enumerate(images)
    ]
    Image.objects.bulk_create(images, batch_size=1000)
    return Detection.objects.bulk_create(rows, batch_size=1000)


def spent(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def measure(table: Table, times: int) -> None:
    from django.db import connection

    from detection.models import Detection

    version, people = prepare()
    sender, others = people[0], people[1:]
    filled = 0
    for backlog in BACKLOGS:
        wait(sender, version, backlog - filled, first=filled)
        filled = backlog
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE detection_detection")
        rows = [wait(others[n % OTHERS], version, 1)[0] for n in range(2 * times)]
        asked = [spent(partial(_next_turn, people[n % 9])) for n in range(times)]
        named = [
            spent(lambda row=row: Detection.objects.claim(row.pk, worker=WORKER))  # type: ignore[misc]
            for row in rows[:times]
        ]
        Detection.objects.filter(status="running").update(status="queued")
        Detection.objects.filter(pk__in=[row.pk for row in rows[:times]]).delete()
        taken = [
            spent(lambda row=row: Detection.objects.claim_next(row.pk, worker=WORKER))  # type: ignore[misc]
            for row in rows[times:]
        ]
        Detection.objects.filter(status="running", turn_of=sender).update(status="queued")
        Detection.objects.exclude(turn_of=sender).delete()
        ratio = statistics.median(taken) / statistics.median(named)
        table.add_row(f"{backlog:,}", _shown(asked), _shown(named), _shown(taken), f"{ratio:.1f}")


def _next_turn(owner: Any) -> None:
    from django.db import transaction

    from detection.models import Detection

    with transaction.atomic():
        Detection.objects.next_turn(owner.pk, "detect")


def _shown(laps: list[float]) -> str:
    return f"{statistics.median(laps):.2f} / {statistics.quantiles(laps, n=20)[-1]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    times = parser.parse_args().times
    table = Table("waiting rows", "next round", "the named row", "the next row", "ratio of medians")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/turns.sqlite3")
        os.environ.setdefault("SECRET_KEY", "benchmark " * 6)
        os.environ.setdefault("UNMASK_DATA", folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "deepfake_site.settings"
        django.setup()
        measure(table, times)
    console = Console(width=100)
    console.print(table)
    console.print(f"p50 / p95 in ms, n = {times}.")


if __name__ == "__main__":
    main()
