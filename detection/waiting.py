"""Waiting for a detection's end without asking the database over and over.

Workers announce each end over Redis; one thread a process listens and wakes whoever waits for it.
The announcement is a hint like the doorbell: the database says how it ended. While Redis is away
the waiting are woken about every two seconds to look for themselves, and once more when it is back.
That it went away without a word is noticed within seven.
"""

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Lock, Thread

from django.db import connection
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from detection.doorbell import FINISHED_CHANNEL, impatient_connection
from detection.models import Detection, Region

log = logging.getLogger(__name__)

MAX_WAIT_S = 30
# Threads that may wait at once; gunicorn_conf has more, so that pages go on being answered.
MAX_WAITING = 24
LOOK_AGAIN_S = 2.0
SILENT_CONNECTION_S = 5.0  # a line that says nothing for so long is tried with a ping
ANSWER_S = 2.0  # in which a ping is answered

_slots = BoundedSemaphore(MAX_WAITING)


@contextmanager
def slot() -> Iterator[bool]:
    """A place among those that may wait in this process; False when all are taken."""
    is_free = _slots.acquire(blocking=False)
    try:
        yield is_free
    finally:
        if is_free:
            _slots.release()


def wait_for_end(pk: uuid.UUID, seconds: float) -> bool:
    """Return once it has ended, or so many seconds have passed; says whether it has.

    Args:
        pk: of a detection or of a region.
    """
    deadline = time.monotonic() + seconds
    with _ears.listening_for(str(pk)) as woken:
        while not _has_ended(pk):
            _leave_database()
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not woken.wait(remaining):
                return _has_ended(pk)
            woken.clear()
    return True


def _has_ended(pk: uuid.UUID) -> bool:
    open_states = [Detection.Status.QUEUED, Detection.Status.RUNNING]
    return not any(
        model.objects.filter(pk=pk, status__in=open_states).exists()
        for model in (Detection, Region)
    )


def _leave_database() -> None:
    """Hold no connection while nothing is asked; there are fewer of them than threads."""
    if not connection.in_atomic_block:
        connection.close()


class _Ears:
    """The process's one subscription, begun by the first who waits (after gunicorn's fork)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: defaultdict[str, set[Event]] = defaultdict(set)
        self._thread: Thread | None = None

    @contextmanager
    def listening_for(self, pk: str) -> Iterator[Event]:
        woken = Event()
        with self._lock:
            self._waiting[pk].add(woken)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._listen, name="finished", daemon=True)
                self._thread.start()
        try:
            yield woken
        finally:
            with self._lock:
                self._waiting[pk].discard(woken)
                if not self._waiting[pk]:
                    del self._waiting[pk]

    def _listen(self) -> None:
        while True:
            try:
                self._hear()
            except (OperationalError, RedisError, OSError) as error:
                log.warning("no news of finished detections: %s", type(error).__name__)
            with self._lock:
                if not self._waiting:  # the next who waits begins anew
                    self._thread = None
                    return
            self._wake_all()
            time.sleep(LOOK_AGAIN_S)

    def _hear(self) -> None:
        """Pass on what is announced, until the line breaks or an answer stays out."""
        # The answers to pings of its own are not shown, and would look like silence.
        with impatient_connection(health_check_interval=0) as broker:
            client: Redis = broker.default_channel.client  # type: ignore[attr-defined]
            with client.pubsub(ignore_subscribe_messages=False) as line:
                line.subscribe(FINISHED_CHANNEL)
                is_asked = True
                while True:
                    patience = ANSWER_S if is_asked else SILENT_CONNECTION_S
                    message = line.get_message(timeout=patience)
                    if message is None and is_asked:
                        raise TimeoutError
                    is_asked = message is None
                    if message is None:
                        line.ping()
                    elif message["type"] == "subscribe":
                        self._wake_all()  # what was announced before is in the database
                    elif message["type"] == "message":
                        self._wake(message["data"])

    def _wake(self, pk: bytes | str) -> None:
        with self._lock:
            for woken in self._waiting.get(pk if isinstance(pk, str) else pk.decode(), ()):
                woken.set()

    def _wake_all(self) -> None:
        with self._lock:
            for some in self._waiting.values():
                for woken in some:
                    woken.set()


_ears = _Ears()
