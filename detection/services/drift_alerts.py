"""Alerts: raised by rules, mailed to administrators once, ended when what was wrong has passed."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from detection.alert_words import alert_title, alert_words
from detection.errors import Refused
from detection.models import DriftAlert, PeriodFigures
from detection.services import drift_rules, period_figures, workers
from detection.services.drift_rules import Finding

log = logging.getLogger(__name__)

# What has passed must stay away for so long before its alert ends, or it would come and go.
QUIET = timedelta(hours=24)
QUIET_WORK = timedelta(minutes=10)
OF_WORK = frozenset({"no_worker", "queue_waits", "model_damaged"})
# With too little to tell whether it has passed, an alert stands for so long.
UNTOLD = timedelta(days=14)
MOST_NOTE = 500


def check() -> None:
    """Ask every rule; raise, go on with, or end its alert. `check_work` mails it.

    Not here: what counts days runs where no mail server is reached.
    """
    today = period_figures.today()
    rows = PeriodFigures.objects.filter(unit=PeriodFigures.Unit.DAY).order_by("starts_on")
    days = list(rows.values_list("starts_on", "counts"))
    for finding in [*drift_rules.findings(days, today), *workers.findings()]:
        apply(finding)


def check_work() -> None:
    """Ask the rules about workers and queues alone, which cost next to nothing.

    Then mail every alert that was not mailed yet.
    """
    for finding in workers.findings():
        apply(finding)
    mail_new()


def apply(finding: Finding) -> None:
    """Bring the rule's alert in line with what the rule says now."""
    with transaction.atomic():
        standing = (
            DriftAlert.objects.standing()
            .select_for_update(of=("self",))
            .filter(rule=finding.rule)
            .first()
        )
        if finding.is_raised:
            _raise(finding, standing)
        elif standing is not None and _has_passed(finding, standing) and standing.end():
            _record("drift_alert.ended", standing, finding)


def acknowledge(*, by: User, alert: DriftAlert, note: str) -> None:
    """Say that one looks after it; the note says how.

    Raises:
        Refused: somebody does already, or it has ended.
    """
    with transaction.atomic():
        if not alert.acknowledge(by=by, note=note[:MOST_NOTE]):
            raise Refused("alert_attended")
        audit.record(
            "drift_alert.acknowledged",
            actor=by,
            target=alert,
            after={"rule": alert.rule},
            detail={"note": note[:MOST_NOTE]},
        )


def mail_new() -> int:
    """Tell administrators of alerts they were not told of; says how many alerts.

    An alert is marked before its letters go, so that a crash between the two costs a letter and
    doubles none; where the mail server is away the mark is taken back.
    """
    if not settings.HAS_MAIL:
        return 0
    told = 0
    for alert in DriftAlert.objects.unattended().filter(mailed_at=None):
        row = DriftAlert.objects.filter(pk=alert.pk)
        if not row.filter(mailed_at=None).update(mailed_at=Now()):
            continue
        try:
            _mail(alert)
            told += 1
        except (SMTPException, OSError) as error:
            log.warning("alert %s could not be mailed: %s", alert.rule, type(error).__name__)
            row.update(mailed_at=None)
            break
    return told


def shown_to_administrators() -> int:
    """How many things are wrong that nobody looks after, a missing worker among them.

    That one is looked for here as well: without workers nobody raises its alert.
    """
    standing = DriftAlert.objects.standing().values_list("rule", "acknowledged_at")
    rules = dict(standing)
    unattended = sum(at is None for at in rules.values())
    return unattended + ("no_worker" not in rules and workers.is_any_silent())


def _raise(finding: Finding, standing: DriftAlert | None) -> None:
    if standing is not None:
        DriftAlert.objects.filter(pk=standing.pk).update(seen_at=Now(), figures=finding.figures)
        return
    alert, is_new = DriftAlert.objects.get_or_create(
        rule=finding.rule, ended_at=None, defaults={"figures": finding.figures}
    )
    if is_new:
        _record("drift_alert.raised", alert, finding)


def _has_passed(finding: Finding, alert: DriftAlert) -> bool:
    quiet = QUIET_WORK if finding.rule in OF_WORK else QUIET
    return timezone.now() - alert.seen_at > (UNTOLD if finding.is_raised is None else quiet)


def _record(action: str, alert: DriftAlert, finding: Finding) -> None:
    audit.record(
        action,
        actor=None,
        target=alert,
        after={"rule": alert.rule, "figures": finding.figures},
    )


def _mail(alert: DriftAlert) -> None:
    address = settings.UNMASK_ORIGIN + reverse("monitoring")
    people = User.objects.filter(Q(role=User.Role.ADMIN), is_active=True)
    for person in people.order_by("pk"):
        with translation.override(person.language or settings.LANGUAGE_CODE):
            send_mail(
                settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + alert_title(alert.rule),
                "\n\n".join(
                    [
                        alert_words(alert.rule, alert.figures),
                        _("What the desk counts, and who looks after this: %(address)s")
                        % {"address": address},
                    ]
                ),
                None,
                [person.email],
            )
