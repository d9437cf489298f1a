"""Images whose truth is known: handed out like others, told to nobody."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent
from detection.errors import Refused
from detection.models import GoldenImage, ReviewItem
from detection.services import custody, erasure, review, review_claims, review_golden
from detection.services.review_rules import rules, set_rules
from tests.factories import detection_row, done_row, image_row
from tests.review_desk import decided, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


@pytest.fixture
def golden(alice, dora, model_version) -> GoldenImage:
    return review_golden.add(
        by=dora, detection=done_row(alice, model_version), outcome="manipulated", note="We made it."
    )


@pytest.fixture
def always(carol, monkeypatch) -> None:
    """Every second item may be golden; the dice say that each is."""
    set_rules(by=carol, golden_share=0.5)
    monkeypatch.setattr(review_golden._chance, "random", lambda: 0.0)


@pytest.mark.parametrize("reason", ["disputed", "flagged", "sample", "inconclusive"])
def test_it_is_handed_out_like_any_other(alice, carol, model_version, golden, always, reason):
    ordinary = opened(alice, model_version, reason)
    item = review_claims.next_item(carol)
    assert item.golden == golden
    assert item.created_at < ordinary.created_at
    assert (item.status, item.opinions_wanted, item.claimed_by) == ("open", 1, carol)
    assert item.reasons == (["sample"] if reason == "sample" else ["flagged"])
    assert review_claims.next_item(carol) == ordinary  # each golden image once


def test_none_is_handed_out_where_nothing_waits(carol, golden, always):
    assert review_claims.next_item(carol) is None


def test_the_share_is_kept(alice, carol, model_version, golden, always, monkeypatch):
    monkeypatch.setattr(review_golden._chance, "random", lambda: 0.5)
    ordinary = opened(alice, model_version)
    assert review_claims.next_item(carol) == ordinary


def test_a_decision_on_it_tells_nobody(alice, carol, model_version, golden, always, passed_on):
    opened(alice, model_version)
    item = review_claims.next_item(carol)
    decided(item, carol, "authentic")
    item.refresh_from_db()
    assert (item.status, item.outcome) == ("closed", "authentic")
    assert passed_on == []
    assert review.standing(item.detection) is None
    with pytest.raises(Refused) as refused:
        review.reopen(item=item, by=carol)
    assert refused.value.code == "review_not_closed"


def test_who_knows_the_truth_is_not_asked(alice, dora, model_version, golden, always):
    ordinary = opened(alice, model_version)
    assert review_claims.next_item(dora) == ordinary


def test_what_was_left_lies_there_for_others(
    alice, carol, dora, erin, model_version, golden, always
):
    opened(alice, model_version)
    item = review_claims.next_item(carol)
    review_claims.skip(item=item, by=carol)
    assert not ReviewItem.objects.reviewable_by(dora).filter(pk=item.pk).exists()
    with pytest.raises(Refused):
        review_claims.claim(item=item, by=dora)
    assert review_claims.claim(item=item, by=erin).golden == golden


def test_it_is_escalated_like_any_other(alice, carol, erin, model_version, golden, always):
    opened(alice, model_version)
    item = review_claims.next_item(carol)
    review_claims.escalate(item=item, by=carol, note="?")
    item.refresh_from_db()
    assert (item.is_escalated, item.opinions_wanted) == (True, 1)


def test_a_retired_one_leaves_the_desk(alice, carol, dora, model_version, golden, always):
    ordinary = opened(alice, model_version)
    item = review_claims.next_item(carol)
    assert review_golden.retire(by=dora, golden=golden)
    assert not review_golden.retire(by=dora, golden=golden)
    item.refresh_from_db()
    assert item.status == "withdrawn"
    assert review_claims.next_item(carol) == ordinary
    again = review_golden.add(by=dora, detection=item.detection, outcome="manipulated")
    assert (again.pk, again.retired_at) == (golden.pk, None)


def test_what_cannot_be_one(alice, dora, model_version, golden):
    hidden = done_row(alice, model_version, image=image_row(alice, is_confidential=True))
    judged = done_row(alice, model_version)
    unfit = [
        (hidden, "manipulated", "golden_unfit"),
        (detection_row(alice, model_version), "manipulated", "golden_unfit"),
        (judged, "cannot_tell", "golden_unfit"),
        (golden.image.detections.get(), "authentic", "golden_already"),
    ]
    for detection, outcome, code in unfit:
        with pytest.raises(Refused) as refused:
            review_golden.add(by=dora, detection=detection, outcome=outcome)
        assert refused.value.code == code
    assert GoldenImage.objects.count() == 1


def test_how_it_is_known_is_no_part_of_the_hashed_event(golden):
    event = AuditEvent.objects.get(action="golden_image.added")
    assert "We made it." not in event.change


# --- the rules


def test_a_new_desk_has_rules(db):
    assert (rules().sample_share, rules().open_limit) == (0.01, 1000)


def test_changing_the_rules_is_recorded(dora):
    set_rules(by=dora, sample_share=0.2)
    set_rules(by=dora, sample_share=0.2)
    event = AuditEvent.objects.filter(action="review_rules.changed").latest("pk")
    assert '"after":{"sample_share":0.2}' in event.change
    assert event.actor_id == dora.pk
    assert rules().sample_share == 0.2


def test_a_share_that_is_none_is_refused(dora):
    with pytest.raises(ValidationError):
        set_rules(by=dora, sample_share=1.5)
    assert rules().sample_share == 0.01


@pytest.mark.parametrize("how", ["hidden", "erased", "retired"])
def test_one_that_goes_in_this_moment_is_not_handed_out(
    alice, carol, dora, model_version, golden, always, monkeypatch, how
):
    """An item about it would stay open for ever, for nobody sees it."""
    ordinary, chosen = opened(alice, model_version), review_golden._unknown_to

    def then_it_goes(by):
        found = chosen(by)
        if how == "hidden":
            custody.set_confidential(by=alice, image=golden.image, is_confidential=True)
        elif how == "erased":
            erasure.erase_image(by=alice, image=golden.image)
        else:
            review_golden.retire(by=dora, golden=golden)
        return found

    monkeypatch.setattr(review_golden, "_unknown_to", then_it_goes)
    assert review_claims.next_item(carol) == ordinary
    assert not ReviewItem.objects.exclude(golden=None).exists()
