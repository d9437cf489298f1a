"""What keeps the promise that no detection is forgotten: rings again, ends the hopeless, tidies."""

import logging
import os
import socket
import time
import uuid
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from detection.doorbell import ring
from detection.models import Detection, Image

log = logging.getLogger(__name__)

RING_AGAIN_AFTER = timedelta(seconds=30)
RINGS_A_SWEEP = 500
ORPHAN_AGE_S = 24 * 3600


def sweep(*, ring_again_after: timedelta = RING_AGAIN_AFTER) -> dict[str, int]:
    """One round: leases freed, rows ended, doorbells rung.

    Args:
        ring_again_after: how long a doorbell may go unheard; short after a worker's death, which
            takes the messages it had fetched with it.
    """
    return {
        "freed": free_dead_leases(),
        "failed": fail_exhausted(),
        "rung": ring_waiting(ring_again_after),
    }


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    hopeless = Detection.objects.filter(
        status=Detection.Status.RUNNING, lease_until__lt=Now(), attempt__gte=F("attempt_limit")
    ).select_related("image__owner", "model_version")
    return sum(detection.fail("attempts_exhausted") for detection in hopeless)


def ring_waiting(again_after: timedelta = RING_AGAIN_AFTER) -> int:
    """Ring for queued rows nobody took and for expired leases, oldest first."""
    unheard = Q(rung_at=None) | Q(rung_at__lt=Now() - again_after)
    waiting = Detection.objects.claimable().filter(unheard).order_by("created_at")
    rung = 0
    for pk, queue in waiting.values_list("pk", "queue")[:RINGS_A_SWEEP]:
        if not ring(pk, queue):
            break  # the broker is away: the rows stay due, the next sweep tries again
        Detection.objects.filter(pk=pk).update(rung_at=Now())
        rung += 1
    return rung


def process_name(pid: int) -> str:
    """A process of this host while it lives: host:pid:start, so that a reused pid differs."""
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def free_dead_leases() -> int:
    """Hand back the leases that dead processes of this host hold, without waiting them out."""
    host = socket.gethostname()
    freed = 0
    held = Detection.objects.filter(
        status=Detection.Status.RUNNING, lease_owner__startswith=f"{host}:"
    )
    for detection in held:
        pid = int(detection.lease_owner.split(":")[1])
        if process_name(pid) != detection.lease_owner:
            freed += Detection.objects.filter(
                pk=detection.pk, attempt=detection.attempt, status=Detection.Status.RUNNING
            ).update(lease_until=Now() - timedelta(seconds=1), rung_at=None)
    return freed


def remove_orphans() -> int:
    """Remove files that no row names and uploads that never ended, after a day."""
    root = settings.DATA_DIR
    stale = [path for path in root.glob("incoming/*") if _is_old(path)]
    for path in root.glob("originals/*/*"):
        if _is_old(path) and _is_orphan(path.name):
            stale.append(path)
    for path in stale:
        path.unlink(missing_ok=True)
        log.warning("orphan removed: %s", path.relative_to(root))
    return len(stale)


def oldest_waiting_s() -> float:
    """Age in seconds of the oldest detection that is neither done nor failed; 0 without any."""
    oldest = (
        Detection.objects.filter(status__in=[Detection.Status.QUEUED, Detection.Status.RUNNING])
        .order_by("created_at")
        .values_list("created_at", flat=True)
        .first()
    )
    return max(0.0, time.time() - oldest.timestamp()) if oldest else 0.0


def _is_orphan(name: str) -> bool:
    """Whether a file among the originals is one of ours that no row names."""
    try:
        image_id = uuid.UUID(name)
    except ValueError:
        return False
    return not Image.objects.filter(pk=image_id).exists()


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - ORPHAN_AGE_S
    except FileNotFoundError:
        return False


def _started(pid: int) -> str:
    """The kernel's start time of a process, "gone" without one, "0" where /proc does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return "gone"
        return "0" if _is_alive(pid) else "gone"
    fields = stat.rpartition(")")[2].split()
    return "gone" if fields[0] == "Z" else fields[19]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
