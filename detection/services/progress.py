"""Whether work that waits is being done."""

import time
from datetime import timedelta

from django.db.models.functions import Now

from detection.models import Detection

Status = Detection.Status
RECENT = timedelta(seconds=60)


def stalled_s() -> float:
    """Seconds that the oldest interactive detection has waited while nobody claimed any; else 0.

    A long queue that is being worked off is not a stall, and neither is a bulk backlog.
    """
    if Detection.objects.filter(status=Status.RUNNING, started_at__gt=Now() - RECENT).exists():
        return 0.0
    queued_at = (
        Detection.objects.filter(status=Status.QUEUED, queue=Detection.Queue.DETECT)
        .order_by("queued_at")
        .values_list("queued_at", flat=True)
        .first()
    )
    return max(0.0, time.time() - queued_at.timestamp()) if queued_at else 0.0
