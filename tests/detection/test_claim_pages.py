"""Saying on a page that a verdict is wrong, and whether an image may be learnt from."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from detection.models import Feedback, Image, LabelledImage
from detection.services import feedback
from tests.factories import detection_row, done_row, image_row, review_row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("brought_to_desk")]


@pytest.fixture
def judged(alice, model_version):
    return done_row(alice, model_version, verdict="likely_manipulated", probability=0.95)


@pytest.fixture
def browser(alice, client_of):
    return client_of(alice)


def _say(browser, row, says="false_positive.real", **more):
    return browser.post(f"/detections/{row.pk}/feedback", {"says": says, **more})


def _page(browser, row):
    return browser.get(f"/detections/{row.pk}").content.decode()


def test_what_was_said_stands_on_the_page_and_can_be_taken_back(browser, judged, brought_to_desk):
    answer = _say(browser, judged, comment="I was there.")
    assert (answer.status_code, answer.url) == (302, f"/detections/{judged.pk}#claims")
    html = _page(browser, judged)
    assert "It is wrong: this is a real photograph" in html
    assert "I was there." in html
    assert len(brought_to_desk) == 1
    browser.post(f"/detections/{judged.pk}/feedback", {"action": "withdraw"})
    assert "I was there." not in _page(browser, judged)
    assert not Feedback.objects.standing().exists()


def test_it_can_be_changed(browser, alice, judged):
    _say(browser, judged)
    _say(browser, judged, "confirmation.fake")
    assert feedback.own_claim(alice, judged).category == "confirmation"


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("likely_manipulated", "false_negative.fake"),
        ("likely_authentic", "false_positive.real"),
        ("inconclusive", "false_positive.real"),
        ("likely_manipulated", "nonsense"),
        ("likely_manipulated", ""),
    ],
)
def test_nothing_else_than_what_is_offered_can_be_said(
    browser, alice, model_version, verdict, says
):
    row = done_row(alice, model_version, verdict=verdict)
    answer = _say(browser, row, says, comment="typed words")
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "Choose what you say about the verdict." in html
    assert "typed words" in html
    assert not Feedback.objects.exists()


def test_what_was_typed_comes_again_when_it_is_refused(browser, judged, monkeypatch):
    monkeypatch.setattr(feedback, "CLAIMED_BY_ONE", feedback.Limit(0, 60))
    answer = _say(browser, judged, comment="typed words")
    assert answer.status_code == 429
    assert "typed words" in answer.content.decode()


def test_a_comment_that_is_too_long_is_named(browser, judged):
    answer = _say(browser, judged, comment="x" * 2001)
    assert answer.status_code == 422
    assert "at most 2,000 characters" in answer.content.decode()


def test_there_is_nothing_to_say_before_the_verdict(browser, alice, model_version):
    row = detection_row(alice, model_version)
    assert "Is this verdict right?" not in _page(browser, row)
    assert _say(browser, row).status_code == 422


def test_somebody_elses_claim_is_not_shown(browser, carol, judged, client_of):
    _say(client_of(carol), judged, comment="a moderator's words")
    assert "a moderator&#x27;s words" not in _page(browser, judged)


def test_a_stranger_says_nothing(bob, judged, client_of):
    assert _say(client_of(bob), judged).status_code == 404


def test_a_comment_is_text_and_never_markup(browser, judged):
    _say(browser, judged, comment="<script>alert(1)</script>")
    assert "<script>alert" not in _page(browser, judged)


def test_that_no_moderator_sees_a_confidential_image_is_said(browser, alice, judged):
    Image.objects.update(is_confidential=True)
    assert "no moderator will look at it" in _page(browser, judged)


# --- consent


def _consents():
    return Image.objects.exclude(training_consent_at=None).count()


def test_consent_is_off_unless_ticked(browser, judged, labels):
    _say(browser, judged)
    assert _consents() == 0
    _say(browser, judged, allows_training="1")
    assert _consents() == 1


def test_who_does_not_own_the_image_is_not_asked(carol, judged, client_of):
    browser = client_of(carol)
    html = _page(browser, judged)
    assert "allows_training" not in html
    assert "Learning from this image" not in html
    assert _say(browser, judged, allows_training="1").status_code == 403
    assert (_consents(), Feedback.objects.count()) == (0, 0)


def test_it_is_allowed_and_withdrawn_on_the_page(browser, judged, labels):
    address = f"/images/{judged.image_id}/training"
    browser.post(address, {"is_allowed": "1"})
    assert _consents() == 1
    assert "You allowed on" in _page(browser, judged)
    browser.post(address, {"is_allowed": "0"})
    assert _consents() == 0
    assert labels == [("unlearn", judged.image_id)]


def test_anything_else_is_no_answer(browser, judged):
    answer = browser.post(f"/images/{judged.image_id}/training", {"is_allowed": "maybe"})
    assert answer.status_code == 400


def test_confidential_images_are_not_offered(browser, judged):
    Image.objects.update(is_confidential=True)
    assert "never learnt from" in _page(browser, judged)
    answer = browser.post(f"/images/{judged.image_id}/training", {"is_allowed": "1"}, follow=True)
    assert "confidential images are never learnt from" in answer.content.decode()
    assert _consents() == 0


def test_many_are_allowed_at_once_and_each_says_what_became_of_it(
    browser, alice, carol, model_version, labels
):
    rows = [
        done_row(alice, model_version),
        done_row(alice, model_version, image=image_row(alice, is_confidential=True)),
    ]
    answer = browser.post(
        "/history/change", {"action": "allow_training", "row": [str(row.pk) for row in rows]}
    )
    html = answer.content.decode()
    assert "1 changed" in html
    assert "1 could not be changed" in html
    assert _consents() == 1
    browser.post("/history/change", {"action": "forbid_training", "row": [str(rows[0].pk)]})
    assert _consents() == 0


def test_a_moderator_gives_it_for_nobody(carol, judged, client_of):
    answer = client_of(carol).post(
        "/history/change", {"action": "allow_training", "row": [str(judged.pk)]}
    )
    assert "Only its owner does this" in answer.content.decode()
    assert _consents() == 0


def test_a_claim_with_consent_holds_the_datasets_before_the_chain(browser, judged, carol):
    """As a decision does, which may be made about another image of the same owner meanwhile."""
    review_row(judged, by=carol)
    with CaptureQueriesContext(connection) as queries:
        _say(browser, judged, allows_training="on")
    assert LabelledImage.objects.usable().get().image == judged.image
    tables = [query["sql"] for query in queries]
    chain = next(at for at, sql in enumerate(tables) if 'FROM "accounts_auditchain"' in sql)
    held = [at for at, sql in enumerate(tables) if 'FROM "detection_dataset" ORDER BY' in sql]
    assert held
    assert max(held) < chain
