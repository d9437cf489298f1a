"""What the rows have in common: their size, faults that come again and again, and the reckoning."""

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count

import httpx
import psutil

from tests.chaos.ledger import Ledger, all_ended, picture
from tests.integration.installation import Installation

IS_FULL = os.environ.get("UNMASK_CHAOS") == "full"
NO_LIMITS = {"UNMASK_API_REQUESTS_PER_MINUTE": "1000000"}
seeds = count(1)


def sized(full: int, small: int) -> int:
    return full if IS_FULL else small


@contextmanager
def again_and_again(
    ledger: Ledger, action: Callable[[], object], every_s: float, *, after_a_promise: bool = False
) -> Iterator[None]:
    """Meanwhile, do something at random moments, so often on average.

    Args:
        after_a_promise: not before a client got one since the last time. On a busy machine what is
            killed again before it was up never does anything.
    """
    is_over, drawn, promised = threading.Event(), random.Random(3), set[int]()

    def act() -> None:
        while not is_over.wait(every_s * drawn.uniform(0.4, 1.6)):
            if after_a_promise and len(ledger.promised) in promised | {0}:
                continue
            with suppress(psutil.Error, AssertionError):
                action()
                promised.add(len(ledger.promised))
                ledger.note_fault()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def suspended(desk: Installation) -> Iterator[None]:
    """Meanwhile the worker lives and does nothing."""
    worker = desk.service("worker")
    family = [worker, *worker.children(recursive=True)]
    for one in family:
        one.suspend()
    try:
        yield
    finally:
        for one in family:
            with suppress(psutil.NoSuchProcess):  # the supervisor may have ended it
                one.resume()


def settled(desk: Installation, ledger: Ledger) -> None:
    """Everything has ended, and is as it was promised; says what came of it."""
    desk.wait_until(lambda: all_ended(desk), 150 + len(ledger.promised))
    after_s = time.monotonic() - ledger.last_fault_at
    differences = ledger.differences(desk)
    row = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
    print(f"\n{row}: {ledger}; all ended {after_s:.1f} s after the last fault")
    assert differences == [], differences


def step_of(word: str, seed: int) -> str:
    """The step of the image that a ledger sends for this seed; see `tests.chaos.apps`."""
    return f"{word} {hashlib.sha256(picture(seed)).hexdigest()}"


def submit_many(ledger: Ledger, client: httpx.Client, number: int, *, tries: int = 1) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda n: ledger.submit(client, n, tries=tries),
                [next(seeds) for _ in range(number)],
            )
        )
