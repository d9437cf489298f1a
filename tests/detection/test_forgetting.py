"""What an erasure takes along beside the image's own rows, and how it goes with what runs then."""

from typing import Any

import pytest

from accounts.erasure import erase_person
from accounts.models import User
from detection.models import IdempotencyKey
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
