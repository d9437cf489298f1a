"""The trainer as a process: it gives its run back when it is stopped, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from detection.models import TrainingRun
from detection.services import training, training_sweeping
from tests.detection.training_data import draw, ended, run_row

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]
Status = TrainingRun.Status
TRAINER = """
import sys
from pathlib import Path
import django
django.setup()
from deepfake_site import celery_app
from detection.services import comparisons, snapshots, training_process
snapshots.manifest_of = lambda snapshot: Path(sys.argv[1])
comparisons.order = lambda *args, **options: None
training_process.NICENESS = 0
options = ["-Q", "train", "-P", "solo", "-n", "trainer@test", "--without-gossip"]
celery_app.start(argv=["--quiet", "worker", "--without-mingle", *options])
"""


def until(condition: Callable[[], object], patience_s: float = 180) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def trainer(valkey: object, settings: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a trainer on the test's own database, files and broker."""
    manifest, started = draw(tmp_path / "labelled"), []
    name = connection.settings_dict["NAME"]
    database = os.environ.get("TEST_DATABASE_URL", "").rpartition("/")[0]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
        "DATABASE_URL": f"{database}/{name}" if database else f"sqlite:///{name}",
        "REDIS_URL": settings.REDIS_URL,
        "UNMASK_DATA": str(settings.DATA_DIR),
        "SECRET_KEY": settings.SECRET_KEY,
    }

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", TRAINER, str(manifest)]
        process = subprocess.Popen(command, cwd=django_settings.BASE_DIR, env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def works(run: TrainingRun) -> list[int]:
    """Processes of this run, as the kernel knows them."""
    mark, found = f"UNMASK_TRAINING_RUN={run.pk}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def has_learnt(run: TrainingRun) -> bool:
    return bool(ended(run).history)


def test_a_trainer_that_is_stopped_gives_its_run_back_and_one_that_is_killed_loses_no_epoch(
    trainer: Callable[..., Any],
):
    run = run_row(epochs=400)
    assert training.ring(run)
    first = trainer()
    until(lambda: has_learnt(run))
    first.send_signal(signal.SIGTERM)
    first.wait(30)
    waiting = ended(run)
    assert (waiting.status, waiting.lease_owner) == (Status.QUEUED, "")
    assert (waiting.attempt, waiting.attempt_limit) == (1, 21)
    until(lambda: not works(run), 5)

    learnt = len(waiting.history)
    assert training.ring(run)
    second = trainer()
    until(lambda: len(ended(run).history) > learnt)
    assert ended(run).history[:learnt] == waiting.history
    second.kill()
    second.wait()
    until(lambda: not works(run), 5)  # the kernel ended it with the trainer

    assert ended(run).status == Status.RUNNING
    training_sweeping.sweep()  # frees the dead lease and rings
    third = trainer()
    until(lambda: ended(run).attempt == 3)
    training.cancel(ended(run), by=None)
    until(lambda: ended(run).status == Status.CANCELLED)
    third.send_signal(signal.SIGTERM)
    third.wait(30)
    assert works(run) == []
