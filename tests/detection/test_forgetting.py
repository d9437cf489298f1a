"""What an erasure takes along beside the image's own rows, and how it goes with what runs then."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.erasure import erase_person
from accounts.models import User
from detection.models import Batch, IdempotencyKey, Submission
from detection.services.erasure import erase_image
from tests.factories import done_row

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


# --- answers kept for a repetition


def test_a_persons_answers_go_with_the_person_and_nobody_elses(alice, bob, dora, model_version):
    row = done_row(bob, model_version)
    kept = _answer(bob, "his")
    _answer(alice, "about nothing")
    _answer(alice, "about his image", detection=row)
    erase_person(by=dora, person=alice, reason="x")
    assert list(IdempotencyKey.objects.all()) == [kept]


def test_an_images_answers_go_with_it_whatever_they_were_given_for(alice, key_of, model_version):
    one, other = done_row(alice, model_version), done_row(alice, model_version)
    batch = Batch.objects.create(by=alice, size=2)
    for row in (one, other):
        Submission.objects.create(image=row.image, detection=row, by=alice, via="api", batch=batch)
    _answer(alice, "of a batch", batch=batch)
    _answer(alice, "of a detection", detection=one)
    kept = {_answer(alice, "of another", detection=other), _answer(alice, "of nothing")}
    said = Client(headers={"Authorization": f"Bearer {key_of(alice)}"}).post(
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
