"""How often somebody may do something, counted once for all processes and machines.

Redis counts; while it is away, the database does. Each starts from nothing, so that a Redis that
goes away gives everybody one more window, and no more than one.
"""

import logging
import math
import time
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.crypto import salted_hmac
from limits.storage import RedisStorage, Storage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from accounts.models import RateWindow

log = logging.getLogger(__name__)

PREFIX = "unmask"
PATIENCE_S = 0.2  # to connect, and again for an answer: together under half a second
SILENCE_S = 5.0  # how long nobody asks a Redis that was away
_UNIX_SOCKET = "redis+socket://"
_silent_until = 0.0

# One statement, so that two who come at once cannot read the same count.
_INCREASE = """
INSERT INTO accounts_ratewindow AS w (key, count, ends_at) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN w.ends_at <= %s THEN excluded.count ELSE w.count + excluded.count END,
    ends_at = CASE WHEN w.ends_at <= %s THEN excluded.ends_at ELSE w.ends_at END
RETURNING count
"""


@dataclass(frozen=True)
class Limit:
    """So many in a window that begins with the first of them."""

    amount: int
    per_s: int


@dataclass(frozen=True)
class Taken:
    """What became of one attempt.

    Attributes:
        resets_at: when the window ends, in seconds since 1970.
    """

    is_allowed: bool
    limit: Limit
    remaining: int
    resets_at: float

    @property
    def wait_s(self) -> int:
        """Whole seconds until the window has ended; at least one."""
        return max(1, math.ceil(self.resets_at - time.time()))


class DatabaseStorage(Storage):
    """Windows as rows: what the library asks of a storage, on SQLite and PostgreSQL alike."""

    STORAGE_SCHEME = None

    @property
    def base_exceptions(self) -> type[Exception]:
        return DatabaseError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        with connection.cursor() as cursor:
            cursor.execute(_INCREASE, [key, amount, now + expiry, now, now])
            return int(cursor.fetchone()[0])

    def get(self, key: str) -> int:
        rows = RateWindow.objects.filter(key=key, ends_at__gt=time.time())
        return rows.values_list("count", flat=True).first() or 0

    def get_expiry(self, key: str) -> float:
        ends_at = RateWindow.objects.filter(key=key).values_list("ends_at", flat=True).first()
        return max(ends_at or 0.0, time.time())

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        return RateWindow.objects.all().delete()[0]

    def clear(self, key: str) -> None:
        RateWindow.objects.filter(key=key).delete()


def take(name: str, who: str, limit: Limit) -> Taken:
    """Count one attempt, atomically, and say whether it is within the limit.

    Args:
        name: what is limited, in letters, digits and underscores.
        who: whom it is counted for; kept as a keyed digest alone.
    """
    key = _key(name, who)
    count, resets_at = _count(key, limit, 1)
    remaining = max(0, limit.amount - count)
    return Taken(count <= limit.amount, limit, remaining, resets_at)


def give_back(name: str, who: str, limit: Limit) -> None:
    """Undo one `take`: it turned out to be nothing that the limit is about."""
    _count(_key(name, who), limit, -1)


def forget(name: str, who: str) -> None:
    """End the window: the next attempt is the first again."""
    key = _key(name, who)
    DatabaseStorage().clear(key)
    if (redis := _redis()) is not None:
        try:
            redis.clear(key)
        except (RedisError, OSError) as error:
            _note_away(error)


def drop_ended() -> int:
    """Remove the database's windows that have ended; how many."""
    return RateWindow.objects.filter(ends_at__lt=time.time()).delete()[0]


def _count(key: str, limit: Limit, amount: int) -> tuple[int, float]:
    redis = _redis()
    if redis is not None:
        try:
            counted = redis.incr(key, limit.per_s, amount), redis.get_expiry(key)
        except (RedisError, OSError) as error:
            _note_away(error)
        else:
            _note_there()
            return counted
    rows = DatabaseStorage()
    return rows.incr(key, limit.per_s, amount), rows.get_expiry(key)


def _key(name: str, who: str) -> str:
    return f"{PREFIX}:{name}:{salted_hmac(f'unmask.rate.{name}', who).hexdigest()}"


def _redis() -> RedisStorage | None:
    """The storage in Redis; None where there is none or it was away a moment ago."""
    global _silent_until
    now = time.monotonic()
    if now < _silent_until:
        return None
    if _silent_until:  # one asks whether it is back; the others go on without it meanwhile
        _silent_until = now + SILENCE_S
    return _storage(settings.REDIS_URL)


@cache
def _storage(url: str) -> RedisStorage | None:
    if url.startswith("sentinel"):
        return None
    if url.startswith(_UNIX_SOCKET):
        url = f"redis+unix://{url.removeprefix(_UNIX_SOCKET)}"
    retry: object = Retry(NoBackoff(), 0)
    return RedisStorage(
        url,
        key_prefix="limits",
        socket_connect_timeout=PATIENCE_S,
        socket_timeout=PATIENCE_S,
        retry=retry,  # type: ignore[arg-type] # handed on to redis
    )


def _note_away(error: Exception) -> None:
    global _silent_until
    if not _silent_until:
        log.warning("Redis is away, the database counts: %s", type(error).__name__)
    _silent_until = time.monotonic() + SILENCE_S


def _note_there() -> None:
    global _silent_until
    if _silent_until:
        log.warning("Redis is back and counts again")
        _silent_until = 0.0
