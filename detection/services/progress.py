"""Whether work that waits is being done."""

import time
from datetime import timedelta

from django.db.models.functions import Now

from detection.models import Detection
from detection.models.detection import DetectionQuerySet

Status = Detection.Status
RECENT = timedelta(seconds=60)


def stalled_s() -> float:
    """Seconds that the oldest interactive detection has waited while nobody claimed any; else 0.

    A long queue that is being worked off is not a stall, and neither is a bulk backlog.
    """
    interactive = Detection.objects.filter(queue=Detection.Queue.DETECT)
    queued_at = (
        interactive.open_work()
        .filter(status=Status.QUEUED)
        .order_by("queued_at")
        .values_list("queued_at", flat=True)
        .first()
    )
    waited_s = max(0.0, time.time() - queued_at.timestamp()) if queued_at else 0.0
    # Finished rows count too, or the moment between two images would look like a standstill. No
    # index helps here, so it is asked only when something did wait long.
    if waited_s > RECENT.total_seconds() and _is_worked_off(interactive):
        return 0.0
    return waited_s


def _is_worked_off(detections: DetectionQuerySet) -> bool:
    return detections.filter(started_at__gt=Now() - RECENT).exists()
