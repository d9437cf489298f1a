"""Faults inside the processes of a desk, at steps that have names; see `tests.chaos.apps`.

A test arms one with a file "WHAT at STEP" in the folder that UNMASK_FAULTS names. Whichever process
comes there first takes the file, leaves "WHAT at STEP by PID" in its place, and does it, once.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path(os.environ.get("UNMASK_FAULTS", ""))
worker: Any = None  # of Celery, in a process that is one
ENDS = "ends"  # one line for each attempt to record a verdict: process, attempt, whether it did
UPLOAD_STEPS = (
    "written",  # all bytes in `incoming/`
    "synced",  # and on the disk
    "linked",  # under their final name
    "kept",  # the folder of that name is on the disk as well
    "recorded",  # every row written, nothing committed
    "committed",  # the doorbell not rung
    "rung",
    "answered",  # nothing sent yet
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def sleep() -> NoReturn:
    while True:
        time.sleep(1)


def sleep_deaf() -> NoReturn:
    """As code does that holds on to the interpreter: it never hears that its time is over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    sleep()


def hear_nothing() -> None:
    """As a worker does that the broker has forgotten: it waits for messages that never come."""
    worker.consumer.task_consumer.cancel()


ACTS: dict[str, Callable[[], None]] = {
    "die": die,
    "stop": stop,
    "sleep": sleep,
    "sleep deaf": sleep_deaf,
    "hear nothing": hear_nothing,
}


def arm(folder: Path, what: str, step: str) -> None:
    (folder / f"{what} at {step}").touch()


def taken(folder: Path, what: str, step: str) -> list[int]:
    """The processes that did it."""
    return [int(path.name.rpartition(" ")[2]) for path in folder.glob(f"{what} at {step} by *")]


def reached(step: str) -> None:
    for what, act in ACTS.items():
        armed = FOLDER / f"{what} at {step}"
        try:
            armed.rename(f"{armed} by {os.getpid()}")
        except FileNotFoundError:
            continue
        act()
