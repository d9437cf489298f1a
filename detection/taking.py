"""A worker's own look at whether it takes messages; see `deepfake_site.pulse`."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from celery import current_app
from celery.signals import task_received, worker_init
from celery.worker import state

from deepfake_site import pulse
from detection import doorbell

log = logging.getLogger(__name__)

STARVED_AFTER_S = 30.0


class Taking:
    """Whether messages wait although this worker has room for one and takes none.

    Args:
        queues: those that it takes messages from.
        unanswered: how many lie in a queue; None when the broker does not answer, which another
            start of the worker would not change.
        is_busy: whether it holds a message; how long that may take, its own limits say.
    """

    def __init__(
        self,
        queues: Sequence[str],
        *,
        unanswered: Callable[[str], int | None] = doorbell.unanswered,
        is_busy: Callable[[], bool] = lambda: bool(state.reserved_requests),
    ) -> None:
        self._queues, self._unanswered, self._is_busy = queues, unanswered, is_busy
        self._taken = self._taken_then = 0
        self._since: float | None = None

    def took_one(self, **_: Any) -> None:
        self._taken += 1

    def has_starved(self, now_s: float) -> bool:
        """Whether that has been so for half a minute.

        Args:
            now_s: of a clock that only goes forward.
        """
        took_some, self._taken_then = self._taken != self._taken_then, self._taken
        if took_some or self._is_busy() or not any(map(self._unanswered, self._queues)):
            self._since = None
            return False
        self._since = now_s if self._since is None else self._since
        return now_s - self._since >= STARVED_AFTER_S


@worker_init.connect
def give_signs(**_: Any) -> None:
    """From a worker's start on, where somebody watches."""
    if file := pulse.path():
        taking = Taking(list(current_app.amqp.queues.consume_from))
        task_received.connect(taking.took_one, weak=False)
        Thread(target=_beat, args=(file, taking), daemon=True, name="pulse").start()


def _beat(file: Path, taking: Taking) -> None:
    while not taking.has_starved(time.monotonic()):
        try:
            pulse.beat(file)
        except OSError as error:  # a full disk is no reason to end a worker that works
            log.warning("no sign could be given: %s", error)
        time.sleep(pulse.BEAT_S)
    log.critical("messages wait and none is taken: this worker is to be started anew")
