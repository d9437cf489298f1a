"""Rings a worker: a Celery message with ids. Losing it loses nothing; the sweeper rings again.

And, the other way, tells whoever waits for a detection that it has ended; see `detection.waiting`.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from threading import local

from celery import Celery, current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

PATIENCE_S = 0.4
FINISHED_CHANNEL = "unmask.finished"
SILENCE_S = 2.0  # after a broker was away, do not make every upload wait for it
_mine = local()  # a connection is not shared between threads


def unanswered(queue: str) -> int | None:
    """How many messages lie in a queue; None when the broker does not answer."""
    try:
        # The Redis transport's own channel; kombu's interface cannot count without declaring.
        waiting = _connection().default_channel.client.llen(queue)  # type: ignore[attr-defined]
    except (OperationalError, RedisError, OSError) as error:
        if not getattr(_mine, "is_away", False):  # who asks every few seconds says it once
            log.warning("the broker does not answer: %s", type(error).__name__)
        _mine.is_away = True
        _forget()
        return None
    _mine.is_away = False
    return int(waiting)


def ring(detection_id: uuid.UUID, queue: str, *, app: Celery = current_app) -> bool:
    """Ask for one detection to be judged; False when the broker does not answer."""
    return send("detection.tasks.run_detection", [str(detection_id)], queue, app=app)


def send(
    task: str, ids: Sequence[str], queue: str, *, delay_s: float = 0, app: Celery = current_app
) -> bool:
    """Publish one message; False, within half a second, when the broker does not answer.

    Args:
        delay_s: have the worker keep it for so long; far less than the broker's visibility timeout,
            after which it would be delivered again.
    """
    if time.monotonic() < getattr(_mine, "silent_until", 0.0):
        return False
    try:
        app.send_task(
            task,
            args=list(ids),
            queue=queue,
            countdown=delay_s or None,
            connection=_connection(),
            retry=False,
        )
    except (OperationalError, OSError) as error:
        log.warning("doorbell not rung, the sweeper will: %s", type(error).__name__)
        _forget()
        return False
    return True


def announce_end(detection_id: uuid.UUID) -> None:
    """Say that a detection has ended; nobody needs to hear it."""
    if time.monotonic() < getattr(_mine, "silent_until", 0.0):
        return
    try:
        client = _connection().default_channel.client  # type: ignore[attr-defined]
        client.publish(FINISHED_CHANNEL, str(detection_id))
    except (OperationalError, RedisError, OSError) as error:
        log.warning("an end was not announced: %s", type(error).__name__)
        _forget()


def impatient_connection(**options: object) -> Connection:
    """To a broker that is given up soon when it is away, or lets one in and says nothing."""
    return Connection(
        settings.REDIS_URL,
        transport_options={
            "socket_connect_timeout": PATIENCE_S,
            "socket_timeout": PATIENCE_S,
            "max_retries": 0,
            "retry_on_timeout": False,
            **options,
        },
    )


def _connection() -> Connection:
    if getattr(_mine, "connection", None) is None:
        _mine.connection = impatient_connection()
    return _mine.connection


def _forget() -> None:
    _mine.silent_until = time.monotonic() + SILENCE_S
    connection, _mine.connection = _mine.connection, None
    if connection is not None:
        connection.release()
