"""News by mail: in one's own language, several in one, at least once, no more than wanted."""

from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.utils import timezone

from detection.models import Notice
from detection.services import case_people, cases, mailing, telling
from detection.tasks import mail_news
from tests.factories import done_row, review_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _has_mail(settings):
    settings.HAS_MAIL = True


@pytest.fixture
def judged(alice, model_version):
    return done_row(alice, model_version)


def _tell(row, by, **fields):
    telling.review_completed(review_row(row, by=by, **fields))
    _make_due()


def _make_due():
    Notice.objects.exclude(mail_due_at=None).update(
        mail_due_at=timezone.now() - timedelta(seconds=1), lease_until=None
    )


def test_the_outcome_is_mailed_once(alice, carol, judged):
    _tell(judged, carol)
    mail_news(str(alice.pk))
    mail_news(str(alice.pk))
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert "A reviewer says: Authentic" in message.body
    assert f"http://localhost:8000/notices/{Notice.objects.get().pk}" in message.body
    assert Notice.objects.get().mailed_at is not None


def test_it_waits_so_that_several_go_in_one(alice, carol, judged, model_version):
    telling.review_completed(review_row(judged, by=carol))
    mail_news(str(alice.pk))
    assert mail.outbox == []
    _tell(done_row(alice, model_version), carol, outcome="manipulated")
    mail_news(str(alice.pk))
    (message,) = mail.outbox
    assert "2 pieces of news" in message.subject
    assert "Authentic" in message.body
    assert "Manipulated" in message.body


def test_neither_subject_nor_mail_says_who_decided_or_names_the_file(alice, carol, judged):
    judged.submissions.create(image=judged.image, by=alice, via="page", file_name="minister.jpg")
    _tell(judged, carol)
    mail_news(str(alice.pk))
    (message,) = mail.outbox
    assert "uthentic" not in message.subject
    assert "minister" not in message.subject + message.body
    assert carol.email not in message.body
    assert message.attachments == []


def test_whoever_is_added_to_a_case_is_mailed_its_address_and_none_of_its_words(alice, bob):
    case = cases.create(by=alice, title="Whistle", description="Blower")
    case_people.add_person(by=alice, case=case, who=bob.email, role="editor")
    mail_news(str(bob.pk))
    assert mail.outbox == []
    _make_due()
    for person in (alice, bob):
        mail_news(str(person.pk))
    (message,) = mail.outbox
    assert message.to == [bob.email]
    assert "You were added to a case" in message.subject
    assert "You may add images and notes to it." in message.body
    assert f"http://localhost:8000/notices/{Notice.objects.get().pk}" in message.body
    for word in ("Whistle", "Blower", alice.email, str(alice)):
        assert word not in message.subject + message.body


def test_news_of_cases_comes_in_ones_own_language(alice, bob):
    bob.language = "ar"
    bob.save()
    case = cases.create(by=alice, title="Flood")
    case_people.add_person(by=alice, case=case, who=bob.email, role="reader")
    _make_due()
    mail_news(str(bob.pk))
    assert "أُضِفت إلى قضية" in mail.outbox[0].subject


def test_whoever_is_taken_out_before_the_mail_leaves_gets_none(alice, bob):
    case = cases.create(by=alice, title="Flood")
    case_people.add_person(by=alice, case=case, who=bob.email, role="editor")
    case_people.remove_person(by=alice, case=case, person=bob)
    _make_due()
    mail_news(str(bob.pk))
    assert mail.outbox == []
    assert not Notice.objects.exists()


def test_of_a_confidential_image_it_says_no_more_than_that_there_is_news(alice, carol, judged):
    _tell(judged, carol)
    judged.image.is_confidential = True
    judged.image.save()
    mail_news(str(alice.pk))
    (message,) = mail.outbox
    assert "Authentic" not in message.subject + message.body
    assert "/notices/" in message.body


def test_it_is_written_in_the_language_of_the_person(alice, carol, judged, monkeypatch):
    alice.language = "ar"
    alice.save()
    languages = []
    monkeypatch.setattr(
        mailing,
        "news_rows",
        lambda told: languages.append(mailing.translation.get_language()) or [],
    )
    _tell(judged, carol)
    mail_news(str(alice.pk))
    assert languages == ["ar"]
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("why", ["unwanted", "disabled", "seen", "erased", "no_mail"])
def test_no_mail_is_sent_where_none_is_wanted_any_more(alice, carol, judged, settings, why):
    _tell(judged, carol)
    if why == "unwanted":
        alice.wants_mail = False
    if why == "disabled":
        alice.is_active = False
    alice.save()
    if why == "seen":
        telling.mark_seen(by=alice)
    if why == "erased":
        judged.image.erased_at = timezone.now()
        judged.image.save()
    settings.HAS_MAIL = why != "no_mail"
    mail_news(str(alice.pk))
    assert mail.outbox == []
    assert not Notice.objects.due().exists()


