"""Reviewers who reach for the same work at once: the database decides."""

from functools import partial
from itertools import count

import pytest

from detection.errors import Refused
from detection.models import Decision, Detection, ReviewItem
from detection.services import review, review_claims, review_decisions, review_screening
from detection.services.review_rules import set_rules
from tests.factories import done_row, in_parallel
from tests.review_desk import moderator, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("passed_on", "strict"),
]


def outcome(change) -> str:
    try:
        change()
    except Refused as refusal:
        return refusal.code
    return "done"


def test_eight_who_ask_at_once_get_eight_items(alice, model_version):
    for _ in range(8):
        opened(alice, model_version)
    people = iter([moderator(f"m{number}") for number in range(8)])
    found = in_parallel(lambda: review_claims.next_item(next(people)), times=8)
    assert len({item.pk for item in found if item}) == 8


def test_of_those_who_claim_one_item_one_holds_it(alice, model_version):
    item = opened(alice, model_version)
    people = iter([moderator(f"m{number}") for number in range(6)])

    def claim() -> str:
        return outcome(partial(review_claims.claim, item=item, by=next(people)))

    assert sorted(in_parallel(claim, times=6)) == ["done"] + ["review_claimed"] * 5


def test_of_two_who_decide_at_once_one_counts(alice, carol, erin, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    people = iter([carol, erin])

    def decide() -> str:
        said = {"item": item, "outcome": "authentic", "reason": "other"}
        return outcome(partial(review_decisions.decide, by=next(people), **said))

    answers = in_parallel(decide, times=2)
    assert answers.count("done") == 1
    assert {*answers} - {"done"} <= {"review_claimed", "review_not_open"}
    assert Decision.objects.count() == 1


def test_pressing_twice_decides_once(alice, carol, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    ReviewItem.objects.update(opinions_wanted=2)
    said = {"item": item, "by": carol, "outcome": "authentic", "reason": "other"}
    answers = in_parallel(lambda: outcome(partial(review_decisions.decide, **said)), times=4)
    assert sorted(answers) == ["decided_already"] * 3 + ["done"]
    assert ReviewItem.objects.get().status == "open"


def test_many_who_dispute_at_once_open_one_item(alice, bob, model_version):
    row = done_row(alice, model_version)
    in_parallel(partial(review.flag, by=bob, detection=row), times=6)
    assert ReviewItem.objects.get().reasons == ["flagged"]


def test_taking_back_twice_at_once_does_so_once(alice, carol, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    decision = review_decisions.decide(item=item, by=carol, outcome="authentic", reason="other")
    undo = partial(review_decisions.undo, decision=decision, by=carol)
    assert sorted(in_parallel(lambda: outcome(undo), times=4)) == [
        "decision_not_standing",
        "decision_not_standing",
        "decision_not_standing",
        "done",
    ]


def test_claiming_next_to_new_reasons_waits_for_nobody_for_ever(alice, bob, model_version):
    rows = [opened(alice, model_version, "sample").detection for _ in range(6)]
    people = [moderator(f"m{number}") for number in range(3)]
    turns = count()

    def act() -> None:
        turn = next(turns)
        if turn % 2:
            for row in rows:
                review.flag(by=bob, detection=row)
        else:
            for _ in range(2):
                item = review_claims.next_item(people[turn // 2])
                review_claims.skip(item=item, by=people[turn // 2])

    in_parallel(act, times=6)
    assert all(item.reasons == ["sample", "flagged"] for item in ReviewItem.objects.all())


def test_two_that_screen_at_once_keep_to_the_limit(alice, carol, model_version):
    set_rules(by=carol, sample_share=1, open_limit=3)
    for _ in range(10):
        done_row(alice, model_version, awaits_screening=True)
    in_parallel(review_screening.screen, times=3)
    assert ReviewItem.objects.count() == 3
    assert not Detection.objects.filter(awaits_screening=True).exists()
