"""Celery entry points of the audit trail and of limits."""

from celery import shared_task

from accounts import checkpoints
from deepfake_site import rate_limits


@shared_task
def seal_audit() -> None:
    """Sign where every chain stands, if anything happened."""
    checkpoints.seal()


@shared_task
def drop_ended_windows() -> None:
    """Counters of windows that have ended count nothing any more."""
    rate_limits.drop_ended()
