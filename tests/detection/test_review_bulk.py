"""Several items of the review desk at once."""

import pytest
from django.test import Client
from django.urls import reverse

from detection.models import (
    Decision,
    Outcome,
    ReviewItem,
)
from detection.services import review, review_bulk, review_claims
from tests.review_desk import opened, text_of

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


def _bulk(desk: Client, action: str, *items: ReviewItem, **more: str):
    rows = [str(item.pk) for item in items]
    return desk.post(reverse("review_change"), {"action": action, "row": rows, **more})


def test_only_what_nobody_waits_for_is_closed_unseen(desk, alice, model_version):
    safe = [opened(alice, model_version, reason) for reason in ("sample", "inconclusive")]
    wanted = opened(alice, model_version, "disputed")
    both = opened(alice, model_version, "sample")
    review.open_item(both.detection, "flagged")
    answer = _bulk(desk, "cannot_tell", *safe, wanted, both, note="Blurred screenshots")
    assert (answer.context["changed"], answer.context["refused"]) == (2, 2)
    closed = ReviewItem.objects.filter(status="closed")
    assert set(closed) == set(safe)
    assert set(closed.values_list("outcome", flat=True)) == {Outcome.CANNOT_TELL}
    assert text_of(answer).count("Somebody waits for its outcome") == 2
    assert set(Decision.objects.values_list("note", flat=True)) == {"Blurred screenshots"}


def test_escalated_items_are_not_closed_unseen(desk, dora, alice, model_version):
    row = opened(alice, model_version, "sample")
    review_claims.escalate(item=row, by=dora, note="")
    assert _bulk(desk, "cannot_tell", row).context["refused"] == 1


def test_many_are_skipped_escalated_and_put_back_each_for_itself(
    desk, carol, dora, alice, model_version
):
    mine, held = opened(alice, model_version), opened(alice, model_version)
    review_claims.claim(item=mine, by=carol)
    review_claims.claim(item=held, by=dora)
    answer = _bulk(desk, "release", mine, held)
    assert (answer.context["changed"], answer.context["unchanged"]) == (1, 1)
    answer = _bulk(desk, "escalate", mine, held, note="Ask the photo desk")
    assert (answer.context["changed"], answer.context["refused"]) == (1, 1)
    mine.refresh_from_db()
    assert mine.is_escalated
    assert mine.passed_on.get().note == "Ask the photo desk"
    answer = _bulk(desk, "skip", held)
    assert "Somebody else holds this item now." in text_of(answer)


def test_what_one_may_not_see_is_not_among_the_picked(desk, alice, model_version):
    hidden = opened(alice, model_version, "sample")
    hidden.detection.image.is_confidential = True
    hidden.detection.image.save()
    answer = _bulk(desk, "cannot_tell", hidden)
    assert answer.status_code == 422
    assert "Nothing was picked" in text_of(answer)


@pytest.mark.parametrize("data", [{"row": ["no-uuid"], "action": "skip"}, {"action": "burn"}])
def test_a_bulk_form_that_says_nothing_changes_nothing(desk, item, data):
    assert desk.post(reverse("review_change"), data).status_code == 422


def test_what_is_disputed_in_this_moment_is_not_closed_unseen(carol, alice, model_version):
    stale = opened(alice, model_version, "sample")
    review.open_item(stale.detection, "disputed")
    (outcome,) = review_bulk.change_each(
        by=carol, items=[stale], change=review_bulk.closing_as_unknown("")
    )
    assert "Somebody waits for its outcome" in outcome.refusal
    row = ReviewItem.objects.get()
    assert (row.status, row.claimed_by) == ("open", None)
