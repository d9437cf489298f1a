"""Celery entry points of training; the database decides whether there is work."""

import os
from datetime import timedelta
from threading import Event
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from detection.services import training_schedule, training_sweeping, training_work
from detection.services.leases import process_name

_stopping = Event()
NO_LIMIT_S = int(timedelta(days=60).total_seconds())


@worker_shutting_down.connect
def stop_soon(**_: Any) -> None:
    """The worker ends after its task, so the task has to know."""
    _stopping.set()


@shared_task(acks_late=False, soft_time_limit=NO_LIMIT_S, time_limit=NO_LIMIT_S)
def train(run_id: str) -> None:
    """Carry out one run. Its message is gone at once: the lease in the database says who has it."""
    training_work.carry_out(run_id, worker=process_name(os.getpid()), is_stopping=_stopping.is_set)


@shared_task
def sweep_training() -> None:
    """Free dead leases, end what is hopeless, ring again for what waits."""
    training_sweeping.sweep()


@shared_task
def start_scheduled() -> None:
    """Start a run where the schedule says so."""
    training_schedule.start_if_due()
