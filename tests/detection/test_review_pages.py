"""The pages of the review desk: queue, one item, several at once, rules, golden images."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from detection.models import (
    Decision,
    GoldenImage,
    ModelVersion,
    Outcome,
    ReviewItem,
    ReviewRules,
)
from detection.services import review, review_claims
from tests.factories import done_row, image_row
from tests.review_desk import decided, disputed, moderator, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")

DECISION = {"outcome": "manipulated", "reason": "visible_traces", "note": "The hand has six."}


@pytest.fixture
def desk(client_of: Callable[[User], Client], carol: User) -> Client:
    """The moderator's browser."""
    return client_of(carol)


@pytest.fixture
def item(alice: User, model_version: ModelVersion) -> ReviewItem:
    return opened(alice, model_version)


def url(item: ReviewItem) -> str:
    return reverse("review_item", args=[item.pk])


def text_of(answer) -> str:
    """The words of a page, by single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


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
    assert page.context["total"] == 0
    assert "Nothing waits" in text_of(page)
    assert "nav-count" not in page.content.decode()


def test_the_navigation_says_how_many_wait(desk, client_of, alice, item, model_version):
    opened(alice, model_version)
    page = desk.get(reverse("history"), {"whose": "all"})
    assert re.search(r'nav-count">.*</span>2</span>', page.content.decode())
    assert reverse("review") not in client_of(alice).get("/history?whose=all").content.decode()


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
    for _ in range(53):
        opened(alice, model_version, "sample")
    with django_assert_max_num_queries(16):
        page = desk.get(reverse("review"))
    assert len(page.context["rows"]) == 50
    second = desk.get(reverse("review"), {"page": 2, "reason": "sample"})
    assert len(second.context["rows"]) == 3
    assert "?reason=sample&amp;page=1" in second.content.decode()


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


# --- several at once


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
    assert client_of(alice).post(path).status_code == 404
    assert not ReviewItem.objects.exists()
    answer = desk.post(path, follow=True)
    assert ReviewItem.objects.get().reasons == ["flagged"]
    assert "It waits on the review desk now." in text_of(answer)


def test_after_the_review_its_outcome_is_said_to_reviewers(desk, dora, item):
    decided(item, dora, "manipulated")
    words = text_of(desk.get(reverse("detection", args=[item.detection_id])))
    assert "Reviewed" in words
    assert "Bring it to the desk again" in words


# --- rules


RULES = {
    "sample_share": "2.5",
    "second_opinion_share": "20",
    "golden_share": "5",
    "open_limit": "500",
}


def test_an_administrator_changes_the_rules_in_per_cent(client_of, dora):
    admin = client_of(dora)
    assert (
        admin.post(reverse("review_rules"), {**RULES, "on_disagreement": "on"}).status_code == 302
    )
    row = ReviewRules.objects.get()
    assert (row.sample_share, row.second_opinion_share, row.golden_share) == (0.025, 0.2, 0.05)
    assert (row.on_inconclusive, row.on_disagreement, row.open_limit) == (False, True, 500)
    assert 'value="2.5"' in admin.get(reverse("review_rules")).content.decode()


@pytest.mark.parametrize(
    "wrong", [{"sample_share": "101"}, {"golden_share": "51"}, {"open_limit": ""}]
)
def test_rules_that_cannot_be_are_refused(client_of, dora, wrong):
    answer = client_of(dora).post(reverse("review_rules"), RULES | wrong)
    assert answer.status_code == 400
    assert ReviewRules.objects.get().open_limit == 1000


# --- golden images


def test_an_administrator_says_that_a_truth_is_known_and_retires_it(
    client_of, dora, alice, model_version
):
    admin, row = client_of(dora), done_row(alice, model_version)
    path = reverse("detection_golden", args=[row.pk])
    assert path in admin.get(reverse("detection", args=[row.pk])).content.decode()
    assert admin.post(path, {"outcome": "authentic", "note": ""}).status_code == 400
    assert admin.post(path, {"outcome": "cannot_tell", "note": "x"}).status_code == 400
    answer = admin.post(path, {"outcome": "authentic", "note": "I took it."}, follow=True)
    assert "I took it." in text_of(answer)
    golden = GoldenImage.objects.get()
    assert (golden.image, golden.outcome, golden.added_by) == (row.image, "authentic", dora)
    assert admin.post(path, {"outcome": "authentic", "note": "Again."}).status_code == 409
    admin.post(reverse("golden_retire", args=[golden.pk]))
    assert "Retired" in text_of(admin.get(reverse("review_golden")))


def test_moderators_learn_of_no_golden_image(desk, dora, alice, model_version):
    row = done_row(alice, model_version)
    golden = GoldenImage.objects.create(image=row.image, outcome="authentic", added_by=dora)
    page = desk.get(reverse("detection", args=[row.pk])).content.decode()
    assert reverse("detection_golden", args=[row.pk]) not in page
    assert "olden" not in page
    assert desk.get(reverse("detection_golden", args=[row.pk])).status_code == 404
    assert desk.post(reverse("golden_retire", args=[golden.pk])).status_code == 404


def test_a_confidential_golden_image_is_listed_without_its_picture(client_of, dora, alice):
    image = image_row(alice, is_confidential=True)
    GoldenImage.objects.create(image=image, outcome="authentic", added_by=dora)
    page = client_of(dora).get(reverse("review_golden"))
    assert "confidential or erased" in text_of(page)
    assert reverse("image_preview", args=[image.pk, 320]) not in page.content.decode()


def test_a_golden_item_looks_like_any_other(desk, carol, dora, alice, model_version):
    row = done_row(alice, model_version)
    golden = GoldenImage.objects.create(image=row.image, outcome="authentic", added_by=dora)
    secret = ReviewItem.objects.create(detection=row, golden=golden, reasons=["flagged"])
    page = desk.get(url(secret))
    assert page.context["shown"].state == "mine"
    assert "olden" not in page.content.decode()
    detection = text_of(desk.get(reverse("detection", args=[row.pk])))
    assert "In review: A pipeline asked for a person. You hold it." in detection


def test_others_are_moderators_too(model_version, alice, item, client_of):
    """Two moderators, one item: the second is told who has it."""
    first, second = moderator("first"), moderator("second")
    assert client_of(first).get(url(item)).context["shown"].state == "mine"
    assert client_of(second).get(url(item)).context["shown"].state == "held"
    assert client_of(second).post(reverse("review_next"))["Location"] == reverse("review")


# --- figures


def _figures(client: Client, **query: str) -> dict[str, dict[str, list[str]]]:
    """Of each section, the cells of each row by its label."""
    found = client.get(reverse("review_figures"), query).context["sections"]
    return {one.key: {row.label: row.cells for row in one.rows} for one in found}


def _opinions(alice, model_version, *pairs: tuple[User, str]) -> None:
    item = opened(alice, model_version)
    ReviewItem.objects.filter(pk=item.pk).update(opinions_wanted=len(pairs))
    for person, outcome in pairs:
        decided(item, person, outcome)


def test_administrators_see_everybodys_figures_others_their_own(
    desk, client_of, carol, dora, erin, alice, model_version
):
    for outcomes in (("authentic", "authentic"), ("manipulated", "manipulated")):
        _opinions(alice, model_version, *zip((carol, erin), outcomes, strict=True))
    own = _figures(desk)
    assert own["decisions"].keys() == {carol.email, "The desk together"}
    assert own["decisions"]["The desk together"][0] == "4"
    assert erin.email not in desk.get(reverse("review_figures")).content.decode()
    every = _figures(client_of(dora))
    assert every["decisions"].keys() == {carol.email, erin.email, "The desk together"}
    assert every["agreement"]["The desk together"][0] == "1.00"
    assert every["agreement"]["The desk together"][2] == "2"


def test_right_and_wrong_on_golden_images_with_their_interval(
    desk, carol, dora, alice, model_version
):
    for outcome in ("authentic", "authentic", "manipulated", "cannot_tell"):
        row = done_row(alice, model_version)
        golden = GoldenImage.objects.create(image=row.image, outcome="authentic", added_by=dora)
        item = ReviewItem.objects.create(detection=row, golden=golden, reasons=["sample"])
        decided(item, carol, outcome)
    right, interval, *counts = _figures(desk)["golden"][carol.email]
    assert right == "50\N{NO-BREAK SPACE}%"
    assert interval.strip("\u2066\u2069") == "15.0 – 85.0"
    assert counts == ["1", "1", "4"]
    model = _figures(desk)["models-golden"]["fake 1"]
    assert model[0] == "100\N{NO-BREAK SPACE}%"  # it calls all of them authentic


def test_figures_are_those_of_the_chosen_days(desk, carol, alice, model_version):
    decided(opened(alice, model_version), carol)
    long_ago = timezone.now() - timedelta(days=100)
    Decision.objects.update(created_at=long_ago)
    assert _figures(desk)["decisions"].keys() == {"The desk together"}
    day = f"{long_ago:%Y-%m-%d}"
    found = _figures(desk, since=day, until=day)
    assert found["decisions"][carol.email][0] == "1"


@pytest.mark.parametrize(
    "query", [{"since": "2026-02-30"}, {"since": "2026-03-02", "until": "2026-03-01"}]
)
def test_days_that_cannot_be_are_said_to_be_wrong(desk, query):
    answer = desk.get(reverse("review_figures"), query)
    assert answer.status_code == 400
    assert "errorlist" in answer.content.decode()


def test_a_bar_is_drawn_where_there_is_something_to_draw(desk, carol, erin, alice, model_version):
    empty = desk.get(reverse("review_figures")).content.decode()
    assert 'class="chart"' not in empty
    _opinions(alice, model_version, (carol, "authentic"), (erin, "manipulated"))
    page = desk.get(reverse("review_figures"))
    section = {one.key: one for one in page.context["sections"]}["agreement"]
    bar = section.rows[0].bar
    assert (bar.start, bar.length, bar.zero) == ("50.00", "0.00", "50.00")
    assert 'class="chart"' in page.content.decode()
