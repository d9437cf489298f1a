"""How a detection comes to wait: its turn, its doorbell, a quicker queue, another try."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.doorbell import ring
from detection.models import Detection, Submission


@dataclass(frozen=True)
class Turn:
    """When a row of a person comes up, in the queue in which it is to wait."""

    of: int
    queue: str
    number: int

    def columns(self) -> dict[str, int]:
        return {"turn": self.number, "turn_of": self.of}


def turns_of(wanted: Mapping[uuid.UUID, str], *, by: User) -> dict[uuid.UUID, Turn]:
    """A turn for each image, in the queue that is named for it.

    Before any detection is held; in the order of the queues, as everybody does.
    """
    turns: dict[uuid.UUID, Turn] = {}
    for queue in sorted(set(wanted.values())):
        group = [pk for pk, named in wanted.items() if named == queue]
        first = Detection.objects.next_turn(by.pk, queue, rows=len(group))
        turns |= {pk: Turn(by.pk, queue, number) for number, pk in enumerate(group, first)}
    return turns


def queue_for(priority: str) -> str:
    is_bulk = priority == Submission.Priority.BULK
    return Detection.Queue.BULK if is_bulk else Detection.Queue.DETECT


def hurry(detection: Detection, turn: Turn) -> None:
    """Somebody waits for what lay in the bulk queue: it goes to the quick one."""
    row = Detection.objects.filter(
        pk=detection.pk, status=Detection.Status.QUEUED, queue=Detection.Queue.BULK
    )
    if row.update(queue=turn.queue, rung_at=timezone.now(), **turn.columns()):
        detection.queue = turn.queue
        ring_after_commit(detection)


def retry_detection(*, by: User, detection: Detection) -> bool:
    """Queue a failed detection for another set of attempts; False when it is not failed."""
    of, queue = detection.turn_of_id or detection.image.owner_id, detection.queue
    with transaction.atomic():
        turn = Turn(of, queue, Detection.objects.next_turn(of, queue))
        queued_again = queue_again(detection, turn)
        if queued_again:
            record_retry(by, *queued_again)
    return queued_again is not None


def queue_again(detection: Detection, turn: Turn) -> tuple[Detection, str, int] | None:
    """The detection, how it had failed, and its new limit; None when it is not failed."""
    limit = detection.attempt + Detection._meta.get_field("attempt_limit").default
    won = Detection.objects.filter(
        pk=detection.pk,
        status=Detection.Status.FAILED,
        attempt=detection.attempt,
        image__erased_at=None,
    ).update(
        status=Detection.Status.QUEUED,
        failure_code="",
        completed_at=None,
        attempt_limit=limit,
        queued_at=timezone.now(),
        rung_at=timezone.now(),
        **turn.columns(),
    )
    if not won:
        return None
    ring_after_commit(detection)
    return detection, detection.failure_code, limit


def record_retry(by: User, detection: Detection, failure_code: str, limit: int) -> None:
    audit.record(
        "detection.retried",
        actor=by,
        target=detection,
        owner=detection.image.owner,
        target_sha256=detection.image.sha256,
        before={"status": "failed", "failure_code": failure_code},
        after={"status": "queued", "attempt_limit": limit},
    )


def ring_after_commit(detection: Detection) -> None:
    def announce() -> None:
        if not ring(detection.pk, detection.queue):
            # Due at once, not only when this doorbell counts as unheard.
            Detection.objects.filter(pk=detection.pk).update(rung_at=None)

    transaction.on_commit(announce, robust=True)
