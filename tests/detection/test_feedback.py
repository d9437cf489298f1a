"""Claims about verdicts: kept, replaced, taken back, and brought to the desk where they dispute."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent
from detection.errors import Refused
from detection.models import Feedback
from detection.services import feedback
from tests.factories import done_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(alice, model_version):
    return done_row(alice, model_version, verdict="likely_manipulated", probability=0.9)


def _give(by, row, category="false_positive", label="real", **more):
    return feedback.give(by=by, detection=row, label=label, category=category, **more)


def test_a_later_claim_takes_the_place_of_an_earlier_one(alice, judged, brought_to_desk):
    first, second = _give(alice, judged), _give(alice, judged, "confirmation", "fake")
    assert feedback.own_claim(alice, judged) == second
    first.refresh_from_db()
    assert first.withdrawn_at is not None
    event = AuditEvent.objects.filter(action="feedback.given").latest("id")
    assert str(first.pk) in event.change


def test_the_database_lets_one_claim_of_a_person_stand(alice, judged, brought_to_desk):
    _give(alice, judged)
    with pytest.raises(IntegrityError), transaction.atomic():
        Feedback.objects.create(detection=judged, by=alice, label="real", category="other")


def test_two_people_may_say_different_things(alice, carol, judged, brought_to_desk):
    _give(alice, judged)
    _give(carol, judged, "confirmation", "fake")
    assert Feedback.objects.standing().count() == 2


def test_a_claim_taken_back_leaves_no_words(alice, judged, brought_to_desk):
    row = _give(alice, judged, comment="I was there.")
    assert feedback.withdraw(by=alice, detection=judged)
    assert not feedback.withdraw(by=alice, detection=judged)
    row.refresh_from_db()
    assert row.comment == ""
    assert feedback.own_claim(alice, judged) is None
    assert AuditEvent.objects.filter(action="feedback.withdrawn").count() == 1


@pytest.mark.parametrize(
    ("verdict", "category", "label", "is_brought"),
    [
        ("likely_manipulated", "false_positive", "real", True),
        ("likely_authentic", "false_negative", "fake", True),
        ("likely_manipulated", "confirmation", "fake", False),
        ("likely_manipulated", "other", "real", False),
        ("inconclusive", "other", "real", True),
        ("inconclusive", "other", "unknown", False),
    ],
)
def test_what_disputes_a_verdict_comes_to_the_desk(
    alice, model_version, brought_to_desk, verdict, category, label, is_brought
):
    row = done_row(alice, model_version, verdict=verdict)
    _give(alice, row, category, label)
    assert brought_to_desk == ([(row.pk, "disputed", alice)] if is_brought else [])


def test_a_claim_that_the_desk_cannot_take_is_not_kept(alice, judged, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise Refused("erased_meanwhile")

    monkeypatch.setattr("detection.services.review.open_item", refuse)
    with pytest.raises(Refused):
        _give(alice, judged)
    assert not Feedback.objects.exists()
    assert not AuditEvent.objects.filter(action="feedback.given").exists()


def test_many_claims_at_once_are_refused(alice, judged, brought_to_desk, monkeypatch):
    monkeypatch.setattr(feedback, "CLAIMED_BY_ONE", feedback.Limit(2, 60))
    for _ in range(2):
        _give(alice, judged)
    with pytest.raises(Refused) as refusal:
        _give(alice, judged)
    assert (refusal.value.code, refusal.value.status) == ("too_many_claims", 429)
