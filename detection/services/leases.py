"""Whose leases are dead: a process is known by host, pid and start time."""

import os
import socket
from datetime import timedelta
from pathlib import Path

from django.db.models.functions import Now

from detection.models import (
    Comparison,
    DatasetImport,
    Detection,
    EvidenceLayer,
    Region,
    Rejudging,
    ShadowJudgement,
)
from detection.models.leased import Leased, LeasedQuerySet


def process_name(pid: int) -> str:
    """A process of this host while it lives: host:pid:start, so that a reused pid differs."""
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def free_dead_leases() -> int:
    """Hand back the leases that dead processes of this host hold, without waiting them out."""
    owned = (
        Detection,
        EvidenceLayer,
        Region,
        ShadowJudgement,
        Comparison,
        Rejudging,
        DatasetImport,
    )
    return sum(_free(model) for model in owned)


def _free(model: type[Leased]) -> int:
    host, running, rows = socket.gethostname(), model.Status.RUNNING, model._default_manager
    freed = 0
    open_work: LeasedQuerySet[Leased] = LeasedQuerySet(model).open_work()
    held_here = open_work.filter(status=running, lease_owner__startswith=f"{host}:")
    for row in held_here:
        pid = int(row.lease_owner.split(":")[1])
        if process_name(pid) != row.lease_owner:
            held = rows.filter(pk=row.pk, attempt=row.attempt, status=running)
            freed += held.update(lease_until=Now() - timedelta(seconds=1), rung_at=None)
    return freed


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
