"""The pages of the review desk: queue, one item, several at once, rules, golden images."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from detection.models import (
    Decision,
    ReviewItem,
)
from detection.services import review, review_claims
from tests.factories import done_row, image_row
from tests.review_desk import decided, disputed, opened, text_of, url

pytestmark = pytest.mark.usefixtures("passed_on", "strict")

DECISION = {"outcome": "manipulated", "reason": "visible_traces", "note": "The hand has six."}


# --- who comes in


@pytest.mark.parametrize("name", ["review", "review_figures", "review_rules", "review_golden"])
def test_whoever_is_not_signed_in_is_asked_to(client, name, db):
    answer = client.get(reverse(name))
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


@pytest.mark.parametrize("name", ["review", "review_figures", "review_rules", "review_golden"])
def test_to_journalists_there_is_no_desk(client_of, alice, name):
    assert client_of(alice).get(reverse(name)).status_code == 404


def test_an_item_is_not_there_for_journalists_not_even_the_owner(client_of, alice, bob, item):
    for person in (alice, bob):
        assert client_of(person).get(url(item)).status_code == 404
        assert client_of(person).post(url(item), {"action": "claim"}).status_code == 404
    assert ReviewItem.objects.get().claimed_by is None


@pytest.mark.parametrize("name", ["review_rules", "review_golden"])
def test_rules_and_golden_images_are_for_administrators(desk, client_of, dora, name):
    assert desk.get(reverse(name)).status_code == 404
    assert client_of(dora).get(reverse(name)).status_code == 200
    assert reverse(name) not in desk.get(reverse("review")).content.decode()


def test_an_item_about_a_confidential_image_is_not_there(desk, item):
    item.detection.image.is_confidential = True
    item.detection.image.save()
    assert desk.get(url(item)).status_code == 404


# --- the queue


def test_it_counts_what_waits_by_reason_and_age(desk, alice, model_version):
    opened(alice, model_version, "disputed")
    both = opened(alice, model_version, "sample")
    review.open_item(both.detection, "disputed")
    old = opened(alice, model_version, "inconclusive")
    ReviewItem.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    overview = desk.get(reverse("review")).context["overview"]
    found = {row.reason: (row.count, row.long, row.very_long) for row in overview.reasons}
    assert found == {"disputed": (2, 0, 0), "inconclusive": (1, 1, 1), "sample": (1, 0, 0)}
    assert (overview.count, overview.long, overview.very_long) == (3, 1, 1)


def test_own_images_and_claims_wait_for_others(desk, carol, alice, model_version):
    opened(carol, model_version)
    claimed = opened(alice, model_version)
    disputed(claimed.detection, carol)
    page = desk.get(reverse("review"))
    assert not page.context["rows"]
    assert "Nothing waits" in text_of(page)
    assert "nav-count" not in page.content.decode()


def test_the_navigation_says_how_many_wait(desk, client_of, alice, item, model_version):
    opened(alice, model_version)
    page = desk.get(reverse("history"), {"whose": "all"})
    assert re.search(r'nav-count">.*</span>2</span>', page.content.decode())
    assert reverse("review") not in client_of(alice).get("/history?whose=all").content.decode()


def test_the_navigation_counts_what_the_desk_lists_also_what_somebody_holds(
    desk, carol, erin, alice, model_version
):
    mine, others, _free = (opened(alice, model_version) for _ in range(3))
    review_claims.claim(item=mine, by=carol)
    review_claims.claim(item=others, by=erin)
    page = desk.get(reverse("review"))
    assert len(page.context["rows"]) == page.context["overview"].count == 3
    assert re.search(r'nav-count">.*</span>3</span>', page.content.decode())


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ({"reason": "disputed"}, {"disputed"}),
        ({"reason": "sample"}, {"sample"}),
        ({"age": "day"}, {"old"}),
        ({"age": "week"}, set()),
        ({"whose": "mine"}, {"mine"}),
        ({"whose": "free"}, {"disputed", "sample", "old", "escalated"}),
        ({"escalated": "yes"}, {"escalated"}),
        ({"escalated": "no", "reason": "flagged"}, {"mine", "old"}),
        ({"reason": "nonsense"}, {"disputed", "sample", "old", "escalated", "mine"}),
    ],
)
def test_the_list_is_narrowed_by_reason_age_holder_and_escalation(
    desk, carol, dora, alice, model_version, query, left
):
    made = {
        name: opened(alice, model_version, reason)
        for name, reason in [
            ("disputed", "disputed"),
            ("sample", "sample"),
            ("old", "flagged"),
            ("escalated", "flagged"),
            ("mine", "flagged"),
        ]
    }
    two_days = timezone.now() - timedelta(days=2)
    ReviewItem.objects.filter(pk=made["old"].pk).update(created_at=two_days)
    review_claims.escalate(item=made["escalated"], by=dora, note="")
    review_claims.claim(item=made["mine"], by=carol)
    names = {row.pk: name for name, row in made.items()}
    rows = desk.get(reverse("review"), query).context["rows"]
    assert {names[row.item.pk] for row in rows} == left


def test_the_most_urgent_and_oldest_come_first(desk, alice, model_version):
    sample, first, second = (
        opened(alice, model_version, reason) for reason in ("sample", "disputed", "disputed")
    )
    rows = desk.get(reverse("review")).context["rows"]
    assert [row.item.pk for row in rows] == [first.pk, second.pk, sample.pk]


def test_long_queues_come_in_pages_with_as_many_queries(
    desk, alice, model_version, django_assert_max_num_queries
):
    made = {opened(alice, model_version, "sample").pk for _ in range(53)}
    with django_assert_max_num_queries(15):
        page = desk.get(reverse("review"), {"reason": "sample"})
    assert "53 items, the most urgent first" in text_of(page)
    assert len(page.context["rows"]) == 50
    cursor = page.context["next_cursor"]
    assert f"?reason=sample&amp;cursor={cursor}#queue" in page.content.decode()
    second = desk.get(reverse("review"), {"reason": "sample", "cursor": cursor})
    listed = [row.item.pk for row in (*page.context["rows"], *second.context["rows"])]
    assert len(listed) == 53
    assert set(listed) == made
    assert 'href="?reason=sample#queue"' in second.content.decode()
    assert f"cursor={cursor}&amp;select=all#queue" in second.content.decode()


def test_a_page_whose_items_were_decided_meanwhile_leads_to_the_first(
    desk, carol, alice, model_version, monkeypatch
):
    monkeypatch.setattr("detection.web.review_desk.PAGE", 1)
    _first, second = (opened(alice, model_version, "sample") for _ in range(2))
    cursor = desk.get(reverse("review")).context["next_cursor"]
    decided(second, carol)
    page = desk.get(reverse("review"), {"cursor": cursor})
    assert "What came after was decided meanwhile." in text_of(page)
    assert "First page" in text_of(page)


def test_what_is_too_many_to_count_is_more_than_that(desk, alice, model_version, monkeypatch):
    monkeypatch.setattr("detection.review_waiting.LISTED_TO", 1)
    for _ in range(2):
        opened(alice, model_version, "sample")
    page = desk.get(reverse("review"), {"reason": "sample"})
    assert "More than 1 items, the most urgent first" in text_of(page)
    page = desk.get(reverse("review"), {"cursor": "nonsense"})
    assert len(page.context["rows"]) == 2


def test_the_pictures_of_the_list_are_blurred_until_wanted(desk, item):
    assert 'class="review-rows is-blurred"' in desk.get(reverse("review")).content.decode()
    desk.post(reverse("review_look"), {"is_grey": "1"})
    assert 'class="review-rows is-grey"' in desk.get(reverse("review")).content.decode()


# --- one item


def test_next_item_hands_out_the_most_urgent_one(desk, carol, item):
    answer = desk.post(reverse("review_next"))
    assert answer["Location"] == url(item)
    item.refresh_from_db()
    assert item.claimed_by == carol


def test_with_nothing_left_the_queue_says_so(desk):
    answer = desk.post(reverse("review_next"), follow=True)
    assert answer.redirect_chain == [(reverse("review"), 302)]
    assert "Nothing more waits for you." in text_of(answer)


def test_opening_an_item_claims_it_with_its_lease_on_the_page(desk, carol, item):
    page = desk.get(url(item))
    item.refresh_from_db()
    assert item.claimed_by == carol
    assert "You hold this item until" in text_of(page)
    seconds = int(re.search(r'data-seconds="(\d+)"', page.content.decode())[1])
    assert 580 < seconds <= 600


def test_what_somebody_else_holds_is_said_and_not_taken(desk, dora, item):
    review_claims.claim(item=item, by=dora)
    page = desk.get(url(item))
    assert page.context["shown"].state == "held"
    assert "dora@example.org holds it until" in text_of(page)
    assert 'value="decide"' not in page.content.decode()
    item.refresh_from_db()
    assert item.claimed_by == dora


def test_one_about_ones_own_image_is_for_others(desk, carol, model_version):
    own = opened(carol, model_version)
    page = desk.get(url(own))
    assert page.context["shown"].state == "not_yours"
    assert 'value="decide"' not in page.content.decode()


def test_it_shows_verdict_reasons_claims_and_never_who_claims(desk, bob, item):
    item.detection.feedback.create(
        by=bob, label="real", category="false_positive", comment="I took it <b>myself</b>."
    )
    page = desk.get(url(item))
    words = text_of(page)
    assert "Likely authentic" in words
    assert "Somebody disputes the verdict" in words
    assert "A real photograph was accused" in words
    assert "I took it &lt;b&gt;myself&lt;/b&gt;." in page.content.decode()
    assert bob.email not in page.content.decode()


def test_the_picture_is_blurred_and_in_colour_until_wanted_otherwise(desk, item):
    def boxes() -> list[bool]:
        html = desk.get(url(item)).content.decode()
        found = [re.search(rf'<input[^>]*id="{name}"[^>]*>', html)[0] for name in ("blur", "grey")]
        return [" checked" in box for box in found]

    assert boxes() == [True, False]
    assert desk.post(reverse("review_look"), {"is_grey": "1"}).status_code == 204
    assert boxes() == [False, True]
    # without script the boxes travel with whatever is sent
    desk.post(url(item), {"action": "claim", "has_look": "1", "is_blurred": "1"})
    assert boxes() == [True, False]


def test_a_decision_is_kept_and_the_next_item_opened(desk, carol, alice, item, model_version):
    other = opened(alice, model_version)
    desk.get(url(item))
    answer = desk.post(url(item), {**DECISION, "action": "decide"})
    assert answer["Location"] == url(other)
    row = Decision.objects.get()
    assert (row.by, row.item, row.outcome) == (carol, item, "manipulated")
    assert (row.reason, row.note) == ("visible_traces", "The hand has six.")
    page = desk.get(answer["Location"])
    assert "Your last decision" in text_of(page)
    assert reverse("review_undo", args=[row.pk]) in page.content.decode()


def test_half_an_answer_is_given_back_with_what_was_typed(desk, item):
    desk.get(url(item))
    answer = desk.post(url(item), {"action": "decide", "reason": "other", "note": "kept words"})
    assert answer.status_code == 422
    assert "kept words" in answer.content.decode()
    assert "This field is required" in text_of(answer)
    assert not Decision.objects.exists()


def test_after_a_lost_lease_nothing_typed_is_lost(desk, carol, dora, item):
    desk.get(url(item))
    ReviewItem.objects.update(claimed_by=dora, claimed_until=timezone.now() + timedelta(minutes=5))
    answer = desk.post(url(item), {**DECISION, "action": "decide"})
    assert answer.status_code == 409
    words = text_of(answer)
    assert "Somebody else holds this item now." in words
    assert "What you had entered, not sent: Manipulated · Traces of manipulation" in words
    assert "The hand has six." in words
    ReviewItem.objects.update(claimed_by=None, claimed_until=None)
    again = desk.post(url(item), {**DECISION, "action": "claim"})
    assert again.status_code == 200
    html = again.content.decode()
    assert "The hand has six." in html
    assert re.search(r'value="manipulated"[^>]* checked', html)
    assert desk.post(url(item), {**DECISION, "action": "decide"}).status_code == 302


def test_skipping_leaves_it_to_others(desk, carol, client_of, dora, item):
    desk.get(url(item))
    assert desk.post(url(item), {"action": "skip"})["Location"] == reverse("review")
    assert client_of(dora).post(reverse("review_next"))["Location"] == url(item)


def test_escalating_carries_the_note_to_the_next(desk, client_of, dora, item):
    desk.get(url(item))
    desk.post(url(item), {"action": "escalate", "note": "I know the photographer."})
    item.refresh_from_db()
    assert item.is_escalated
    words = text_of(client_of(dora).get(url(item)))
    assert "I know the photographer." in words
    assert "Several people judge this item" in words


def test_putting_back_frees_it(desk, item):
    desk.get(url(item))
    assert desk.post(url(item), {"action": "release"})["Location"] == reverse("review")
    item.refresh_from_db()
    assert item.claimed_by is None


def test_an_unknown_action_is_a_bad_request(desk, item):
    assert desk.post(url(item), {"action": "burn"}).status_code == 400


def test_the_lease_is_renewed_while_the_page_is_open(desk, carol, dora, item):
    path = reverse("review_lease", args=[item.pk])
    assert desk.post(path).status_code == 409  # nobody holds it: opening takes it, not this
    desk.get(url(item))
    soon = timezone.now() + timedelta(seconds=20)
    ReviewItem.objects.update(claimed_until=soon)
    answer = desk.post(path)
    assert 580 < answer.json()["seconds_left"] <= 600
    ReviewItem.objects.update(claimed_by=dora)
    answer = desk.post(path)
    assert (answer.status_code, answer.json()["detail"]) == (409, "You no longer hold this item.")


# --- second opinions are blind


def test_nothing_of_the_first_opinion_is_on_the_page_of_the_second(desk, dora, item):
    ReviewItem.objects.update(opinions_wanted=2)
    decided(item, dora, "manipulated", note="An unmistakable first note.", reason="file_says")
    for path in (url(item), reverse("review"), reverse("detection", args=[item.detection_id])):
        html = desk.get(path).content.decode()
        assert "unmistakable" not in html
        assert dora.email not in html
        assert "Decided:" not in html
    page = desk.get(url(item))
    assert page.context["shown"].state == "mine"
    assert "What others decided is shown once you have decided yourself." in text_of(page)


def test_whoever_decided_waits_for_the_others_opinion(client_of, dora, carol, item):
    ReviewItem.objects.update(opinions_wanted=2)
    decided(item, dora, "manipulated", note="mine")
    page = client_of(dora).get(url(item))
    assert page.context["shown"].state == "decided"
    assert "mine" in text_of(page)
    decided(item, carol, "manipulated", note="theirs")
    words = text_of(client_of(dora).get(url(item)))
    assert "Closed" in words
    assert "theirs" in words


def test_who_may_decide_once_more_does_not_see_the_closed_item(desk, dora, carol, item):
    """Reopened: an earlier outcome is hidden from whoever may be asked again."""
    decided(item, dora, "manipulated", note="An unmistakable first note.")
    again = review.reopen(item=item, by=dora, note="New facts")
    for row in (item, again):
        html = desk.get(url(row)).content.decode()
        assert "unmistakable" not in html
        assert "Decided:" not in html
    words = text_of(desk.get(url(item)))
    assert "There is a newer item about the same image" in words
    assert "Manipulated" not in words


# --- undo and reopen


def test_a_decision_is_undone_and_its_item_in_hand_again(desk, carol, item):
    row = decided(item, carol)
    answer = desk.post(reverse("review_undo", args=[row.pk]))
    assert answer["Location"] == url(item)
    item.refresh_from_db()
    assert (item.status, item.claimed_by) == ("open", carol)
    page = desk.get(reverse("review"))
    assert "undone" in text_of(page)


def test_nobody_undoes_anothers_decision_here(desk, dora, item):
    row = decided(item, dora)
    assert desk.post(reverse("review_undo", args=[row.pk])).status_code == 404
    row.refresh_from_db()
    assert row.undone_at is None


def test_an_old_decision_stays(desk, carol, item):
    row = decided(item, carol)
    Decision.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert reverse("review_undo", args=[row.pk]) not in desk.get("/review").content.decode()
    desk.post(reverse("review_undo", args=[row.pk]))
    row.refresh_from_db()
    assert row.undone_at is None


def test_a_closed_item_is_reopened_with_a_note(desk, dora, item):
    decided(item, dora, "authentic")
    assert "Closed" in text_of(desk.get(url(item)))
    answer = desk.post(url(item), {"action": "reopen", "note": "The original turned up."})
    again = ReviewItem.objects.get(previous=item)
    assert answer["Location"] == url(again)
    assert "Opened again" in text_of(desk.get(url(again)))


# --- the detection's page


def test_a_detections_page_says_what_the_desk_does_with_it(desk, client_of, alice, dora, item):
    path = reverse("detection", args=[item.detection_id])
    assert "Nobody holds it now." in text_of(desk.get(path))
    review_claims.claim(item=item, by=dora)
    page = desk.get(path)
    assert "In the hands of dora@example.org" in text_of(page)
    assert url(item) in page.content.decode()
    owner = client_of(alice).get(path).content.decode()
    assert url(item) not in owner
    assert dora.email not in owner


def test_a_reviewer_brings_a_detection_to_the_desk(desk, client_of, alice, model_version):
    row = done_row(alice, model_version)
    path = reverse("detection_review", args=[row.pk])
    answer = desk.post(path, follow=True)
    assert ReviewItem.objects.get().reasons == ["flagged"]
    assert "It waits on the review desk now." in text_of(answer)


def test_who_sees_a_verdict_asks_a_moderator_to_look(client_of, alice, bob, model_version):
    row = done_row(alice, model_version)
    path, page = reverse("detection_review", args=[row.pk]), reverse("detection", args=[row.pk])
    assert client_of(bob).post(path).status_code == 404
    owner = client_of(alice)
    assert "Ask a moderator to look" in text_of(owner.get(page))
    assert "A moderator will look at it, and you are told" in text_of(owner.post(path, follow=True))
    [item] = ReviewItem.objects.all()
    assert list(item.asked_by.all()) == [alice]
    assert "Ask a moderator to look" not in text_of(owner.get(page))


def test_of_a_confidential_image_no_moderator_is_asked(client_of, alice, model_version):
    row = done_row(alice, model_version, image=image_row(alice, is_confidential=True))
    owner = client_of(alice)
    assert "Ask a moderator" not in text_of(owner.get(reverse("detection", args=[row.pk])))
    answer = owner.post(reverse("detection_review", args=[row.pk]), follow=True)
    assert "confidential" in text_of(answer)
    assert not ReviewItem.objects.exists()


def test_after_the_review_its_outcome_is_said_to_reviewers(desk, dora, item):
    decided(item, dora, "manipulated")
    words = text_of(desk.get(reverse("detection", args=[item.detection_id])))
    assert "Reviewed" in words
    assert "Bring it to the desk again" in words
