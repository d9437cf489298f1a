"""The Celery application; its settings are Django's, prefixed CELERY_."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init, worker_process_init, worker_process_shutdown

from deepfake_site import error_reports, traces
from deepfake_site.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")

app = Celery("unmask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def leave_no_orphan(**_: Any) -> None:
    """A pool process ends with its worker, even one that was killed."""
    die_with_parent()


@worker_init.connect
@beat_init.connect
def report(**_: Any) -> None:
    """Say elsewhere what goes wrong and how long it takes, where somebody asked for that."""
    error_reports.start()
    traces.start()


worker_process_shutdown.connect(traces.stop)
