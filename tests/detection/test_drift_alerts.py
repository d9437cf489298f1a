"""Alerts are raised once, mailed once, looked after by one, and end when what was wrong passed."""

from datetime import timedelta
from smtplib import SMTPException

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import tasks
from detection.alert_words import SENTENCES, TITLES, alert_words
from detection.errors import Refused
from detection.models import DriftAlert, ModelVersion, PeriodFigures, WorkerSign
from detection.services import drift_alerts, period_figures, workers
from detection.services.drift_rules import RULES, Finding, findings
from tests.factories import detection_row, done_row, in_parallel

pytestmark = pytest.mark.django_db
RULE = "failures_up"
RAISED = Finding(RULE, True, {"count": 30, "n": 100, "count_before": 2, "n_before": 200})
WELL = Finding(RULE, False)
UNTOLD = Finding(RULE, None)


def actions() -> list[str]:
    rows = AuditEvent.objects.filter(target_type="driftalert").order_by("pk")
    return list(rows.values_list("action", flat=True))


def seen(ago: timedelta) -> None:
    DriftAlert.objects.update(seen_at=timezone.now() - ago)


def test_what_is_raised_twice_is_one_alert():
    drift_alerts.apply(RAISED)
    drift_alerts.apply(Finding(RULE, True, {"count": 31, "n": 100}))
    alert = DriftAlert.objects.get()
    assert alert.figures["count"] == 31
    assert actions() == ["drift_alert.raised"]


def test_nothing_is_raised_where_all_is_well_or_untold():
    for finding in (WELL, UNTOLD):
        drift_alerts.apply(finding)
    assert not DriftAlert.objects.exists()


def test_it_ends_a_day_after_it_was_last_seen():
    drift_alerts.apply(RAISED)
    seen(timedelta(hours=23))
    drift_alerts.apply(WELL)
    assert DriftAlert.objects.standing().exists()
    seen(timedelta(hours=25))
    drift_alerts.apply(WELL)
    assert not DriftAlert.objects.standing().exists()
    assert actions() == ["drift_alert.raised", "drift_alert.ended"]


def test_too_few_to_tell_is_no_all_clear():
    drift_alerts.apply(RAISED)
    seen(timedelta(days=13))
    drift_alerts.apply(UNTOLD)
    assert DriftAlert.objects.standing().exists()
    seen(timedelta(days=15))
    drift_alerts.apply(UNTOLD)
    assert not DriftAlert.objects.standing().exists()


def test_what_comes_back_is_an_alert_of_its_own():
    drift_alerts.apply(RAISED)
    seen(timedelta(days=2))
    drift_alerts.apply(WELL)
    drift_alerts.apply(RAISED)
    assert DriftAlert.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_raised_by_two_at_once_it_is_one():
    in_parallel(lambda: drift_alerts.apply(RAISED), times=4)
    assert DriftAlert.objects.count() == 1
    assert actions() == ["drift_alert.raised"]


# --- who looks after it


def test_whoever_looks_after_it_says_how(dora):
    drift_alerts.apply(RAISED)
    alert = DriftAlert.objects.get()
    drift_alerts.acknowledge(by=dora, alert=alert, note="the wire sends thumbnails")
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note) == (dora, "the wire sends thumbnails")
    assert actions() == ["drift_alert.raised", "drift_alert.acknowledged"]
    assert drift_alerts.shown_to_administrators() == 0


def test_the_second_who_would_is_refused(dora):
    drift_alerts.apply(RAISED)
    alert = DriftAlert.objects.get()
    drift_alerts.acknowledge(by=dora, alert=alert, note="")
    with pytest.raises(Refused) as refused:
        drift_alerts.acknowledge(by=dora, alert=alert, note="again")
    assert refused.value.code == "alert_attended"
    assert DriftAlert.objects.get().note == ""


# --- mail


@pytest.fixture
def has_mail(settings) -> None:
    settings.HAS_MAIL = True


def test_administrators_are_mailed_once_in_their_language(has_mail, dora, carol, alice):
    User.objects.create_user("amal@example.org", "x" * 12, role="admin", language="ar")
    User.objects.create_user("gone@example.org", "x" * 12, role="admin", is_active=False)
    drift_alerts.apply(RAISED)
    assert [drift_alerts.mail_new(), drift_alerts.mail_new()] == [1, 0]
    assert [letter.to for letter in mail.outbox] == [[dora.email], ["amal@example.org"]]
    first = mail.outbox[0]
    assert first.subject == f"Unmask: {TITLES[RULE]}"
    assert "30 % of the last 7 days’ 100 images" in first.body.replace("\u00a0", " ")
    assert "/monitoring" in first.body


def test_a_mail_server_that_is_away_is_asked_again(has_mail, dora, monkeypatch):
    drift_alerts.apply(RAISED)

    def fail(*_: object, **__: object) -> None:
        raise SMTPException

    with monkeypatch.context() as away:
        away.setattr(drift_alerts, "send_mail", fail)
        assert drift_alerts.mail_new() == 0
    assert drift_alerts.mail_new() == 1
    assert len(mail.outbox) == 1


