"""An order to judge older detections again with the model that judges now."""

import uuid
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.case import Case
from detection.models.detection import Detection
from detection.models.leased import Leased, LeasedQuerySet
from detection.models.registry import ModelVersion


class RejudgingQuerySet(LeasedQuerySet["Rejudging"]):
    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "Rejudging | None":
        """Lease one order to this worker; None when taken, finished or out of attempts."""
        won = self.lease(pk, worker=worker)
        rows = self.select_related("version", "case", "by", "api_key")
        return rows.filter(pk=pk).first() if won else None

    def open(self) -> "RejudgingQuerySet":
        """What waits or is under way."""
        return self.filter(status__in=[Leased.Status.QUEUED, Leased.Status.RUNNING])


class Rejudging(Leased):
    """Older detections handed over a few at a time, while nothing else waits.

    queued → running → queued again after each handful … → done | failed. A handful that was
    handed over is remembered by the detections themselves, so that a kill doubles nothing.
    """

    class Ended(models.TextChoices):
        ALL_HANDED = "", _("all handed over")
        CANCELLED = "cancelled", _("cancelled")
        SUPERSEDED = "superseded", _("another model judges by now")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="rejudgings")
    case = models.ForeignKey(Case, models.PROTECT, null=True, blank=True)  # empty: of the desk
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    since = models.DateTimeField(null=True, blank=True)  # received then or later
    total = models.PositiveIntegerField(default=0)  # to be handed over, when it was ordered
    done = models.PositiveIntegerField(default=0)  # handed over
    # how far the list, newest first, was read
    read_until = models.DateTimeField(null=True, blank=True)
    read_until_id = models.UUIDField(null=True, blank=True)
    ended = models.CharField(max_length=16, choices=Ended.choices, blank=True)
    failure_code = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = RejudgingQuerySet.as_manager()

    class Meta:
        verbose_name = _("judging again")
        constraints = [
            # at most one order for the whole desk, and one for each case, at a time
            models.UniqueConstraint(
                fields=["version"],
                condition=models.Q(case=None, status__in=["queued", "running"]),
                name="one_open_rejudging_of_the_desk",
            ),
            models.UniqueConstraint(
                fields=["case"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_open_rejudging_of_a_case",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    def end(self, how: str = "", **fields: Any) -> bool:
        """Nothing more will be handed over; False where the lease was lost."""
        return self._end(status=self.Status.DONE, ended=how, **fields)

    def fail(self, code: str) -> bool:
        return self._end(status=self.Status.FAILED, failure_code=code)

    def cancel(self) -> bool:
        """Stop it whoever holds it; what was handed over is judged. False where it has ended."""
        rows = Rejudging.objects.open().filter(pk=self.pk)
        ended = {"status": self.Status.DONE, "ended": self.Ended.CANCELLED, "completed_at": Now()}
        return bool(rows.update(**ended, lease_until=None, lease_owner=""))

    def judged(self) -> "models.QuerySet[Detection]":
        """What came of it so far, of the images that are still there."""
        rows = Detection.objects.filter(
            model_version=self.version_id, queued_at__gte=self.created_at, image__erased_at=None
        )
        rows = rows.exclude(judged_before=None)
        return rows.filter(image__cases=self.case_id) if self.case_id else rows
