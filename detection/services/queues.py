"""The queues as they are now: how much waits and is worked on, and who works it off."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min, Model, QuerySet
from django.db.models.functions import Now

from detection.models import (
    Comparison,
    DatasetImport,
    Detection,
    EvidenceLayer,
    Notice,
    Region,
    Rejudging,
    ShadowJudgement,
    TrainingRun,
    WebhookDelivery,
)
from detection.models.leased import OPEN_IN_SQL, Leased
from detection.services.workers import WorkerState, worker_states

# What each queue's worker claims. Each detection says itself in which of two it waits.
WORK: dict[str, tuple[type[Model], ...]] = {
    "detect": (),
    "bulk": (ShadowJudgement, DatasetImport, Rejudging),
    "evidence": (EvidenceLayer, Region),
    "deliver": (),
    "train": (TrainingRun, Comparison),
}


@dataclass(frozen=True)
class QueueState:
    """One queue.

    Attributes:
        oldest_at: since when the oldest of what waits has waited.
        worker: None for training, whose worker is asked for no sign.
        last_at: the worker's last sign; that of training is a run's last heartbeat.
    """

    queue: str
    waiting: int
    oldest_at: datetime | None
    running: int
    worker: WorkerState | None
    last_at: datetime | None


@dataclass
class _Work:
    waiting: int = 0
    oldest_at: datetime | None = None
    running: int = 0

    def add(self, waiting: int, oldest_at: datetime | None, running: int = 0) -> None:
        self.waiting += waiting
        self.running += running
        known = [at for at in (self.oldest_at, oldest_at) if at is not None]
        self.oldest_at = min(known, default=None)


def queue_states() -> list[QueueState]:
    """Every queue, in the order in which people wait for it."""
    work = {queue: _Work() for queue in WORK}
    _count_detections(work)
    for queue, models in WORK.items():
        for model in models:
            _count_leased(work[queue], model._default_manager.all())
    _count_deliveries(work["deliver"])
    workers = {state.queue: state for state in worker_states()}
    states = []
    for queue, found in work.items():
        worker = workers.get(queue)
        last_at = worker.last_at if worker else _last_heartbeat()
        states.append(
            QueueState(queue, found.waiting, found.oldest_at, found.running, worker, last_at)
        )
    return states


def _count_detections(work: dict[str, _Work]) -> None:
    rows = Detection.objects.open_work().order_by()
    counted = rows.values_list("queue", "status").annotate(n=Count("pk"), since=Min("queued_at"))
    for queue, status, count, since in counted:
        _add(work[queue], status, count, since)


def _count_leased(work: _Work, rows: QuerySet) -> None:
    rows = rows.filter(status__in=OPEN_IN_SQL).order_by()
    counted = rows.values_list("status").annotate(n=Count("pk"), since=Min("created_at"))
    for status, count, since in counted:
        _add(work, status, count, since)


def _add(work: _Work, status: str, count: int, since: datetime) -> None:
    if status == Leased.Status.QUEUED:
        work.add(count, since)
    else:
        work.add(0, None, count)


def _count_deliveries(work: _Work) -> None:
    """Of webhooks and mails only what is due: what is to be tried later waits for no worker."""
    due = WebhookDelivery.objects.due().aggregate(n=Count("pk"), since=Min("due_at"))
    work.add(due["n"], due["since"])
    due = Notice.objects.due().aggregate(n=Count("pk"), since=Min("mail_due_at"))
    work.add(due["n"], due["since"])
    for rows in (WebhookDelivery.objects.pending(), Notice.objects.unsent()):
        work.add(0, None, rows.filter(lease_until__gte=Now()).count())


def _last_heartbeat() -> datetime | None:
    until = (
        TrainingRun.objects.filter(status=TrainingRun.Status.RUNNING)
        .values_list("lease_until", flat=True)
        .first()
    )
    return until - settings.LEASE if until else None
