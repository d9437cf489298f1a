"""What a verdict costs in CPU, by stage: the work of one worker, and what the queue adds to it.

    python -m benchmarks.stages [--images 100]

Runs the worker's own task in this process on JPEGs of 200 kB, 1024 x 768, each different, and adds
up the CPU of each part, that of the decoder's processes too. The last rows are a worker of a
running installation on such images, and what it spends beyond the parts: Celery and the broker's
messages. A database server's own CPU is in neither. The drawn images hold no face, so that the
detector looks twice; `--face` judges one photograph of a face instead, which it finds at once.

With TEST_DATABASE_URL and TEST_REDIS_URL set it runs on PostgreSQL and Redis, else on SQLite.
"""

import argparse
import os
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.pipeline import WARM_UP, Pictures, cpu_s, judged_by_workers
from benchmarks.rate_limits import start_valkey
from tests.integration.installation import Database, Redis

FACE = Path("static/img/samples/portrait.jpg")
REST = "database, audit trail and the rest of the task"


class Stages:
    """CPU seconds of this process by stage; what a stage calls counts for the called stage only."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self._open: list[float] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._open.append(0.0)
        started = time.process_time()
        try:
            yield
        finally:
            took, inner = time.process_time() - started, self._open.pop()
            self.spent_s[name] += took - inner
            if self._open:
                self._open[-1] += took

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Count every call of a function from now on."""
        inner: Callable[..., Any] = getattr(owner, function)

        def counted(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return inner(*arguments, **options)

        setattr(owner, function, counted)


def watched() -> Stages:
    """The stages of a worker's task, in the order in which it comes to them."""
    from detection import detector, hashing, previews, storage, tasks
    from ml import inference, quality

    stages = Stages()
    for owner, function, name in (
        (storage, "is_intact", "SHA-256 of the original"),
        (detector, "decode", "decode"),
        (inference, "find_faces", "faces"),
        (inference, "render", "views"),
        (inference, "transformed", "stability copies"),
        (inference.Predictor, "_run", "network"),
        (quality, "measure", "quality"),
        (previews, "write_previews", "previews"),
        (hashing, "perceptual_hashes", "perceptual hash"),
        (tasks, "announce_end", "telling who waits"),
    ):
        stages.spent_s[name] = 0.0
        stages.watch(owner, function, name)
    return stages


@contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """A database and a broker of this process's own, and Django set up for them."""
    database = Database(folder, f"unmask_{uuid.uuid4().hex[:12]}")
    os.environ |= {"UNMASK_DATA": str(folder), "SECRET_KEY": "benchmark " * 6}
    os.environ["DJANGO_SETTINGS_MODULE"] = "deepfake_site.settings"
    if database.url:
        os.environ["DATABASE_URL"] = database.url
    django.setup()
    stop_broker = _use_a_broker(folder)
    from django.core.management import call_command
    from django.db import connections

    try:
        call_command("migrate", verbosity=0)
        call_command("register_model", "--shipped", "--activate", verbosity=0)
        yield
    finally:
        connections.close_all()
        stop_broker()
        database.drop()


def _use_a_broker(folder: Path) -> Callable[[], None]:
    """Start one and name it in the settings; gives how to end it."""
    from django.conf import settings

    if os.environ.get("TEST_REDIS_URL"):
        server = Redis(folder / "redis")
        server.start()
        settings.REDIS_URL = server.url
        return server.stop
    process = start_valkey(folder / "valkey.sock")
    settings.REDIS_URL = f"redis+socket://{folder / 'valkey.sock'}"
    return process.kill


def judged_here(contents: Sequence[bytes]) -> dict[str, float]:
    """CPU ms of each stage an image, the first images left out."""
    from accounts.models import User
    from detection import detector
    from detection.models import ModelVersion
    from detection.tasks import run_detection
    from tests.factories import submitted

    someone = User.objects.create_user("someone@example.org", "x" * 12)
    ids = [str(submitted(someone, content).detection_id) for content in contents]
    detector.warm(ModelVersion.objects.active())
    for pk in ids[:WARM_UP]:
        run_detection(pk)
    stages, child = watched(), decoder_processes()
    child_s = cpu_s(child)
    for pk in ids[WARM_UP:]:
        with stages.stage(REST):
            run_detection(pk)
    stages.spent_s["decode"] += cpu_s(child) - child_s
    return {name: 1000 * s / (len(contents) - WARM_UP) for name, s in stages.spent_s.items()}


def decoder_processes() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "ml.decoder.child" in one.cmdline()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--face", action="store_true", help="a photograph of a face instead")
    options = parser.parse_args()
    count = options.images
    pictures = Pictures([FACE.read_bytes()]) if options.face else Pictures()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "desk").mkdir()
        worker = judged_by_workers(folder / "desk", pictures, count, workers=1)
        (folder / "here").mkdir()
        with surroundings(folder / "here"):
            from django.db import connection

            spent_ms = judged_here(pictures.some(WARM_UP + count))
            kind = connection.vendor
    Console(width=100).print(table_of(spent_ms, worker.cpu_ms, f"{kind}, n = {count}"))


def table_of(spent_ms: dict[str, float], worker_ms: float, title: str) -> Table:
    table = Table("stage", "CPU ms a verdict", "share of the worker", title=title)
    together = sum(spent_ms.values())
    for name, ms in (
        *spent_ms.items(),
        ("all of it, in one process", together),
        ("Celery and the broker's messages (difference)", worker_ms - together),
        ("a worker of a running installation", worker_ms),
    ):
        table.add_row(name, f"{ms:.1f}", f"{ms / worker_ms:.0%}")
    return table


if __name__ == "__main__":
    main()
