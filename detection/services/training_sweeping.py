"""What keeps a training run from being forgotten: rings again, ends the hopeless, cleans up."""

import socket
from datetime import timedelta

from django.db.models.functions import Now

from detection import doorbell
from detection.models import ModelVersion, TrainingRun
from detection.services import training
from detection.services.leases import process_name
from detection.services.training_work import compare, end_cancelled, end_failed


def sweep() -> None:
    """One round; there is at most one open run."""
    _free_dead_lease()
    for run in TrainingRun.objects.abandoned():
        if run.cancel_asked_at is not None:
            end_cancelled(run, is_held=False)
        else:
            end_failed(run, "attempts_exhausted", is_held=False)
    if doorbell.unanswered(training.QUEUE) == 0:
        for run in TrainingRun.objects.claimable():
            training.ring(run)
    for run in training.ended_with_files():
        training.clear(run)
    _compare_uncompared()


def _free_dead_lease() -> None:
    """Do not wait out the lease of a trainer of this host that is dead."""
    host = f"{socket.gethostname()}:"
    running = TrainingRun.objects.filter(status=TrainingRun.Status.RUNNING)
    for run in running.filter(lease_owner__startswith=host, lease_until__gte=Now()):
        if process_name(int(run.lease_owner.split(":")[1])) != run.lease_owner:
            running.filter(pk=run.pk, attempt=run.attempt).update(
                lease_until=Now() - timedelta(seconds=1)
            )


def _compare_uncompared() -> None:
    """Candidates whose comparison a crash kept from being ordered."""
    done = TrainingRun.objects.filter(
        status=TrainingRun.Status.DONE,
        candidate__state=ModelVersion.State.CANDIDATE,
        candidate__comparisons=None,
        snapshot__broken_at=None,
        completed_at__gte=Now() - timedelta(hours=1),
    )
    for run in done.select_related("candidate", "snapshot", "by"):
        compare(run)
