"""Training as work that the database owns: one run at a time, in a process of its own."""

import uuid
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.dataset import Dataset, Snapshot
from detection.models.newest_first import NewestFirst
from detection.models.registry import ModelVersion


class TrainingRunQuerySet(NewestFirst["TrainingRun"]):
    def open(self) -> Self:
        """What waits or is under way; there is at most one."""
        return self.filter(status__in=TrainingRun.OPEN)

    def claimable(self) -> Self:
        """What waits, or whose lease has expired, with attempts left, and not called off."""
        Status = TrainingRun.Status  # noqa: N806 (an enum's own name)
        expired = Q(status=Status.RUNNING, lease_until__lt=Now())
        return self.filter(
            Q(status=Status.QUEUED) | expired,
            attempt__lt=F("attempt_limit"),
            cancel_asked_at=None,
        )

    def abandoned(self) -> Self:
        """What nobody holds any more and nobody may take up: called off, or out of attempts."""
        is_called_off = Q(cancel_asked_at__isnull=False)
        hopeless = Q(attempt__gte=F("attempt_limit")) | is_called_off
        dropped = Q(hopeless, status=TrainingRun.Status.RUNNING, lease_until__lt=Now())
        # called off while its process ended for another reason and gave it back
        return self.filter(dropped | Q(is_called_off, status=TrainingRun.Status.QUEUED))

    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "TrainingRun | None":
        """Lease one run to this process; None when taken, ended, called off or out of attempts."""
        won = (
            self.claimable()
            .filter(pk=pk)
            .update(
                status=TrainingRun.Status.RUNNING,
                lease_owner=worker,
                lease_until=Now() + settings.LEASE,
                attempt=F("attempt") + 1,
                started_at=models.functions.Coalesce("started_at", Now()),
            )
        )
        rows = self.select_related("snapshot", "started_from", "by")
        return rows.filter(pk=pk).first() if won else None


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
    _NOBODYS: ClassVar[dict[str, Any]] = {
        "lease_until": None,
        "lease_owner": "",
        "expected_end_at": None,
    }

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
    expected_end_at = models.DateTimeField(null=True, blank=True)  # of its epochs
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

    def beat(self, **progress: Any) -> bool:
        """Hold the lease for another while and say how far it is; False where it was lost."""
        return bool(self._held().update(lease_until=Now() + settings.LEASE, **progress))

    def close_door(self, stage: str) -> bool:
        """Enter the stage in which nobody may call it off; False where somebody has."""
        held = self._held().filter(cancel_asked_at=None)
        return bool(held.update(stage=stage, lease_until=Now() + settings.LEASE))

    def release(self) -> bool:
        """Give the run back as it is; an attempt that was cut short in order counts as none."""
        return bool(
            self._held().update(
                status=self.Status.QUEUED,
                attempt_limit=F("attempt_limit") + 1,
                **self._NOBODYS,
            )
        )

    def give_up_attempt(self) -> bool:
        """End this attempt after its process was killed; False where it was the last one."""
        held = self._held().filter(attempt__lt=F("attempt_limit"))
        return bool(held.update(status=self.Status.QUEUED, **self._NOBODYS))

    def complete(self, candidate: ModelVersion) -> bool:
        """Write what came of it; False where the lease was lost or somebody called it off."""
        return self._end(self._held().filter(cancel_asked_at=None), "done", candidate=candidate)

    def fail(self, code: str) -> bool:
        return self._end(self._held(), "failed", failure_code=code)

    def cancel(self) -> bool:
        """End what was called off, by the process that holds it."""
        return self._end(self._held(), "cancelled")

    def cancel_unheld(self) -> bool:
        """End a run that no process holds; False where one has it."""
        unheld = Q(status=self.Status.QUEUED) | Q(status=self.Status.RUNNING, lease_until__lt=Now())
        return self._end(TrainingRun.objects.filter(unheld, pk=self.pk), "cancelled")

    def fail_unheld(self, code: str) -> bool:
        """End a run whose last attempt's lease ran out."""
        rows = TrainingRun.objects.filter(
            pk=self.pk,
            status=self.Status.RUNNING,
            attempt=self.attempt,
            lease_until__lt=Now(),
        )
        return self._end(rows, "failed", failure_code=code)

    def _end(self, rows: "models.QuerySet[TrainingRun]", status: str, **fields: Any) -> bool:
        return bool(rows.update(status=status, completed_at=Now(), **self._NOBODYS, **fields))

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
    datasets = models.ManyToManyField(Dataset, related_name="+", blank=True)  # none: all of them

    class Meta:
        verbose_name = _("training schedule")

    def __str__(self) -> str:
        return "on" if self.is_on else "off"
