"""The queues as they are now: how much waits and is worked on, and who works it off."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Model

from detection.models import (
    Comparison,
    DatasetImport,
    EvidenceLayer,
    Region,
    Rejudging,
    ShadowJudgement,
    TrainingRun,
)
from detection.services import open_work
from detection.services.open_work import OpenWork
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


def queue_states() -> list[QueueState]:
    """Every queue, in the order in which people wait for it."""
    work = {
        queue: sum(map(open_work.open_rows, models), OpenWork()) for queue, models in WORK.items()
    }
    for queue, detections in open_work.open_detections().items():
        work[queue] += detections.work
    # Of webhooks and mails only what is due: what is to be tried later waits for no worker.
    work["deliver"] += open_work.webhooks().due + open_work.mails().due
    workers = {state.queue: state for state in worker_states()}
    states = []
    for queue, found in work.items():
        worker = workers.get(queue)
        last_at = worker.last_at if worker else _last_heartbeat()
        states.append(
            QueueState(queue, found.waiting, found.oldest_at, found.running, worker, last_at)
        )
    return states


def _last_heartbeat() -> datetime | None:
    until = (
        TrainingRun.objects.filter(status=TrainingRun.Status.RUNNING)
        .values_list("lease_until", flat=True)
        .first()
    )
    return until - settings.LEASE if until else None
