"""Who is told what when a review is closed or taken back, and of what nobody is told."""

import json

import pytest
from django.utils import timezone

from accounts.erasure import erase_person
from detection.models import (
    Case,
    Decision,
    GoldenImage,
    Notice,
    ReviewItem,
    ReviewRules,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services import feedback, review, review_decisions, telling
from detection.services.cases import add_images
from detection.services.erasure import erase_image
from detection.services.webhooks import add_endpoint
from tests.factories import done_row, review_row, submitted
from tests.review_desk import decided

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(alice, model_version):
    return done_row(alice, model_version, verdict="likely_manipulated", probability=0.9)


@pytest.fixture
def item(judged, carol):
    return review_row(judged, by=carol)


def _told(kind="review_completed"):
    return set(Notice.objects.filter(kind=kind).values_list("user__email", flat=True))


def test_the_owner_is_told_and_nobody_who_has_nothing_to_do_with_it(alice, item):
    telling.review_completed(item)
    notice = Notice.objects.get()
    assert (notice.user, notice.seen_at, notice.mail_due_at) == (alice, None, None)
    assert notice.about["outcome"] == "authentic"
    assert notice.about["reasons"] == ["maker_confirmed"]


def test_who_decided_is_in_no_notice_and_no_webhook(alice, carol, item):
    add_endpoint(by=alice, url="https://example.org/hook", events=["review.completed"])
    telling.review_completed(item)
    said = json.dumps(Notice.objects.get().about) + WebhookDelivery.objects.get().payload
    for name in (carol.email, str(carol), f'"{carol.pk}"', f": {carol.pk}"):
        assert name not in said


def test_who_claimed_is_told_and_who_took_the_claim_back_is_not(
    alice, carol, dora, judged, item, brought_to_desk
):
    for person in (carol, dora):
        feedback.give(by=person, detection=judged, label="real", category="false_positive")
    feedback.withdraw(by=dora, detection=judged)
    telling.review_completed(item)
    assert _told() == {alice.email, carol.email}


def test_whoever_asked_for_a_person_is_told(alice, carol, model_version):
    sent = submitted(alice)
    sent.detection.submissions.create(image=sent.image, by=carol, via="api", wants_review=True)
    telling.review_completed(review_row(sent.detection))
    assert _told() == {alice.email, carol.email}


def test_who_may_not_see_the_image_any_more_is_not_told(
    alice, bob, carol, judged, item, brought_to_desk
):
    feedback.give(by=bob, detection=judged, label="real", category="other")
    feedback.give(by=carol, detection=judged, label="real", category="other")
    judged.image.is_confidential = True
    judged.image.save()
    telling.review_completed(item)
    assert _told() == {alice.email}


def test_who_sees_it_through_a_case_is_told(alice, bob, judged, item, brought_to_desk):
    case = Case.objects.create(owner=alice, title="Flood")
    add_images(by=alice, case=case, images=[judged.image])
    case.members.create(user=bob, role="reader")
    feedback.give(by=bob, detection=judged, label="real", category="false_positive")
    telling.review_completed(item)
    assert _told() == {alice.email, bob.email}


def test_a_disabled_person_is_not_told(alice, item):
    alice.is_active = False
    alice.save()
    telling.review_completed(item)
    assert _told() == set()


def test_nobody_is_told_of_a_golden_item(alice, carol, judged):
    golden = GoldenImage.objects.create(image=judged.image, outcome="authentic", added_by=carol)
    item = review_row(judged, golden=golden)
    add_endpoint(by=alice, url="https://example.org/hook", events=["review.completed"])
    telling.review_completed(item)
    telling.review_withdrawn(item)
    assert not Notice.objects.exists()
    assert not WebhookDelivery.objects.exists()


# --- taken back


def _undo(item):
    item.decisions.update(undone_at=timezone.now())
    item.status, item.outcome, item.closed_at = "open", "", None
    item.save()
    telling.review_withdrawn(item)


def test_who_was_told_learns_that_it_was_taken_back(alice, carol, judged, item, brought_to_desk):
    telling.review_completed(item)
    feedback.give(by=carol, detection=judged, label="real", category="false_positive")
    _undo(item)
    assert _told("review_withdrawn") == {alice.email}  # carol claimed later: she was told nothing


def test_a_mail_that_has_not_left_is_not_sent_when_its_decision_is_undone(alice, item, settings):
    settings.HAS_MAIL = True
    telling.review_completed(item)
    assert Notice.objects.get().mail_due_at is not None
    _undo(item)
    assert not Notice.objects.exclude(mail_due_at=None).exists()


def test_a_mail_that_has_left_is_followed_by_one_that_takes_it_back(alice, item, settings):
    settings.HAS_MAIL = True
    telling.review_completed(item)
    Notice.objects.update(mailed_at=timezone.now())
    _undo(item)
    assert Notice.objects.get(kind="review_withdrawn").mail_due_at is not None


def test_the_same_item_closed_again_is_told_of_again(alice, carol, item):
    add_endpoint(by=alice, url="https://example.org/hook", events=["review.completed"])
    telling.review_completed(item)
    _undo(item)
    item.status, item.outcome, item.closed_at = "closed", "manipulated", timezone.now()
    item.save()
    Decision.objects.create(item=item, by=carol, outcome="manipulated", reason="other")
    telling.review_completed(item)
    told = [json.loads(row.payload)["data"]["outcome"] for row in WebhookDelivery.objects.all()]
    assert sorted(told) == ["authentic", "manipulated"]
    assert Notice.objects.filter(kind="review_completed").count() == 2


# --- webhooks


def test_an_endpoint_that_wants_it_is_told_thinly(alice, judged, item):
    add_endpoint(by=alice, url="https://example.org/a", events=["review.completed"])
    add_endpoint(by=alice, url="https://example.org/b", events=["detection.completed"])
    telling.review_completed(item)
    row = WebhookDelivery.objects.get()
    body = json.loads(row.payload)
    assert (row.url, row.event, body["type"]) == (
        "https://example.org/a",
        "review.completed",
        "review.completed",
    )
    assert body["data"]["id"] == str(judged.pk)
    assert body["data"]["outcome"] == "authentic"
    assert body["data"]["reasons"] == ["maker_confirmed"]
    assert body["data"]["decided_at"] == body["timestamp"]


def test_told_twice_of_one_closing_an_endpoint_hears_it_once(alice, item):
    add_endpoint(by=alice, url="https://example.org/a", events=["review.completed"])
    telling.review_completed(item)
    telling.review_completed(item)
    assert WebhookDelivery.objects.count() == 1


def test_callbacks_of_submissions_are_told_with_their_own_metadata(alice, carol, model_version):
    sent = submitted(alice, callback_url="https://example.org/cb", metadata={"job": 7})
    telling.review_completed(review_row(sent.detection, by=carol))
    row = WebhookDelivery.objects.get(event="review.completed")
    assert (row.submission, row.url) == (sent, "https://example.org/cb")
    assert json.loads(row.payload)["data"]["metadata"] == {"job": 7}


def test_a_decision_taken_back_is_told_without_an_outcome(alice, item):
    add_endpoint(by=alice, url="https://example.org/a", events=["review.withdrawn"])
    telling.review_completed(item)
    _undo(item)
    body = json.loads(WebhookDelivery.objects.get().payload)
    assert (body["type"], body["data"]["outcome"]) == ("review.withdrawn", None)


def test_metadata_that_would_make_it_large_is_left_out(alice, carol, model_version):
    sent = submitted(alice, metadata={"x": "y" * 3000})
    sent.metadata = {"x": "y" * 30_000}
    sent.save()
    add_endpoint(by=alice, url="https://example.org/a", events=["review.completed"])
    telling.review_completed(review_row(sent.detection, by=carol))
    payload = WebhookDelivery.objects.get().payload
    assert len(payload.encode()) < 20_000
    assert json.loads(payload)["data"]["metadata"] is None


# --- judged again


def test_the_owner_is_told_where_a_newer_model_says_otherwise(alice, judged, other_version):
    again = done_row(
        alice,
        other_version,
        image=judged.image,
        judged_before=judged,
        verdict="likely_authentic",
    )
    telling.judged_again(again)
    about = Notice.objects.get(user=alice, kind="judged_again").about
    assert (about["before"], about["verdict"]) == ("likely_manipulated", "likely_authentic")


def test_the_same_verdict_again_is_no_news(alice, judged, other_version):
    again = done_row(
        alice, other_version, image=judged.image, judged_before=judged, verdict=judged.verdict
    )
    telling.judged_again(again)
    telling.judged_again(judged)
    assert not Notice.objects.exists()


# --- forgetting


def test_notices_go_with_the_image_and_decisions_lose_their_words(alice, carol, judged, item):
    item.decisions.update(note="planted marker")
    telling.review_completed(item)
    erase_image(by=alice, image=judged.image, reason="x")
    assert not Notice.objects.exists()
    assert Decision.objects.get().note == ""


def test_notices_and_words_go_with_the_person(alice, carol, dora, item):
    item.decisions.update(note="planted marker")
    telling.review_completed(item)
    erase_person(by=dora, person=alice, reason="x")
    assert not Notice.objects.exists()
    erase_person(by=dora, person=carol, reason="x")
    assert (Decision.objects.get().note, Decision.objects.get().outcome) == ("", "authentic")


# --- with the desk itself


def test_from_a_dispute_over_a_decision_to_its_undoing(alice, carol, judged, monkeypatch):
    for name in ("learn", "unlearn"):
        monkeypatch.setattr(f"detection.services.reviewed_labels.{name}", lambda *_, **__: None)
    ReviewRules.objects.create(second_opinion_share=0)
    add_endpoint(by=alice, url="https://example.org/a", events=[*WebhookEndpoint.Event.values])
    feedback.give(by=alice, detection=judged, label="real", category="false_positive")
    item = ReviewItem.objects.get(detection=judged)
    decision = decided(item, carol)
    assert _told() == {alice.email}
    review_decisions.undo(decision=decision, by=carol)
    assert _told("review_withdrawn") == {alice.email}
    decided(item, carol, outcome="manipulated")
    events = WebhookDelivery.objects.order_by("created_at").values_list("event", flat=True)
    assert list(events) == ["review.completed", "review.withdrawn", "review.completed"]


def test_who_flagged_it_at_the_desk_is_told(alice, carol, dora, judged, monkeypatch):
    monkeypatch.setattr("detection.services.reviewed_labels.learn", lambda *_, **__: None)
    ReviewRules.objects.create(second_opinion_share=0)
    decided(review.flag(by=dora, detection=judged), carol)
    assert _told() == {alice.email, dora.email}
