"""Items of the review desk: brought there, taken on, decided, taken back."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection.errors import Refused
from detection.models import Decision, ReviewItem
from detection.services import custody, review, review_claims, review_decisions
from detection.services.reviewed import review_of
from tests.factories import detection_row, done_row, image_row
from tests.review_desk import decided, disputed, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


def refusal(change, **named) -> str:
    with pytest.raises(Refused) as caught:
        change(**named)
    return caught.value.code


def actions() -> list[str]:
    events = AuditEvent.objects.filter(action__startswith="review.").order_by("pk")
    return [event.action for event in events]


# --- what comes to the desk


def test_a_second_reason_joins_the_open_item(alice, model_version):
    row = done_row(alice, model_version)
    first = review.open_item(row, "sample")
    second = review.open_item(row, "disputed", by=alice)
    assert first.pk == second.pk
    assert (second.reasons, second.urgency) == (["sample", "disputed"], 50)
    assert actions() == ["review.opened", "review.reason_added"]


def test_the_same_reason_twice_changes_nothing(alice, model_version):
    row = done_row(alice, model_version)
    for _ in range(3):
        review.open_item(row, "disputed", by=alice)
    assert ReviewItem.objects.get().reasons == ["disputed"]
    assert actions() == ["review.opened"]


def test_what_is_confidential_or_unjudged_does_not_come(alice, model_version):
    hidden = done_row(alice, model_version, image=image_row(alice, is_confidential=True))
    assert review.open_item(hidden, "disputed") is None
    assert review.open_item(detection_row(alice, model_version), "disputed") is None
    assert refusal(review.flag, by=alice, detection=hidden) == "confidential_not_reviewed"


def test_flagging_before_the_verdict_is_refused(alice, model_version):
    waiting = detection_row(alice, model_version)
    assert refusal(review.flag, by=alice, detection=waiting) == "no_verdict_to_review"


# --- who may see and take it


def test_the_most_urgent_comes_first_and_then_the_oldest(alice, carol, model_version):
    reasons = ["sample", "disputed", "inconclusive", "disputed"]
    items = [opened(alice, model_version, reason) for reason in reasons]
    order = [review_claims.next_item(carol).pk for _ in items]
    assert order == [items[number].pk for number in (1, 3, 2, 0)]
    assert review_claims.next_item(carol) is None


def test_what_others_have_to_decide_hides_nothing_behind_it(
    alice, carol, model_version, monkeypatch
):
    monkeypatch.setattr(review_claims, "FIRST_PORTION", 2)
    monkeypatch.setattr(review_claims, "LATER_PORTIONS", 3)
    for _ in range(7):
        opened(carol, model_version, "disputed")
    last = opened(alice, model_version, "sample")
    assert review_claims.next_item(carol) == last
    assert review_claims.next_item(carol) is None


def test_journalists_see_no_items(alice, model_version):
    opened(alice, model_version)
    assert not ReviewItem.objects.visible_to(alice).exists()
    assert review_claims.next_item(alice) is None


def test_nobody_reviews_their_own_image_or_claim(alice, carol, model_version):
    own, claimed = opened(carol, model_version), opened(alice, model_version)
    disputed(claimed.detection, carol)
    assert review_claims.next_item(carol) is None
    for item in (own, claimed):
        assert refusal(review_claims.claim, item=item, by=carol) == "own_review"


def test_two_never_hold_the_same_item(alice, carol, erin, model_version):
    item = opened(alice, model_version)
    assert review_claims.next_item(carol).pk == item.pk
    assert review_claims.next_item(erin) is None
    assert refusal(review_claims.claim, item=item, by=erin) == "review_claimed"
    assert refusal(review_claims.skip, item=item, by=erin) == "review_claimed"


def test_a_lease_that_ran_out_frees_the_item(alice, carol, erin, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    past = timezone.now() - timedelta(seconds=1)
    ReviewItem.objects.update(claimed_until=past)
    assert review_claims.next_item(erin).pk == item.pk
    late = {"item": item, "by": carol, "outcome": "authentic", "reason": "other"}
    assert refusal(review_decisions.decide, **late) == "review_claimed"


def test_claiming_again_renews_the_lease_without_an_event(alice, carol, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    ReviewItem.objects.update(claimed_until=timezone.now() + timedelta(seconds=5))
    again = review_claims.claim(item=item, by=carol)
    assert again.claimed_until > timezone.now() + timedelta(minutes=9)
    assert actions().count("review.claimed") == 1


def test_nobody_holds_the_whole_desk(alice, carol, model_version, monkeypatch):
    monkeypatch.setattr(review_claims, "MOST_HELD", 2)
    for _ in range(3):
        opened(alice, model_version)
    assert review_claims.next_item(carol)
    assert review_claims.next_item(carol)
    assert refusal(review_claims.next_item, by=carol) == "too_many_held"


def test_what_was_given_back_is_free(alice, carol, erin, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    assert not review_claims.release(item=item, by=erin)
    assert review_claims.release(item=item, by=carol)
    assert review_claims.next_item(erin).pk == item.pk


def test_what_was_skipped_goes_to_others_for_a_day(alice, carol, erin, model_version):
    item = opened(alice, model_version)
    review_claims.next_item(carol)
    review_claims.skip(item=item, by=carol)
    assert review_claims.next_item(carol) is None
    assert review_claims.next_item(erin).pk == item.pk
    review_claims.release(item=item, by=erin)
    item.passed_on.update(created_at=timezone.now() - timedelta(hours=25))
    assert review_claims.next_item(carol).pk == item.pk


def test_what_was_escalated_comes_first_to_others(alice, carol, erin, model_version):
    ordinary, hard = opened(alice, model_version), opened(alice, model_version, "sample")
    review_claims.claim(item=hard, by=carol)
    review_claims.escalate(item=hard, by=carol, note="Look at the ear.")
    assert review_claims.next_item(carol).pk == ordinary.pk
    item = review_claims.next_item(erin)
    assert (item.pk, item.is_escalated, item.opinions_wanted) == (hard.pk, True, 2)
    assert item.passed_on.get().note == "Look at the ear."


# --- deciding


def test_a_decision_closes_the_item_and_tells(alice, carol, model_version, passed_on):
    item = opened(alice, model_version, verdict="likely_manipulated", probability=0.95)
    decision = decided(item, carol, "authentic", reason="original_found", note="I have it.")
    item.refresh_from_db()
    assert (item.status, item.outcome, item.claimed_by) == ("closed", "authentic", None)
    assert (decision.by, decision.is_blind) == (carol, False)
    assert passed_on == ["review_completed", "learn"]
    item.detection.refresh_from_db()
    assert item.detection.verdict == "likely_manipulated"
    event = AuditEvent.objects.get(action="review.decided")
    assert "I have it." not in event.change
    assert review.standing(item.detection) == item


def test_one_decides_what_one_claimed(alice, carol, erin, model_version):
    item = opened(alice, model_version)
    said = {"item": item, "by": carol, "outcome": "authentic", "reason": "other"}
    assert refusal(review_decisions.decide, **said) == "review_not_claimed"
    decided(item, carol)
    assert refusal(review_decisions.decide, **said) == "decided_already"
    assert refusal(review_decisions.decide, **{**said, "by": erin}) == "review_not_open"


def test_a_second_opinion_is_blind(alice, carol, erin, model_version, passed_on):
    item = opened(alice, model_version)
    ReviewItem.objects.update(opinions_wanted=2)
    decided(item, carol, note="Seen at the agency.")
    item.refresh_from_db()
    assert (item.status, passed_on) == ("open", [])
    assert refusal(review_claims.claim, item=item, by=carol) == "decided_already"
    assert review_claims.next_item(carol) is None
    assert review_claims.next_item(erin).pk == item.pk
    assert not review_decisions.shown_to(erin, item).exists()
    assert review_decisions.shown_to(carol, item).count() == 1
    assert decided(item, erin).is_blind
    item.refresh_from_db()
    assert (item.status, item.outcome) == ("closed", "authentic")
    assert review_decisions.shown_to(erin, item).count() == 2


@pytest.mark.parametrize(
    ("third", "outcome"), [("authentic", "authentic"), ("cannot_tell", "cannot_tell")]
)
def test_two_who_differ_ask_a_third(alice, carol, dora, erin, model_version, third, outcome):
    item = opened(alice, model_version)
    ReviewItem.objects.update(opinions_wanted=2)
    decided(item, carol, "authentic")
    decided(item, erin, "manipulated")
    item.refresh_from_db()
    assert (item.status, item.is_escalated, item.opinions_wanted) == ("open", True, 3)
    decided(item, dora, third)
    item.refresh_from_db()
    assert (item.status, item.outcome) == ("closed", outcome)


# --- taking back


def test_ones_own_decision_is_taken_back(alice, carol, model_version, passed_on):
    item = opened(alice, model_version)
    decision = decided(item, carol)
    del passed_on[:]
    row = review_decisions.undo(decision=decision, by=carol)
    assert (row.status, row.outcome, row.claimed_by) == ("open", "", carol)
    assert passed_on == ["review_withdrawn", "unlearn"]
    assert review.standing(item.detection) is None
    decided(item, carol, "manipulated")
    item.refresh_from_db()
    assert item.outcome == "manipulated"
    assert refusal(review_decisions.undo, decision=decision, by=carol) == "decision_not_standing"


def test_taking_back_has_its_time_and_its_people(alice, carol, dora, erin, model_version):
    decision = decided(opened(alice, model_version), carol)
    assert refusal(review_decisions.undo, decision=decision, by=erin) == "decision_not_yours"
    Decision.objects.update(created_at=timezone.now() - timedelta(minutes=16))
    assert refusal(review_decisions.undo, decision=decision, by=carol) == "undone_too_late"
    assert review_decisions.undo(decision=decision, by=dora).status == "open"


def test_what_came_again_is_decided_there(alice, carol, model_version):
    item = opened(alice, model_version)
    decision = decided(item, carol)
    review.open_item(item.detection, "disputed", by=alice)
    assert refusal(review_decisions.undo, decision=decision, by=carol) == "reviewed_since"
    assert review.standing(item.detection) == item  # a claim alone changes nothing


def test_a_review_is_opened_again_as_a_new_item(alice, carol, erin, model_version, passed_on):
    item = opened(alice, model_version)
    assert refusal(review.reopen, item=item, by=erin) == "review_not_closed"
    decided(item, carol)
    del passed_on[:]
    new = review.reopen(item=item, by=erin, note="The original turned up.")
    assert (new.previous_id, new.reasons, new.status) == (item.pk, ["reopened"], "open")
    assert passed_on == ["review_withdrawn", "unlearn"]
    item.refresh_from_db()
    assert (item.status, item.outcome) == ("closed", "authentic")
    assert review.standing(item.detection) is None


@pytest.mark.parametrize(
    ("second", "after"),
    [
        ("authentic", ["review_completed", "learn"]),
        ("manipulated", ["review_completed", "unlearn", "learn"]),
    ],
)
def test_a_later_review_replaces_what_was_learnt_where_it_differs(
    alice, carol, erin, model_version, passed_on, second, after
):
    item = opened(alice, model_version)
    decided(item, carol, "authentic")
    with transaction.atomic():
        again = review.open_item(item.detection, "disputed")
    del passed_on[:]
    decision = decided(again, erin, second)
    assert passed_on == after
    del passed_on[:]
    review_decisions.undo(decision=decision, by=erin)
    assert passed_on == ["review_withdrawn", *after[1:]]
    assert review.standing(item.detection) == item


def test_what_is_withdrawn_is_not_decided(alice, carol, model_version):
    item = review_claims.claim(item=opened(alice, model_version), by=carol)
    with transaction.atomic():
        for event in review.withdraw_of(item.detection.image, by=alice):
            event()
    item.refresh_from_db()
    assert (item.status, item.claimed_by) == ("withdrawn", None)
    assert refusal(review_claims.claim, item=item, by=carol) == "review_not_open"


def test_only_what_counts_is_opened_again(alice, carol, dora, erin, model_version, passed_on):
    """Else what was said since would be taken from its owner, and no label of it would stay."""
    first = opened(alice, model_version)
    decided(first, carol)
    second = review.reopen(item=first, by=erin)
    assert refusal(review.reopen, item=first, by=erin) == "reviewed_since"
    decided(second, dora, "manipulated")
    del passed_on[:]
    assert refusal(review.reopen, item=first, by=erin) == "reviewed_since"
    assert passed_on == []
    assert review.standing(first.detection) == second


def test_what_was_withdrawn_does_not_keep_a_review_from_being_done_again(
    alice, carol, dora, erin, model_version
):
    item = opened(alice, model_version)
    decision = decided(item, carol)
    review.reopen(item=item, by=erin)
    custody.set_confidential(by=alice, image=item.detection.image, is_confidential=True)
    assert refusal(review_decisions.undo, decision=decision, by=dora) == "confidential_not_reviewed"
    custody.set_confidential(by=alice, image=item.detection.image, is_confidential=False)
    review_decisions.undo(decision=decision, by=dora)
    decided(item, erin, "manipulated")
    assert review_of(item.detection.image_id).outcome == "manipulated"


def test_taking_back_gives_an_image_what_was_said_of_its_other_detection(
    alice, carol, erin, model_version, other_version, passed_on
):
    item = opened(alice, model_version)
    decided(item, carol, "authentic")
    later = done_row(alice, other_version, image=item.detection.image)
    with transaction.atomic():
        again = review.open_item(later, "disputed")
    decision = decided(again, erin, "manipulated")
    del passed_on[:]
    review_decisions.undo(decision=decision, by=erin)
    assert review_of(later.image_id).item == item.pk
    assert passed_on == ["review_withdrawn", "unlearn", "learn"]


def test_a_desk_of_one_reviewer_waits_for_no_second_opinion(alice, carol, model_version):
    item = opened(alice, model_version)
    ReviewItem.objects.update(opinions_wanted=2)
    reviewers = User.objects.filter(role=User.Role.MODERATOR).exclude(pk=carol.pk)
    reviewers.update(is_active=False)
    decided(item, carol, "manipulated")
    assert ReviewItem.objects.get().outcome == "manipulated"


def test_two_who_differ_and_have_no_third_cannot_tell(alice, carol, erin, model_version):
    item = opened(alice, model_version)
    ReviewItem.objects.update(opinions_wanted=2)
    others = User.objects.filter(role=User.Role.MODERATOR).exclude(pk__in=[carol.pk, erin.pk])
    others.update(is_active=False)
    decided(item, carol, "manipulated")
    assert ReviewItem.objects.get().status == "open"
    decided(item, erin, "authentic")
    assert ReviewItem.objects.get().outcome == "cannot_tell"