def test_who_wants_none_gets_none(alice, carol, judged):
    alice.wants_mail = False
    alice.save()
    _tell(judged, carol)
    assert Notice.objects.get().mail_due_at is None


def test_a_server_that_refuses_is_asked_again_and_not_for_ever(alice, carol, judged, monkeypatch):
    def refuse(*_: object) -> None:
        raise SMTPRecipientsRefused({})

    monkeypatch.setattr(mailing, "send_mail", refuse)
    _tell(judged, carol)
    mail_news(str(alice.pk))
    assert Notice.objects.get().mail_due_at > timezone.now()
    for _ in mailing.RETRY_AFTER:
        _make_due()
        mail_news(str(alice.pk))
    notice = Notice.objects.get()
    assert (notice.mailed_at, notice.mail_due_at) == (None, None)
    assert notice.mail_attempt == len(mailing.RETRY_AFTER) + 1


@pytest.mark.parametrize(
    "error", [SoftTimeLimitExceeded(), UnicodeEncodeError("ascii", "ü", 0, 1, "")]
)
def test_whatever_keeps_a_mail_from_leaving_it_waits_longer_each_time(
    alice, carol, judged, monkeypatch, error
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(mailing, "send_mail", fail)
    _tell(judged, carol)
    mail_news(str(alice.pk))
    notice = Notice.objects.get()
    assert (notice.lease_owner, notice.lease_until) == ("", None)
    assert notice.mail_due_at > timezone.now() + timedelta(seconds=30)


def test_a_mail_that_kills_its_sender_each_time_is_given_up(alice, carol, judged):
    _tell(judged, carol)
    for _ in range(len(mailing.RETRY_AFTER) + 1):
        assert Notice.objects.claim(alice.pk, at_most=9)
        _make_due()
    mail_news(str(alice.pk))
    assert mail.outbox == []
    assert Notice.objects.get().mail_due_at is None


def test_what_is_new_is_not_given_up_with_what_is_old(
    alice, carol, judged, model_version, monkeypatch
):
    def refuse(*_: object) -> None:
        raise SMTPRecipientsRefused({})

    monkeypatch.setattr(mailing, "send_mail", refuse)
    _tell(judged, carol)
    Notice.objects.update(mail_attempt=len(mailing.RETRY_AFTER))
    _tell(done_row(alice, model_version), carol)
    mail_news(str(alice.pk))
    old, new = Notice.objects.order_by("created_at")
    assert old.mail_due_at is None
    assert new.mail_due_at > timezone.now()


def test_a_sender_that_died_leaves_it_to_the_next(alice, carol, judged):
    _tell(judged, carol)
    assert Notice.objects.claim(alice.pk, at_most=9)
    mail_news(str(alice.pk))
    assert mail.outbox == []  # its lease still holds
    _make_due()
    mail_news(str(alice.pk))
    assert len(mail.outbox) == 1


def test_a_sender_that_lost_its_lease_writes_nothing(alice, carol, judged):
    _tell(judged, carol)
    slow = Notice.objects.claim(alice.pk, at_most=9)
    _make_due()
    Notice.objects.claim(alice.pk, at_most=9)
    assert Notice.objects.leased_as(slow).let_go(mailed_at=timezone.now()) == 0
    assert Notice.objects.get().mailed_at is None


def test_the_sweeper_rings_once_for_each_person(alice, carol, judged, model_version, monkeypatch):
    rung = []
    monkeypatch.setattr(
        mailing.doorbell, "send", lambda task, ids, queue: rung.append((task, ids, queue)) or True
    )
    _tell(judged, carol)
    _tell(done_row(alice, model_version), carol)
    _tell(done_row(carol, model_version), None)
    assert mailing.ring_waiting(at_most=10) == 2
    assert {ids[0] for _task, ids, _queue in rung} == {str(alice.pk), str(carol.pk)}
    assert {(task, queue) for task, _ids, queue in rung} == {(mailing.TASK, "deliver")}
