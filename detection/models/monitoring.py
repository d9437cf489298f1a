"""What the desk counts of its own verdicts, what it finds wrong, and which workers are there."""

import uuid
from datetime import date, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.newest_first import NewestFirst


class PeriodFiguresQuerySet(models.QuerySet["PeriodFigures"]):
    def days(self, first: date, last: date) -> Self:
        """Counted days from the first to the last, both included; oldest first."""
        rows = self.filter(unit=PeriodFigures.Unit.DAY, starts_on__range=(first, last))
        return rows.order_by("starts_on")

    def weeks(self, first: date) -> Self:
        """Counted weeks that begin on this day or later; oldest first."""
        rows = self.filter(unit=PeriodFigures.Unit.WEEK, starts_on__gte=first)
        return rows.order_by("starts_on")


class PeriodFigures(models.Model):
    """Counts of one day, or of one week from Monday on, in UTC; see services.period_figures.

    Nothing but counts, so that any number of periods are added up without asking for the rows that
    were counted.
    """

    class Unit(models.TextChoices):
        DAY = "day", _("day")
        WEEK = "week", _("week")

    id = models.BigAutoField(primary_key=True)
    unit = models.CharField(max_length=4, choices=Unit.choices)
    starts_on = models.DateField()
    counts = models.JSONField(default=dict)
    counted_at = models.DateTimeField(default=timezone.now)

    objects = PeriodFiguresQuerySet.as_manager()

    class Meta:
        verbose_name = _("figures of a time")
        constraints = [
            models.UniqueConstraint(fields=["unit", "starts_on"], name="counted_once_per_period")
        ]

    def __str__(self) -> str:
        return f"{self.unit} {self.starts_on}"


class DriftAlertQuerySet(NewestFirst["DriftAlert"]):
    def standing(self) -> Self:
        """What is wrong now, whether or not somebody has looked at it."""
        return self.filter(ended_at=None)

    def unattended(self) -> Self:
        """What is wrong now, and nobody has said that they look after it."""
        return self.standing().filter(acknowledged_at=None)


class DriftAlert(models.Model):
    """One thing that a rule found wrong, from when to when, and who looked after it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.CharField(max_length=32)  # of services.drift_rules
    figures = models.JSONField(default=dict, blank=True)  # what the rule saw last
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(default=timezone.now)  # when the rule last found it
    ended_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, blank=True
    )
    note = models.CharField(max_length=500, blank=True)

    objects = DriftAlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        constraints = [
            models.UniqueConstraint(
                fields=["rule"], condition=Q(ended_at=None), name="one_standing_alert_per_rule"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="alerts_are_acknowledged_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="alert_newest_first")]

    def __str__(self) -> str:
        return f"{self.rule} {self.created_at:%Y-%m-%d}"

    def acknowledge(self, *, by: User, note: str) -> bool:
        """Somebody looks after it; False where somebody did already, or it has ended."""
        rows = type(self).objects.unattended().filter(pk=self.pk)
        return bool(rows.update(acknowledged_at=Now(), acknowledged_by=by, note=note))

    def end(self) -> bool:
        """It has passed; False where somebody was faster."""
        return bool(type(self).objects.standing().filter(pk=self.pk).update(ended_at=Now()))


class WorkerSignQuerySet(models.QuerySet["WorkerSign"]):
    def give(self, queue: str) -> None:
        """Note that a worker took a message from this queue just now."""
        going_on = self.filter(queue=queue, at__gte=Now() - WorkerSign.SILENT_AFTER)
        if not going_on.update(at=Now()):
            self.update_or_create(queue=queue, defaults={"at": Now(), "since": Now()})


class WorkerSign(models.Model):
    """When a worker last took a message from a queue, and since when that went on."""

    SILENT_AFTER = timedelta(minutes=5)

    queue = models.CharField(primary_key=True, max_length=16)
    at = models.DateTimeField()
    since = models.DateTimeField()

    objects = WorkerSignQuerySet.as_manager()

    class Meta:
        verbose_name = _("sign of a worker")

    def __str__(self) -> str:
        return self.queue
