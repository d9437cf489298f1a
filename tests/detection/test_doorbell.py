"""A doorbell: a message with an id, and no harm done when there is nobody to hear it."""

import logging
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from detection import doorbell

pytestmark = pytest.mark.usefixtures("real_doorbell", "_fresh")
DETECTION = uuid.UUID("ab000000-0000-4000-8000-000000000001")


@pytest.fixture
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection and no silence of an earlier test."""
    monkeypatch.setattr(doorbell, "_mine", doorbell.local())


@pytest.fixture
def broker(settings) -> Iterator[Connection]:
    """A broker in memory."""
    settings.REDIS_URL = f"memory://{uuid.uuid4().hex}"
    with Connection(settings.REDIS_URL) as connection:
        yield connection


def _heard(broker: Connection, queue: str) -> list[object]:
    messages = []
    with broker.SimpleQueue(queue) as box:
        while message := box.queue.get(no_ack=True):
            messages.append(message)
    return messages


def test_the_message_is_the_id_in_json(broker):
    assert doorbell.ring(DETECTION, "detect")
    (message,) = _heard(broker, "detect")
    assert message.content_type == "application/json"
    assert message.payload[0] == [str(DETECTION)]
    assert message.headers["task"] == "detection.tasks.run_detection"


def test_it_rings_at_the_queue_asked_for(broker):
    doorbell.ring(DETECTION, "bulk")
    assert len(_heard(broker, "bulk")) == 1
    assert _heard(broker, "detect") == []


def test_it_knows_how_many_messages_wait(valkey):
    assert doorbell.unanswered("detect") == 0
    for _ in range(3):
        assert doorbell.ring(DETECTION, "detect")
    assert [doorbell.unanswered(queue) for queue in ("detect", "bulk")] == [3, 0]


def test_a_broker_that_dies_in_between_is_no_error(valkey):
    assert doorbell.ring(DETECTION, "detect")
    valkey.kill()
    valkey.wait()
    assert doorbell.ring(DETECTION, "detect") is False
    assert doorbell.unanswered("detect") is None


def _away(settings, tmp_path: Path, kind: str, deaf_port: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed_port = free.getsockname()[1]
    settings.REDIS_URL = {
        "closed port": f"redis://127.0.0.1:{closed_port}/0",
        "no socket": f"redis+socket://{tmp_path / 'valkey.sock'}",
        "silence": f"redis://127.0.0.1:{deaf_port}/0",
    }[kind]


KINDS = ["closed port", "no socket", "silence"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_that_is_away_is_no_error(settings, tmp_path, deaf_port, kind):
    _away(settings, tmp_path, kind, deaf_port)
    assert doorbell.ring(DETECTION, "detect") is False


def test_connecting_to_a_broker_takes_less_than_half_a_second():
    options = doorbell._connection().transport_options
    assert 0 < options["socket_connect_timeout"] <= 0.5
    assert options["max_retries"] == 0


def test_an_answer_is_awaited_once_and_less_than_half_a_second(valkey):
    broker = doorbell._connection().default_channel.client.connection_pool.make_connection()
    assert 0 < broker.socket_timeout <= 0.5
    assert broker.retry.get_retries() == 0


def test_a_broker_that_stops_answering_is_no_error(valkey):
    assert doorbell.ring(DETECTION, "detect")
    valkey.send_signal(signal.SIGSTOP)
    assert doorbell.ring(DETECTION, "detect") is False


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_broker_that_is_away_nobody_knows_how_many_wait(settings, tmp_path, deaf_port, kind):
    _away(settings, tmp_path, kind, deaf_port)
    assert doorbell.unanswered("detect") is None


def test_after_that_others_do_not_wait_for_it_again(settings, tmp_path, deaf_port, monkeypatch):
    _away(settings, tmp_path, "silence", deaf_port)
    now = time.monotonic()
    monkeypatch.setattr(doorbell.time, "monotonic", lambda: now)
    doorbell.ring(DETECTION, "detect")
    monkeypatch.setattr(doorbell, "_connection", None)  # would fail if it were asked for
    assert doorbell.ring(DETECTION, "detect") is False


def test_it_rings_again_once_the_silence_is_over(settings, tmp_path, deaf_port, monkeypatch):
    _away(settings, tmp_path, "closed port", deaf_port)
    doorbell.ring(DETECTION, "detect")
    settings.REDIS_URL = "memory://"
    now = time.monotonic()
    monkeypatch.setattr(doorbell.time, "monotonic", lambda: now + doorbell.SILENCE_S + 1)
    assert doorbell.ring(DETECTION, "detect")


def test_a_missed_doorbell_is_one_log_line(settings, tmp_path, deaf_port, caplog):
    _away(settings, tmp_path, "closed port", deaf_port)
    with caplog.at_level(logging.WARNING, "detection.doorbell"):
        doorbell.ring(DETECTION, "detect")
    assert len(caplog.records) == 1
    assert "sweeper" in caplog.text


def test_that_the_broker_is_away_is_said_once(settings, caplog):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    with caplog.at_level(logging.WARNING, "detection.doorbell"):
        assert [doorbell.unanswered("detect") for _ in range(3)] == [None] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "the broker does not answer: OperationalError"
    ]
