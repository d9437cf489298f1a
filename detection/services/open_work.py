"""What waits and what is worked on, counted here alone, for whoever shows it.

One statement for each table, which reads its open rows by their own index. The page Operations,
Prometheus and the rules of Monitoring each take the figures that they speak of.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Model, Q, QuerySet
from django.db.models.functions import Now

from detection.models import Detection, Notice, WebhookDelivery
from detection.models.leased import OPEN_IN_SQL, Leased
from detection.models.notice import IS_DUE as IS_MAIL_DUE
from detection.models.webhook import IS_DUE as IS_WEBHOOK_DUE

WAITS, RUNS = Q(status=Leased.Status.QUEUED), Q(status=Leased.Status.RUNNING)


@dataclass(frozen=True)
class OpenWork:
    """Open rows of one kind.

    Attributes:
        oldest_at: since when the oldest of what waits has waited.
    """

    waiting: int = 0
    oldest_at: datetime | None = None
    running: int = 0

    def __add__(self, other: "OpenWork") -> "OpenWork":
        known = [at for at in (self.oldest_at, other.oldest_at) if at is not None]
        return OpenWork(
            self.waiting + other.waiting, min(known, default=None), self.running + other.running
        )


@dataclass(frozen=True)
class OpenDetections:
    """Open detections of one queue.

    Attributes:
        oldest_open_at: since when the oldest of all waits for its verdict, in work or not.
        again: were tried before.
        lost: run, and their worker's lease is over.
    """

    work: OpenWork = OpenWork()
    oldest_open_at: datetime | None = None
    again: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Unsent:
    """What is to be told and was not yet.

    Attributes:
        count: due or not.
        oldest_at: when the first of them is due; one that is to be tried again is due later.
        due: what is due, in nobody's hands and can be sent, and `due.running` what is in hands.
    """

    count: int
    oldest_at: datetime | None
    due: OpenWork


def open_detections() -> dict[str, OpenDetections]:
    """Those of each queue; every queue is there."""
    found = dict.fromkeys(Detection.Queue.values, OpenDetections())
    for row in detections_by_queue():
        work = OpenWork(row["waiting"], row["oldest_at"], row["running"])
        found[row["queue"]] = OpenDetections(work, row["oldest_open_at"], row["again"], row["lost"])
    return found


def detections_by_queue() -> QuerySet:
    again = WAITS & Q(attempt__gt=0) | RUNS & Q(attempt__gt=1)
    rows = Detection.objects.open_work().order_by().values("queue")
    return rows.annotate(
        **_work("queued_at"),
        oldest_open_at=Min("queued_at"),
        again=Count("pk", filter=again),
        lost=Count("pk", filter=RUNS & Q(lease_until__lt=Now())),
    )


def open_rows(model: type[Model]) -> OpenWork:
    """Of work of another kind, which has one queue."""
    rows: QuerySet = model._default_manager.order_by()
    return OpenWork(**rows.filter(status__in=OPEN_IN_SQL).aggregate(**_work("created_at")))


def webhooks() -> Unsent:
    return _unsent(pending_webhooks(), "due_at", IS_WEBHOOK_DUE)


def mails() -> Unsent:
    return _unsent(unsent_mails(), "mail_due_at", IS_MAIL_DUE)


def pending_webhooks() -> QuerySet:
    return WebhookDelivery.objects.pending().order_by()


def unsent_mails() -> QuerySet:
    return Notice.objects.unsent().order_by()


def _work(since: str) -> dict[str, Count | Min]:
    return {
        "waiting": Count("pk", filter=WAITS),
        "oldest_at": Min(since, filter=WAITS),
        "running": Count("pk", filter=RUNS),
    }


def _unsent(rows: QuerySet, due_at: str, is_due: Q) -> Unsent:
    found = rows.aggregate(
        count=Count("pk"),
        oldest_at=Min(due_at),
        due=Count("pk", filter=is_due),
        oldest_due_at=Min(due_at, filter=is_due),
        running=Count("pk", filter=Q(lease_until__gte=Now())),
    )
    due = OpenWork(found["due"], found["oldest_due_at"], found["running"])
    return Unsent(found["count"], found["oldest_at"], due)
