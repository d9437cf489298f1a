"""Whether anybody works: how long messages wait, and when each queue's worker last took one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from detection.models import Detection, ModelVersion, WorkerSign
from detection.services.drift_rules import Finding
from detection.services.open_work import open_detections
from detection.services.progress import stalled_s

# Whose worker is asked for a sign every minute; training holds its own for hours.
WATCHED = ("detect", "evidence", "bulk", "deliver")
# The sweeper's messages are taken by the workers of `detect`; see manage.py up.
TAKEN_BY = {"detect": "sweep"}
SILENT_AFTER = WorkerSign.SILENT_AFTER
WAITS_LONG = timedelta(minutes=5)
STALLED_S = 120.0


@dataclass(frozen=True)
class WorkerState:
    """A queue's worker.

    Attributes:
        last_at: when it last gave a sign; None where it never did.
        is_silent: it gave signs once, and none for too long.
    """

    queue: str
    last_at: datetime | None
    is_silent: bool


@dataclass(frozen=True)
class Waiting:
    """Detections of one queue that are not judged yet."""

    queue: str
    count: int
    oldest_at: datetime | None


def sign(queue: str) -> None:
    """A worker took a message from this queue."""
    WorkerSign.objects.give(queue)


def worker_states() -> list[WorkerState]:
    """The workers as they are now, for pages as well as for rules.

    One is silent that was there once, gave no sign for long, and had as long to come back since the
    desk itself was started: the others' signs tell.
    """
    signs, now = {row.queue: row for row in WorkerSign.objects.all()}, timezone.now()
    lively = [row for row in signs.values() if now - row.at <= SILENT_AFTER]
    is_settled = not lively or any(now - row.since > SILENT_AFTER for row in lively)
    states = []
    for queue in WATCHED:
        row = signs.get(TAKEN_BY.get(queue, queue))
        is_late = row is not None and now - row.at > SILENT_AFTER
        states.append(WorkerState(queue, row.at if row else None, is_late and is_settled))
    return states


def is_any_silent() -> bool:
    return any(state.is_silent for state in worker_states())


def waiting() -> list[Waiting]:
    """Detections that wait or are being judged, by queue."""
    return [
        Waiting(queue, found.work.waiting + found.work.running, found.oldest_open_at)
        for queue, found in open_detections().items()
    ]


def findings(states: Sequence[WorkerState] | None = None) -> list[Finding]:
    """What is wrong with the work in this moment."""
    silent = [state.queue for state in states or worker_states() if state.is_silent]
    return [
        Finding("no_worker", bool(silent), {"queues": silent}),
        _queue_waits(),
        _model_damaged(),
    ]


def _queue_waits() -> Finding:
    interactive = next(row for row in waiting() if row.queue == Detection.Queue.DETECT)
    age = timezone.now() - interactive.oldest_at if interactive.oldest_at else timedelta()
    stalled = stalled_s()
    return Finding(
        "queue_waits",
        age > WAITS_LONG or stalled > STALLED_S,
        {"count": interactive.count, "oldest_s": round(age.total_seconds())},
    )


def _model_damaged() -> Finding:
    """The model that judges cannot: its files were found altered or gone, and not whole since."""
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE)
    row = active.exclude(damaged_at=None).first()
    return Finding("model_damaged", row is not None, {"model": str(row)} if row else {})
