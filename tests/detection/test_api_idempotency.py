"""One key, one answer: however often, however many at once, and whatever went wrong before."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent
from detection.models import Detection, IdempotencyKey, Image, Submission
from detection.services import idempotency
from detection.tasks import run_detection, tidy
from tests import images
from tests.factories import files_below, in_parallel

URL = "/api/v1/detections"
pytestmark = pytest.mark.usefixtures("model_version")


def _photo(data: bytes | None = None, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, images.jpeg_bytes() if data is None else data, "image/jpeg")


@pytest.fixture
def program(alice, key_of):
    """Makes clients that act for alice; each thread needs its own."""
    credential = f"Bearer {key_of(alice)}"
    return lambda: Client(headers={"Authorization": credential})


def _send(client: Client, key: str, **fields: Any) -> HttpResponse:
    body = {"image": _photo(), **fields}
    return client.post(URL, body, headers={"Idempotency-Key": key})


def test_a_repetition_gets_the_first_answer_and_does_nothing(program):
    first = _send(program(), "k1", metadata='{"story": 7}')
    again = _send(program(), "k1", metadata='{"story": 7}')
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Submission.objects.count() == 1
    assert AuditEvent.objects.filter(action="submission.accepted").count() == 1


def test_the_first_answer_stays_though_the_detection_went_on(program, fake_judgement):
    first = _send(program(), "k1")
    run_detection(first.json()["id"])
    again = _send(program(), "k1")
    assert again.json() == first.json()
    assert again.json()["status"] == "queued"


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": '{"story": 8}'},
        {"image": _photo(images.jpeg_bytes(64, 65))},
        {"image": _photo(name="other.jpg")},
        {"priority": "bulk"},
    ],
)
def test_another_request_under_the_same_key_is_refused(program, changed):
    _send(program(), "k1", metadata='{"story": 7}')
    answer = _send(program(), "k1", **{"metadata": '{"story": 7}', **changed})
    assert answer.status_code == 422
    assert answer.json()["code"] == "key_reused"
    assert Submission.objects.count() == 1
    assert len(files_below("originals")) == 1


def test_keys_of_two_people_have_nothing_to_do_with_each_other(program, bob, key_of):
    mine = _send(program(), "k1")
    theirs = _send(Client(headers={"Authorization": f"Bearer {key_of(bob)}"}), "k1")
    assert theirs.status_code == 202
    assert theirs.json()["id"] != mine.json()["id"]


def test_a_key_counts_for_one_endpoint(program):
    _send(program(), "k1")
    answer = program().post(
        f"{URL}/batch", {"images": [_photo()]}, headers={"Idempotency-Key": "k1"}
    )
    assert answer.status_code == 202
    assert "Idempotency-Replayed" not in answer


@pytest.mark.parametrize(
    "body",
    [{"image": "no file"}, {"image": _photo(b"no photograph")}, {"image": _photo(), "prio": "x"}],
)
def test_a_refused_request_keeps_no_key(program, body):
    refused = program().post(URL, body, headers={"Idempotency-Key": "k1"})
    assert refused.status_code in {400, 415}
    assert not IdempotencyKey.objects.exists()
    assert _send(program(), "k1").status_code == 202


@pytest.mark.parametrize("key", ["", " ", "a" * 256, "schlüssel", "a\tb"])
def test_what_is_no_key_is_refused(program, key):
    answer = _send(program(), key.encode().decode("latin-1"))
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_idempotency_key"
    assert not Submission.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_make_one_detection(program):
    answers = in_parallel(lambda: _send(program(), "k1"), times=50)
    assert {answer.status_code for answer in answers} == {202}
    assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 49
    assert (Image.objects.count(), Detection.objects.count(), Submission.objects.count()) == (
        1,
        1,
        1,
    )
    assert len(files_below("originals")) == 1
    assert files_below("incoming") == []


@pytest.mark.django_db(transaction=True)
def test_a_crash_before_the_commit_leaves_neither_key_nor_work(program, monkeypatch):
    def crash(*_: Any, **__: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(audit, "record", crash)
    with pytest.raises(SystemExit):
        _send(program(), "k1")
    monkeypatch.undo()
    assert not IdempotencyKey.objects.exists()
    assert not Submission.objects.exists()
    assert _send(program(), "k1").status_code == 202
    assert Submission.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_crash_after_the_commit_loses_no_answer(program, monkeypatch):
    """The client never saw the first answer; its retry does."""

    def crash(*_: Any) -> int:
        raise SystemExit

    monkeypatch.setattr("detection.api.detections.held", crash)
    with pytest.raises(SystemExit):
        _send(program(), "k1")
    monkeypatch.undo()
    again = _send(program(), "k1")
    assert again.status_code == 202
    assert again["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == str(Detection.objects.get().pk)


def test_the_same_bytes_without_a_key_are_judged_once_and_asked_for_twice(program):
    first = program().post(URL, {"image": _photo(), "metadata": '{"n": 1}'})
    second = program().post(URL, {"image": _photo(), "metadata": '{"n": 2}'})
    assert first.json()["id"] == second.json()["id"]
    assert (first.json()["metadata"], second.json()["metadata"]) == ({"n": 1}, {"n": 2})
    assert Submission.objects.count() == 2


def test_an_old_key_is_forgotten(program):
    first = _send(program(), "k1")
    IdempotencyKey.objects.update(created_at=timezone.now() - idempotency.KEPT_FOR)
    again = _send(program(), "k1", metadata='{"other": 1}')
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]  # the bytes are the same
    assert "Idempotency-Replayed" not in again


def test_tidying_drops_old_keys_only(program):
    _send(program(), "old")
    IdempotencyKey.objects.update(created_at=timezone.now() - idempotency.KEPT_FOR)
    _send(program(), "new")
    IdempotencyKey.objects.filter(key="new").update(
        created_at=timezone.now() - idempotency.KEPT_FOR + timedelta(hours=1)
    )
    tidy()
    assert [row.key for row in IdempotencyKey.objects.all()] == ["new"]


def test_a_key_that_loses_the_race_finds_the_answer_of_the_winner(alice):
    promise = idempotency.Promise(alice, "detections", "k", idempotency.fingerprint({}))
    row = idempotency.claim(promise)
    idempotency.keep(row, status_code=202, response={"id": str(uuid.UUID(int=1))})
    with pytest.raises(idempotency.AlreadyAnswered) as error, transaction.atomic():
        idempotency.claim(promise)
    assert error.value.row.response == {"id": str(uuid.UUID(int=1))}
