"""CPU time and plans of what the review desk asks, with many items open and many more closed.

    DATABASE_URL=postgres://… python -m benchmarks.review_queue [--open 10000] [--closed 100000]

Fills the empty PostgreSQL database that DATABASE_URL names. CPU time is that of this process and of
the database's process that serves it, which has to run on this machine; neither depends on what
else the machine does.
"""

import argparse
import os
import random
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import django
from rich.console import Console
from rich.table import Table

CALLS = 40
PEOPLE, REVIEWERS, CONFIDENTIAL = 50, 20, 0.1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def prepare(opened: int, closed: int) -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from accounts.models import User
    from detection.models import Decision, Detection, Feedback, Image, ModelVersion, ReviewItem
    from detection.services.review_rules import URGENCY

    call_command("migrate", verbosity=0)
    chance, now = random.Random(20261128), timezone.now()
    owners = [User.objects.create(email=f"p{n}@example.org") for n in range(PEOPLE)]
    moderator = User.Role.MODERATOR
    reviewers = [
        User.objects.create(email=f"m{n}@example.org", role=moderator) for n in range(REVIEWERS)
    ]
    version = ModelVersion.objects.create(
        name="none", version="1", architecture="none", artifact_sha256="a" * 64, state="active"
    )
    total = opened + closed
    images, detections, items, decisions, claims = [], [], [], [], []
    for number in range(total):
        at = now - timedelta(minutes=total - number)
        image = Image(
            owner=chance.choice(owners),
            sha256=uuid.UUID(int=number).hex * 2,
            size_bytes=400_000,
            format="JPEG",
            media_type="image/jpeg",
            width=1600,
            height=1200,
            is_confidential=number < closed and chance.random() < CONFIDENTIAL,
            created_at=at,
        )
        verdict = chance.choice(["likely_authentic", "likely_manipulated", "inconclusive"])
        detection = Detection(
            image=image,
            model_version=version,
            status="done",
            verdict=verdict,
            probability=0.5,
            created_at=at,
            completed_at=at,
        )
        reason = chance.choice([*URGENCY])
        item = ReviewItem(
            detection=detection, reasons=[reason], urgency=URGENCY[reason], created_at=at
        )
        if number < closed:
            item.status, item.closed_at, item.outcome = "closed", at, "authentic"
            by = chance.choice(reviewers)
            decisions.append(Decision(item=item, by=by, outcome="authentic", reason="other"))
        elif chance.random() < 0.1:
            item.opinions_wanted = 2
            by = chance.choice(reviewers)
            decisions.append(Decision(item=item, by=by, outcome="authentic", reason="other"))
        if reason == "disputed":
            by = chance.choice(reviewers if chance.random() < 0.1 else owners)
            claims.append(Feedback(detection=detection, by=by, label="real", category="other"))
        images.append(image)
        detections.append(detection)
        items.append(item)
    for rows in (images, detections, items, decisions, claims):
        type(rows[0]).objects.bulk_create(rows, batch_size=2000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def cpu_s(backend: int) -> float:
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def measured(name: str, ask: Callable[[], object], table: Table) -> None:
    """CPU time of a call: the mean of so many, five times over: the kernel counts coarsely."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    ask()
    means = []
    for _ in range(5):
        started = cpu_s(backend)
        for _ in range(CALLS):
            ask()
        means.append(1000 * (cpu_s(backend) - started) / CALLS)
    spread = f"{min(means):.2f} to {max(means):.2f}"
    table.add_row(name, f"{statistics.median(means):.2f}", spread, str(5 * CALLS))


def asked() -> dict[str, Callable[[], object]]:
    from django.db import transaction

    from accounts.models import User
    from detection import review_waiting
    from detection.models import ReviewItem
    from detection.services import review_claims, review_queue
    from detection.services.review_queue import Asked
    from detection.services.review_rules import set_rules

    by = User.objects.get(email="m0@example.org")
    set_rules(by=by, golden_share=0)

    def undone(change: Callable[[], object]) -> None:
        with transaction.atomic():
            change()
            transaction.set_rollback(True)

    def page(cursor: str = "", **filters: object) -> object:
        return review_queue.page(by, Asked(**filters), cursor=cursor, size=50)

    late = list(ReviewItem.objects.open().most_urgent_first())[-60]
    from detection.paging import cursor_at_urgency

    last = cursor_at_urgency(late.urgency, late.created_at, late.pk)
    return {
        "the next item, claimed": lambda: undone(lambda: review_claims.next_item(by)),
        "how many wait, at most 100": lambda: review_waiting.waiting_number(by),
        "first page of the open ones": page,
        "last page of the open ones": lambda: page(last),
        "open ones with one reason": lambda: page(reason="sample"),
        "first page of the closed ones": lambda: page(status="closed"),
        "closed ones that I decided": lambda: page(status="closed", is_mine=True),
    }


def plans() -> str:
    from accounts.models import User
    from detection.models import ReviewItem
    from detection.services import review_claims, review_queue
    from detection.services.review_queue import Asked

    by = User.objects.get(email="m0@example.org")
    options = {"analyze": True, "buffers": True, "costs": False, "timing": False}
    front = ReviewItem.objects.free().most_urgent_first().values_list("pk")[:50]
    fit = review_claims.waiting_for(by).filter(pk__in=[pk for (pk,) in front]).values_list("pk")
    first = review_queue.items(by, Asked()).most_urgent_first()[:51]
    return "\n\n".join(rows.explain(**options) for rows in (front, fit, first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--closed", type=int, default=100_000)
    parser.add_argument("--filled", action="store_true", help="the database is filled already")
    options = parser.parse_args()
    os.environ.setdefault("SECRET_KEY", "only-for-benchmarks-" * 4)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
    django.setup()
    if not options.filled:
        prepare(options.open, options.closed)
    table = Table("asked", "CPU ms, median", "of five runs", "n")
    for name, ask in asked().items():
        measured(name, ask, table)
    console = Console(width=160)
    console.print(table)
    console.print(plans(), markup=False, highlight=False)


if __name__ == "__main__":
    main()
