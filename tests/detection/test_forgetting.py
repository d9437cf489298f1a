"""What an erasure takes along beside the image's own rows, and how it goes with what runs then."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.erasure import erase_person
from accounts.models import AuditDetail, User
from detection.errors import Refused
from detection.models import (
    Batch,
    Detection,
    Feedback,
    IdempotencyKey,
    Submission,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services import feedback, webhooks
from detection.services.erasure import erase_image
from tests.conftest import RESULT
from tests.factories import detection_row, done_row, in_parallel, running_row
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db


def _answer(owner: User, key: str, **about: Any) -> IdempotencyKey:
    """An answer that is kept for a repetition."""
    return IdempotencyKey.objects.create(
        owner=owner,
        endpoint="detections",
        key=key,
        body_sha256="0" * 64,
        status_code=202,
        response={"metadata": {"story": "planted marker"}},
        **about,
    )


@pytest.fixture
def api(alice, key_of, model_version) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def _upload(api: Client) -> Any:
    """The answer to an upload under a key, by a client that waits."""
    image = SimpleUploadedFile("photo.jpg", jpeg_bytes(), "image/jpeg")
    headers = {"Prefer": "wait=20", "Idempotency-Key": "one"}
    return api.post("/api/v1/detections", {"image": image}, headers=headers)


# --- answers kept for a repetition


def test_a_persons_answers_go_with_the_person_and_nobody_elses(alice, bob, dora, model_version):
    row = done_row(bob, model_version)
    kept = _answer(bob, "his")
    _answer(alice, "about nothing")
    _answer(alice, "about his image", detection=row)
    erase_person(by=dora, person=alice, reason="x")
    assert list(IdempotencyKey.objects.all()) == [kept]


def test_an_images_answers_go_with_it_whatever_they_were_given_for(api, alice, model_version):
    one, other = done_row(alice, model_version), done_row(alice, model_version)
    batch = Batch.objects.create(by=alice, size=2)
    for row in (one, other):
        Submission.objects.create(image=row.image, detection=row, by=alice, via="api", batch=batch)
    _answer(alice, "of a batch", batch=batch)
    _answer(alice, "of a detection", detection=one)
    kept = {_answer(alice, "of another", detection=other), _answer(alice, "of nothing")}
    said = api.post(
        f"/api/v1/detections/{one.pk}/feedback",
        {"label": "real", "category": "other", "comment": "planted marker"},
        headers={"Idempotency-Key": "of feedback"},
    )
    assert said.status_code == 201
    assert IdempotencyKey.objects.count() == 5
    erase_image(by=alice, image=one.image)
    assert set(IdempotencyKey.objects.all()) == kept


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's plans")
def test_answers_are_found_without_reading_those_of_everybody(alice, model_version):
    row = done_row(alice, model_version)
    with CaptureQueriesContext(connection) as asked:
        erase_image(by=alice, image=row.image)
    about_keys = [q["sql"] for q in asked if "detection_idempotencykey" in q["sql"]]
    assert about_keys
    with connection.cursor() as cursor:
        for sql in about_keys:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = [step[-1] for step in cursor.fetchall()]
            assert not [step for step in plan if step.startswith("SCAN")], plan


# --- comments that come in the same moment


def _comment(by: User, row: Detection) -> Feedback:
    return feedback.give(
        by=by, detection=row, label="real", category="other", comment="planted marker"
    )


def test_of_an_image_that_was_erased_since_it_was_looked_up_nothing_is_said(alice, model_version):
    row = done_row(alice, model_version)
    erase_image(by=alice, image=row.image)
    with pytest.raises(Refused) as refused:
        _comment(alice, row)
    assert refused.value.code == "erased_meanwhile"
    assert not Feedback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_commenting_and_erasing_at_once_leaves_no_comment_behind(alice, model_version):
    row = done_row(alice, model_version)
    acts = [lambda: erase_image(by=alice, image=row.image), lambda: _comment(alice, row)]

    def act() -> object:
        try:
            return acts.pop()()
        except Refused as refused:
            return refused.code

    assert True in in_parallel(act, times=2)
    assert not Feedback.objects.exclude(comment="").exists()
    assert not AuditDetail.objects.filter(body__contains="planted marker").exists()


# --- who waits for a verdict


@pytest.mark.parametrize("row_of", [detection_row, running_row, done_row])
def test_who_waits_for_what_an_erasure_ended_is_told_after_its_commit(
    alice, model_version, monkeypatch, django_capture_on_commit_callbacks, row_of
):
    told: list[object] = []
    monkeypatch.setattr("detection.services.erasure.announce_end", told.append)
    row = row_of(alice, model_version)
    with django_capture_on_commit_callbacks(execute=True):
        erase_image(by=alice, image=row.image)
        assert told == []
    assert told == ([] if row_of is done_row else [row.pk])


def test_who_waits_keeps_the_acceptance_of_what_was_erased(api, alice, monkeypatch):
    def erase(pk: uuid.UUID, seconds: float) -> None:
        erase_image(by=alice, image=Detection.objects.get(pk=pk).image)

    monkeypatch.setattr("detection.waiting.wait_for_end", erase)
    answer = _upload(api)
    assert answer.status_code == 202  # it was accepted, and is not to be sent again
    assert not IdempotencyKey.objects.exists()


def test_who_waits_gets_the_verdict_though_the_kept_answer_went(api, model_version, monkeypatch):
    def finish(pk: uuid.UUID, seconds: float) -> None:
        Detection.objects.claim(pk, worker="w").complete(**RESULT)
        IdempotencyKey.objects.all().delete()

    monkeypatch.setattr("detection.waiting.wait_for_end", finish)
    answer = _upload(api)
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert not IdempotencyKey.objects.exists()


# --- deliveries, and who else changes them


def _first_of(asked: CaptureQueriesContext, *said: str) -> int:
    found = (at for at, q in enumerate(asked) if all(word in q["sql"] for word in said))
    return next(found, -1)


@pytest.mark.parametrize("what", ["image", "person"])
def test_endpoints_are_held_in_one_order_before_their_deliveries(alice, dora, model_version, what):
    urls = [f"https://cms.example.org/{number}" for number in range(2)]
    events = ["detection.completed", "detection.failed"]
    for url in urls:
        webhooks.add_endpoint(by=alice, url=url, events=events)
    row = running_row(alice, model_version)
    row.complete(**RESULT)
    with CaptureQueriesContext(connection) as asked:
        if what == "image":
            erase_image(by=alice, image=row.image)
        else:
            erase_person(by=dora, person=alice, reason="x")
    table = WebhookEndpoint._meta.db_table
    is_locking = connection.features.has_select_for_no_key_update
    lock = "FOR NO KEY UPDATE" if is_locking else f'FROM "{table}"'
    held = _first_of(asked, lock, "ORDER BY 1 ASC")
    changed = _first_of(asked, f'UPDATE "{WebhookDelivery._meta.db_table}"')
    assert 0 <= held < changed
    assert {one.payload for one in WebhookDelivery.objects.all()} == {""}
    assert WebhookDelivery.objects.count() == 2


@pytest.mark.skipif(connection.vendor != "postgresql", reason="rows are locked there alone")
@pytest.mark.django_db(transaction=True)
def test_an_erasure_waits_for_who_holds_an_endpoint_and_holds_no_delivery(alice, model_version):
    endpoint, _secret = webhooks.add_endpoint(
        by=alice, url="https://cms.example.org/", events=["detection.completed"]
    )
    row = running_row(alice, model_version)
    row.complete(**RESULT)

    def erase() -> bool:
        try:
            return erase_image(by=alice, image=row.image)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            WebhookEndpoint.objects.locked(endpoint.pk)
            erasing = pool.submit(erase)
            with pytest.raises(TimeoutError):
                erasing.result(timeout=1)
            free = WebhookDelivery.objects.select_for_update(nowait=True)
            assert free.get().status == WebhookDelivery.Status.PENDING
        assert erasing.result(timeout=20)
