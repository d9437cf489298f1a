"""Waiting for a verdict: woken by the worker, not by asking again and again."""

import signal
import threading
import time
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client

from detection import doorbell, waiting
from detection.models import Detection, IdempotencyKey
from detection.services.erasure import erase_image
from detection.tasks import run_detection
from tests import images
from tests.factories import detection_row, done_row

URL = "/api/v1/detections"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("model_version", "valkey"),
]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread that listens to an earlier test's broker."""
    monkeypatch.setattr(waiting, "_ears", waiting._Ears())
    monkeypatch.setattr(doorbell, "_mine", doorbell.local())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """How often the database was asked whether a detection has ended."""
    questions: list[uuid.UUID] = []
    real = waiting._has_ended

    def ask(pk: uuid.UUID) -> bool:
        questions.append(pk)
        return real(pk)

    monkeypatch.setattr(waiting, "_has_ended", ask)
    return questions


@pytest.fixture
def credential(alice, key_of) -> str:
    return f"Bearer {key_of(alice)}"


@pytest.fixture
def api(credential) -> Client:
    return Client(headers={"Authorization": credential})


def _photo() -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", images.jpeg_bytes(), "image/jpeg")


def _finish_soon(seconds: float = 0.5, *, announce: bool = True) -> threading.Thread:
    """A worker that comes along a little later."""

    def work() -> None:
        queued = Detection.objects.filter(status="queued")
        while not queued.exists():
            time.sleep(0.05)
        time.sleep(seconds)
        for pk in list(queued.values_list("pk", flat=True)):
            run_detection(str(pk))
            if announce:
                doorbell.announce_end(pk)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_answer_is_held_until_the_verdict(api, fake_judgement, asked):
    worker = _finish_soon()
    answer = api.post(URL, {"image": _photo()}, headers={"Prefer": "wait=20"})
    worker.join()
    assert answer.status_code == 200
    assert answer["Preference-Applied"] == "wait=20"
    assert answer.json()["status"] == "done"
    assert "Retry-After" not in answer
    assert len(asked) <= 4  # at the start, once subscribed, when it was announced


def test_reading_waits_too(api, alice, model_version, fake_judgement):
    pk = api.post(URL, {"image": _photo()}).json()["id"]
    worker = _finish_soon()
    answer = api.get(f"{URL}/{pk}", headers={"Prefer": "respond-async, wait=20"})
    worker.join()
    assert answer.json()["status"] == "done"
    assert answer["Preference-Applied"] == "wait=20"


