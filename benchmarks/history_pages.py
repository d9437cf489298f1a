"""Time of one history page among many rows, for people who own many, few or none of them.

    python -m benchmarks.history_pages [--rows 100000]

Fills a temporary SQLite database and prints the first and the fourth page, filtered and not, beside
the plainest query there is: the newest 25 rows without any question of who may see them.
"""

import argparse
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import django
from rich.console import Console
from rich.table import Table

PAGE = 24
PEOPLE = 19
FEW = 500  # one image in so many belongs to the person with few
REPEATS = 9


def prepare(rows: int) -> None:
    from django.core.management import call_command
    from django.utils import timezone

    from accounts.models import User
    from detection.models import Detection, Image, ModelVersion

    call_command("migrate", verbosity=0)
    many = [User.objects.create_user(f"many{n}@example.org", "x" * 12) for n in range(PEOPLE)]
    few = User.objects.create_user("few@example.org", "x" * 12)
    User.objects.create_user("reviewer@example.org", "x" * 12, role=User.Role.MODERATOR)
    version = ModelVersion.objects.create(
        name="none", version="1", architecture="none", artifact_sha256="a" * 64, state="active"
    )
    now = timezone.now()
    images = [
        Image(
            owner=many[n % PEOPLE] if n % FEW else few,
            sha256=uuid.uuid4().hex * 2,
            size_bytes=1,
            format="JPEG",
            media_type="image/jpeg",
            width=1,
            height=1,
        )
        for n in range(rows)
    ]
    Image.objects.bulk_create(images, batch_size=2000)
    Detection.objects.bulk_create(
        (
            Detection(
                image=image,
                model_version=version,
                status="done",
                verdict="inconclusive" if n % 100 else "likely_manipulated",
                probability=0.5,
                created_at=now - timedelta(seconds=n),
                completed_at=now,
            )
            for n, image in enumerate(images)
        ),
        batch_size=2000,
    )


def median_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def measure(table: Table) -> None:
    from accounts.models import User
    from detection.models import Detection
    from detection.paging import page

    plain = median_ms(lambda: page(Detection.objects.all(), cursor="", size=PAGE))
    table.add_row("nobody asked", "", f"{plain:.1f}", "", "1.0 ×")
    for email in ("many0@example.org", "few@example.org", "reviewer@example.org"):
        rows = Detection.objects.visible_to(User.objects.get(email=email)).select_related("image")
        for name, found in (("all", rows), ("1 in 100", rows.filter(verdict="likely_manipulated"))):
            cursor = ""
            for _ in range(3):
                cursor = page(found, cursor=cursor, size=PAGE).next_cursor or cursor
            first = median_ms(lambda found=found: page(found, cursor="", size=PAGE))
            fourth = median_ms(lambda found=found, at=cursor: page(found, cursor=at, size=PAGE))
            ratio = f"{first / plain:.1f} ×"
            table.add_row(email.partition("@")[0], name, f"{first:.1f}", f"{fourth:.1f}", ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(UNMASK_DATA=folder, SECRET_KEY="benchmark " * 6)
        os.environ["DJANGO_SETTINGS_MODULE"] = "deepfake_site.settings"
        os.environ.pop("DATABASE_URL", None)
        django.setup()
        prepare(rows)
        table = Table("person", "filter", "page 1, ms", "page 4, ms", "page 1 v. plain")
        measure(table)
    Console().print(f"{rows} detections, SQLite, median of {REPEATS}", table)


if __name__ == "__main__":
    main()
