"""When a worker that takes no message is to be started anew, and when not."""

import pytest
from celery.signals import task_received

from deepfake_site import pulse
from detection import taking
from detection.taking import STARVED_AFTER_S, Taking


class Broker:
    def __init__(self, **waiting: int | None) -> None:
        self.waiting, self.is_busy = waiting, False

    def taking(self) -> Taking:
        return Taking(
            list(self.waiting), unanswered=self.waiting.__getitem__, is_busy=lambda: self.is_busy
        )


@pytest.mark.parametrize("waiting", [{"sweep": 0, "detect": 2}, {"detect": 1}])
def test_who_takes_nothing_while_messages_wait_has_starved_after_half_a_minute(waiting):
    one = Broker(**waiting).taking()
    moments = (100.0, 110.0, 100.0 + STARVED_AFTER_S, 150.0)
    assert [one.has_starved(at) for at in moments] == [False, False, True, True]


@pytest.mark.parametrize("count", [0, None])
def test_nobody_starves_where_nothing_waits_or_the_broker_is_away(count):
    one = Broker(detect=count).taking()
    assert not any(one.has_starved(at) for at in (0.0, 100.0, 200.0))


def test_who_takes_one_now_and_then_has_not_starved():
    one = Broker(detect=9).taking()
    for at in range(0, 200, 20):
        assert not one.has_starved(float(at))
        one.took_one()


def test_who_is_at_work_has_not_starved_however_long_it_takes():
    broker = Broker(train=1)
    broker.is_busy, one = True, broker.taking()
    assert not any(one.has_starved(at) for at in (0.0, 3600.0, 86400.0))
    broker.is_busy = False
    assert not one.has_starved(86401.0)
    assert one.has_starved(86401.0 + STARVED_AFTER_S)


def test_a_broker_that_comes_back_is_given_time():
    broker = Broker(detect=5)
    one = broker.taking()
    assert not one.has_starved(0.0)
    broker.waiting["detect"] = None
    assert not one.has_starved(20.0)
    broker.waiting["detect"] = 5
    assert not one.has_starved(40.0)
    assert one.has_starved(40.0 + STARVED_AFTER_S)


def test_a_worker_gives_signs_where_somebody_watches(tmp_path, monkeypatch):
    file = tmp_path / "pulse"
    monkeypatch.setenv(pulse.VARIABLE, str(file))
    started = []
    monkeypatch.setattr(taking.Thread, "start", lambda thread: started.append(thread))  # noqa: PLW0108
    receivers = list(task_received.receivers)
    taking.give_signs()
    task_received.receivers[:] = receivers
    assert [thread.daemon for thread in started] == [True]
    monkeypatch.delenv(pulse.VARIABLE)
    taking.give_signs()
    assert len(started) == 1


def test_signs_end_with_a_line_when_it_has_starved(tmp_path, monkeypatch, caplog):
    file, moments = tmp_path / "pulse", iter((0.0, 10.0, 60.0))
    monkeypatch.setattr(taking.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(taking.time, "monotonic", lambda: next(moments))
    taking._beat(file, Broker(detect=1).taking())
    assert file.exists()
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