def test_without_mail_nothing_is_sent_and_nothing_marked(dora):
    drift_alerts.apply(RAISED)
    assert drift_alerts.mail_new() == 0
    assert DriftAlert.objects.get().mailed_at is None


# --- workers and queues


def sign(queue: str, *, minutes_ago: float, since_minutes: float = 600) -> None:
    now = timezone.now()
    WorkerSign.objects.create(
        queue=queue,
        at=now - timedelta(minutes=minutes_ago),
        since=now - timedelta(minutes=since_minutes),
    )


def test_a_worker_that_gives_no_sign_raises_an_alert():
    sign("sweep", minutes_ago=0)
    sign("bulk", minutes_ago=6)
    drift_alerts.check_work()
    alert = DriftAlert.objects.get()
    assert (alert.rule, alert.figures) == ("no_worker", {"queues": ["bulk"]})
    assert "Batches" in alert_words(alert.rule, alert.figures)


def test_a_desk_just_started_waits_for_its_workers():
    sign("sweep", minutes_ago=0, since_minutes=1)
    sign("bulk", minutes_ago=600)
    drift_alerts.check_work()
    assert not DriftAlert.objects.exists()


def test_without_any_worker_pages_say_so_though_nobody_raises_it():
    for queue in ("sweep", "bulk", "evidence", "deliver"):
        sign(queue, minutes_ago=30)
    assert drift_alerts.shown_to_administrators() == 1
    drift_alerts.check_work()
    assert drift_alerts.shown_to_administrators() == 1  # the alert itself, and not twice


def test_a_sign_after_a_silence_begins_anew():
    sign("bulk", minutes_ago=30)
    workers.sign("bulk")
    row = WorkerSign.objects.get()
    assert timezone.now() - row.since < timedelta(minutes=1)
    workers.sign("bulk")
    assert WorkerSign.objects.get().since == row.since


def test_an_image_that_waits_long_raises_an_alert(alice, model_version):
    detection_row(alice, model_version, queued_at=timezone.now() - timedelta(minutes=9))
    drift_alerts.check_work()
    alert = DriftAlert.objects.get()
    assert alert.rule == "queue_waits"
    assert "9 minutes" in alert_words(alert.rule, alert.figures)


def test_a_bulk_backlog_raises_none(alice, model_version):
    detection_row(alice, model_version, queue="bulk", queued_at=timezone.now() - timedelta(hours=9))
    drift_alerts.check_work()
    assert not DriftAlert.objects.exists()


def test_the_clock_counts_and_asks(alice, model_version):
    detection_row(
        alice,
        model_version,
        status="failed",
        failure_code="scores_moved",
        completed_at=timezone.now(),
    )
    done_row(alice, model_version)
    tasks.count_figures.apply(throw=True)
    assert DriftAlert.objects.get().rule == "golden_scores_moved"
    assert PeriodFigures.objects.get(unit="day", starts_on=period_figures.today())


def test_whoever_counts_leaves_the_letters_to_whoever_watches(has_mail, dora, alice, model_version):
    detection_row(
        alice,
        model_version,
        status="failed",
        failure_code="scores_moved",
        completed_at=timezone.now(),
    )
    tasks.count_figures.apply(throw=True)
    assert mail.outbox == []
    tasks.watch.apply(throw=True)
    assert [letter.to for letter in mail.outbox] == [[dora.email]]


def test_the_worker_that_watches_is_watched_by_the_other():
    sign("deliver", minutes_ago=30)
    sign("sweep", minutes_ago=0)
    tasks.sweep.apply(throw=True)
    assert DriftAlert.objects.get().figures == {"queues": ["deliver"]}


def test_every_rule_has_words():
    rules = {finding.rule for finding in findings([], period_figures.today())}
    rules |= {finding.rule for finding in workers.findings()}
    assert len(rules) == len(RULES) + 3
    assert rules == set(TITLES) == set(SENTENCES)


def test_words_of_figures_that_are_missing_are_dashes():
    assert "–" in alert_words("scores_shifted", {})
    assert alert_words("of another day", {}) == ""


def test_a_damaged_model_raises_an_alert_until_it_is_whole(model_version):
    drift_alerts.check_work()
    assert not DriftAlert.objects.exists()
    ModelVersion.objects.update(damaged_at=timezone.now())
    drift_alerts.check_work()
    alert = DriftAlert.objects.get()
    assert alert.rule == "model_damaged"
    assert str(model_version) in alert_words(alert.rule, alert.figures)
    ModelVersion.objects.update(damaged_at=None)
    seen(timedelta(minutes=11))
    drift_alerts.check_work()
    assert not DriftAlert.objects.standing().exists()


def test_a_damaged_model_that_judges_nothing_raises_none(model_version):
    ModelVersion.objects.update(state="retired", damaged_at=timezone.now())
    drift_alerts.check_work()
    assert not DriftAlert.objects.exists()