def test_patience_ends(api, asked):
    answer = api.post(URL, {"image": _photo()}, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer["Preference-Applied"] == "wait=1"
    assert answer["Retry-After"] == "1"
    assert answer.json()["status"] == "queued"


def test_without_the_wish_nothing_waits(api, asked):
    answer = api.post(URL, {"image": _photo()})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer
    assert asked == []


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=soon", "await=5", "wait=-1", "wait=1.5"])
def test_what_is_no_wish_is_overlooked(api, asked, prefer):
    assert api.post(URL, {"image": _photo()}, headers={"Prefer": prefer}).status_code == 202
    assert asked == []


def test_a_long_wish_is_cut(api, alice, model_version, monkeypatch):
    monkeypatch.setattr(waiting, "wait_for_end", lambda pk, seconds: True)
    row = detection_row(alice, model_version)
    answer = api.get(f"{URL}/{row.pk}", headers={"Prefer": "wait=600"})
    assert answer["Preference-Applied"] == "wait=30"


def test_what_has_ended_is_answered_at_once(api, alice, model_version, asked):
    row = done_row(alice, model_version)
    answer = api.get(f"{URL}/{row.pk}", headers={"Prefer": "wait=20"})
    assert answer.json()["status"] == "done"
    assert asked == []


def test_where_too_many_wait_one_more_is_answered_at_once(api, monkeypatch, asked):
    monkeypatch.setattr(waiting, "_slots", threading.BoundedSemaphore(1))
    with waiting.slot() as is_free:
        assert is_free
        answer = api.post(URL, {"image": _photo()}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer
    assert asked == []


def test_the_wait_holds_no_place_after_it_ended(api):
    for _ in range(waiting.MAX_WAITING + 1):
        with waiting.slot() as is_free:
            assert is_free


def test_the_waited_answer_is_the_one_repeated(api, fake_judgement):
    headers = {"Prefer": "wait=20", "Idempotency-Key": "k"}
    worker = _finish_soon()
    first = api.post(URL, {"image": _photo()}, headers=headers)
    worker.join()
    again = api.post(URL, {"image": _photo()}, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert IdempotencyKey.objects.get().status_code == 200


def test_an_image_erased_while_it_is_waited_for_leaves_the_answer_at_hand(api, alice):
    def erase() -> None:
        while not Detection.objects.exists():
            time.sleep(0.05)
        time.sleep(0.3)
        row = Detection.objects.get()
        erase_image(by=alice, image=row.image, reason="x")
        doorbell.announce_end(row.pk)
        connections.close_all()

    eraser = threading.Thread(target=erase)
    eraser.start()
    headers = {"Prefer": "wait=20", "Idempotency-Key": "k"}
    answer = api.post(URL, {"image": _photo()}, headers=headers)
    eraser.join()
    assert answer.status_code == 202
    assert not IdempotencyKey.objects.exists()


def test_a_waited_answer_has_its_own_metadata(credential, fake_judgement):
    worker = _finish_soon(1.5)
    asked: list[object] = []

    def ask(metadata: str) -> None:
        client = Client(headers={"Authorization": credential})
        body = {"image": _photo(), "metadata": metadata}
        asked.append(client.post(URL, body, headers={"Prefer": "wait=20"}).json()["metadata"])
        connections.close_all()

    threads = [threading.Thread(target=ask, args=[f'{{"n": {n}}}']) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in (*threads, worker):
        thread.join()
    assert sorted(one["n"] for one in asked) == [1, 2]


def test_an_end_nobody_announced_is_found_at_the_end_of_patience(api, fake_judgement):
    worker = _finish_soon(0.2, announce=False)
    answer = api.post(URL, {"image": _photo()}, headers={"Prefer": "wait=2"})
    worker.join()
    assert answer.status_code == 200


def test_without_redis_the_waiting_look_for_themselves(api, fake_judgement, valkey, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 0.1)
    valkey.kill()
    valkey.wait()
    worker = _finish_soon(0.5)
    started = time.monotonic()
    answer = api.post(URL, {"image": _photo()}, headers={"Prefer": "wait=25"})
    worker.join()
    assert answer.status_code == 200
    assert time.monotonic() - started < 20


def test_where_redis_accepts_and_never_answers_they_look_too(
    alice, model_version, asked, settings, deaf_port, monkeypatch
):
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 0.1)
    settings.REDIS_URL = f"redis://127.0.0.1:{deaf_port}/0"
    assert not waiting.wait_for_end(detection_row(alice, model_version).pk, 3)
    assert len(asked) > 3  # more than at the start and the end


def test_they_look_once_redis_stops_answering(alice, model_version, asked, valkey, monkeypatch):
    for patience in ("LOOK_AGAIN_S", "SILENT_CONNECTION_S", "ANSWER_S"):
        monkeypatch.setattr(waiting, patience, 0.2)
    row = detection_row(alice, model_version)
    assert not waiting.wait_for_end(row.pk, 1.5)
    assert len(asked) == 3  # at the start, once subscribed, at the end: each ping was answered
    valkey.send_signal(signal.SIGSTOP)
    assert not waiting.wait_for_end(row.pk, 3)
    assert len(asked) > 6


def test_nobody_listens_to_a_broker_that_is_away_for_nobody(api, valkey, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 0.05)
    api.post(URL, {"image": _photo()}, headers={"Prefer": "wait=1"})
    listener = waiting._ears._thread
    valkey.kill()
    valkey.wait()
    listener.join(timeout=20)
    assert not listener.is_alive()
    assert waiting._ears._thread is None


def test_one_thread_listens_for_all(api, alice, model_version, fake_judgement):
    rows = [detection_row(alice, model_version) for _ in range(3)]
    ended: list[bool] = []

    def wait(row: Detection) -> None:
        ended.append(waiting.wait_for_end(row.pk, 20))
        connections.close_all()

    threads = [threading.Thread(target=wait, args=[row]) for row in rows]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    listeners = [thread for thread in threading.enumerate() if thread.name == "finished"]
    Detection.objects.filter(pk__in=[row.pk for row in rows]).update(
        status="failed", failure_code="erased"
    )
    for row in rows:
        doorbell.announce_end(row.pk)
    for thread in threads:
        thread.join(timeout=20)
    assert ended == [True, True, True]
    assert len([thread for thread in listeners if thread is waiting._ears._thread]) == 1
    assert waiting._ears._waiting == {}
