"""A limit holds for all threads, in Redis and in the database, and keeps no names."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from django.conf import settings as current

from accounts.models import RateWindow
from accounts.tasks import drop_ended_windows
from deepfake_site import rate_limits
from deepfake_site.rate_limits import Limit, forget, give_back, take
from tests.factories import in_parallel

pytestmark = pytest.mark.django_db
THREE = Limit(3, per_s=900)


@pytest.fixture
def no_redis(settings, tmp_path: Path) -> None:
    settings.REDIS_URL = f"redis+socket://{tmp_path / 'nobody.sock'}"


@pytest.fixture(params=["valkey", "no_redis"])
def _anywhere(request: pytest.FixtureRequest) -> None:
    """Once where Redis counts, once where the database does."""
    request.getfixturevalue(request.param)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Windows and silences end when the test says so."""
    now = [time.time()]
    told = SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0])
    monkeypatch.setattr(rate_limits, "time", told)
    return now


@pytest.mark.usefixtures("_anywhere")
def test_it_allows_so_many_and_no_more():
    taken = [take("test", "alice", THREE) for _ in range(5)]
    assert [one.is_allowed for one in taken] == [True, True, True, False, False]
    assert [one.remaining for one in taken] == [2, 1, 0, 0, 0]


@pytest.mark.usefixtures("_anywhere")
def test_it_says_when_the_window_ends():
    first, second = take("test", "alice", THREE), take("test", "alice", THREE)
    for taken in (first, second):
        assert 890 < taken.wait_s <= 901


@pytest.mark.usefixtures("_anywhere")
def test_names_and_people_are_counted_apart():
    for _ in range(4):
        take("test", "alice", THREE)
    assert take("test", "bob", THREE).is_allowed
    assert take("other", "alice", THREE).is_allowed
    assert not take("test", "alice", THREE).is_allowed


@pytest.mark.usefixtures("_anywhere")
def test_a_window_can_be_ended_and_an_attempt_given_back():
    for _ in range(3):
        take("test", "alice", THREE)
    give_back("test", "alice", THREE)
    assert take("test", "alice", THREE).is_allowed
    assert not take("test", "alice", THREE).is_allowed
    forget("test", "alice")
    assert take("test", "alice", THREE).remaining == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_anywhere")
def test_threads_that_come_at_once_share_one_limit():
    limit = Limit(20, per_s=900)

    def ten() -> int:
        return sum(take("test", "alice", limit).is_allowed for _ in range(10))

    assert sum(in_parallel(ten, times=16)) == 20


@pytest.mark.usefixtures("no_redis")
def test_a_new_window_begins_when_the_old_one_has_ended(clock):
    for _ in range(4):
        last = take("test", "alice", THREE)
    assert not last.is_allowed
    clock[0] += 899
    assert not take("test", "alice", THREE).is_allowed
    clock[0] += 2
    assert take("test", "alice", THREE).remaining == 2


@pytest.mark.usefixtures("no_redis")
def test_only_ended_windows_are_tidied_away(clock):
    take("test", "alice", THREE)
    clock[0] += 500
    take("test", "bob", THREE)
    clock[0] += 500
    drop_ended_windows()
    assert RateWindow.objects.count() == 1
    assert take("test", "bob", THREE).remaining == 1


def test_no_name_is_kept_in_the_clear(valkey, tmp_path, settings):
    take("test", "alice@example.org", THREE)
    keys = b" ".join(redis.Redis(unix_socket_path=str(tmp_path / "valkey.sock")).keys())
    settings.REDIS_URL = f"redis+socket://{tmp_path / 'nobody.sock'}"
    take("test", "alice@example.org", THREE)
    assert b"limits:" in keys
    assert b"alice" not in keys
    assert "alice" not in RateWindow.objects.get().key


def test_a_redis_that_dies_gives_one_more_window_and_no_more(valkey):
    for _ in range(4):
        take("test", "alice", THREE)
    valkey.kill()
    valkey.wait()
    allowed = [take("test", "alice", THREE).is_allowed for _ in range(10)]
    assert allowed == [True] * 3 + [False] * 7


def test_a_redis_that_came_back_counts_again(valkey, clock):
    take("test", "alice", THREE)
    rate_limits._note_away(OSError())
    assert rate_limits._redis() is None
    clock[0] += rate_limits.SILENCE_S
    assert rate_limits._redis() is not None
    assert rate_limits._redis() is None  # one asks, the rest go on without it meanwhile
    clock[0] += rate_limits.SILENCE_S
    assert take("test", "alice", THREE).remaining == 1
    assert take("test", "alice", THREE).remaining == 0
    assert not RateWindow.objects.exists()


def test_a_deaf_redis_is_asked_once_for_less_than_half_a_second(settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        for _ in range(20):
            take("test", "alice", THREE)
        server.settimeout(0.2)
        server.accept()
        with pytest.raises(TimeoutError):
            server.accept()
    assert RateWindow.objects.get().count == 20
    assert 2 * rate_limits.PATIENCE_S < 0.5


def test_sentinels_are_left_alone(settings):
    settings.REDIS_URL = "sentinel://127.0.0.1:1"
    assert take("test", "alice", THREE).remaining == 2
    assert RateWindow.objects.get().count == 1


def test_the_windows_are_tidied_every_hour():
    entry = current.CELERY_BEAT_SCHEDULE["drop_ended_windows"]
    assert entry["task"] == drop_ended_windows.name
    assert entry["schedule"].run_every.total_seconds() == 3600
