"""Training as work that the database owns: one run at a time, in a process of its own."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.dataset import Snapshot
from detection.models.newest_first import NewestFirst
from detection.models.registry import ModelVersion


class TrainingRunQuerySet(NewestFirst["TrainingRun"]):
    def open(self) -> Self:
        """What waits or is under way; there is at most one."""
        return self.filter(status__in=TrainingRun.OPEN)


class TrainingRun(models.Model):
    """One training, from its order to its candidate.

    queued → running → done | failed | cancelled. The process that runs it holds a lease by
    heartbeat; when that ends, whoever finds it takes the run up from its last checkpoint.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    class Via(models.TextChoices):
        PAGE = "page", _("page")
        API = "api", _("API")
        COMMAND = "command", _("command line")
        SCHEDULE = "schedule", _("schedule")

    class Start(models.TextChoices):
        SCRATCH = "scratch", _("from scratch")
        ACTIVE = "active", _("from the active model")

    OPEN = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    config = models.CharField(max_length=64)  # a module of ml.configs
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="runs")
    epochs = models.PositiveSmallIntegerField()
    start = models.CharField(max_length=12, choices=Start.choices, default=Start.SCRATCH)
    started_from = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="continued_by", null=True, blank=True
    )
    seed = models.PositiveIntegerField(default=1)
    by = models.ForeignKey(User, models.PROTECT, related_name="training_runs", null=True)
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    via = models.CharField(max_length=12, choices=Via.choices)
    note = models.CharField(max_length=500, blank=True)

    attempt = models.PositiveSmallIntegerField(default=0)
    attempt_limit = models.PositiveSmallIntegerField(default=20)
    lease_owner = models.CharField(max_length=128, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)

    stage = models.CharField(max_length=40, blank=True)  # what it does now
    done = models.PositiveIntegerField(default=0)  # steps of the stage
    total = models.PositiveIntegerField(default=0)
    history = models.JSONField(default=list, blank=True)  # one dict an epoch, as in ml.RunState
    failure_code = models.CharField(max_length=32, blank=True)
    candidate = models.OneToOneField(
        ModelVersion, models.PROTECT, related_name="training_run", null=True, blank=True
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("training run")
        constraints = [
            # a constant in an index: of all rows that are open there is one
            models.UniqueConstraint(
                models.functions.Coalesce(models.Value(1), models.Value(1)),
                condition=Q(status__in=["queued", "running"]),
                name="one_open_training_run",
            ),
            models.CheckConstraint(
                condition=Q(status="done", candidate__isnull=False) | ~Q(status="done"),
                name="done_training_has_a_candidate",
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(failure_code=""),
                name="failed_training_means_a_code",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.config} {self.status}"

    @property
    def is_finished(self) -> bool:
        return self.status not in self.OPEN

    def _held(self) -> "models.QuerySet[TrainingRun]":
        """This row, if the attempt that this object belongs to still holds it (the fence)."""
        return TrainingRun.objects.filter(
            pk=self.pk,
            status=self.Status.RUNNING,
            attempt=self.attempt,
            lease_until__gte=Now(),
        )


class TrainingSchedule(models.Model):
    """The only row: when a run starts by itself."""

    is_on = models.BooleanField(default=False)
    new_labels = models.PositiveIntegerField(default=200)  # reviewed ones since the last run
    days_between = models.PositiveSmallIntegerField(default=7)  # at least
    config = models.CharField(max_length=64, blank=True)
    epochs = models.PositiveSmallIntegerField(default=3)
    start = models.CharField(
        max_length=12, choices=TrainingRun.Start.choices, default=TrainingRun.Start.ACTIVE
    )

    class Meta:
        verbose_name = _("training schedule")

    def __str__(self) -> str:
        return "on" if self.is_on else "off"
