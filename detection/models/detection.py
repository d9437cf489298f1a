"""One image judged by one model version, and the state machine that gets it there.

queued → running (leased, attempt counted) → done | failed. The database owns the work: a claim is a
conditional UPDATE with a lease by the database's clock, and a result is written only by the attempt
that still holds the lease, so a message lost or delivered thrice changes nothing.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from detection.models import outbox
from detection.models.image import Image, visibility
from detection.models.registry import ModelVersion


class DetectionQuerySet(models.QuerySet["Detection"]):
    def visible_to(self, user: User) -> "DetectionQuerySet":
        """Rows of the images this person may see.

        A reviewer sees nearly every row, so the newest are walked and the few hidden dropped;
        others see few, which are looked up first. At 100,000 rows the wrong way costs 480 ms.
        """
        if user.is_reviewer:
            return self.filter(visibility(user, "image__"))
        return self.filter(image__in=Image.objects.visible_to(user))

    def newest_first(self) -> "DetectionQuerySet":
        return self.order_by("-created_at", "-id")

    def before(self, created_at: datetime, pk: uuid.UUID) -> "DetectionQuerySet":
        """Rows that come after this one in `newest_first` order."""
        return self.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk))

    def claimable(self) -> "DetectionQuerySet":
        """Queued rows and running ones whose lease has expired, with attempts left."""
        Status = Detection.Status  # noqa: N806 (an enum's own name)
        expired = Q(status=Status.RUNNING, lease_until__lt=Now())
        return self.filter(Q(status=Status.QUEUED) | expired, attempt__lt=F("attempt_limit"))

    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "Detection | None":
        """Lease one detection to this worker; None when taken, finished or out of attempts."""
        won = (
            self.claimable()
            .filter(pk=pk)
            .update(
                status=Detection.Status.RUNNING,
                lease_owner=worker,
                lease_until=Now() + settings.LEASE,
                attempt=F("attempt") + 1,
                started_at=Now(),
            )
        )
        return self.select_related("image__owner", "model_version").get(pk=pk) if won else None


class Detection(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    class Verdict(models.TextChoices):
        LIKELY_AUTHENTIC = "likely_authentic", _("Likely authentic")
        LIKELY_MANIPULATED = "likely_manipulated", _("Likely manipulated")
        INCONCLUSIVE = "inconclusive", _("Cannot tell")

    class Queue(models.TextChoices):
        DETECT = "detect", _("interactive")
        BULK = "bulk", _("bulk")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.ForeignKey(Image, models.PROTECT, related_name="detections")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="detections")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    queue = models.CharField(max_length=8, choices=Queue.choices, default=Queue.DETECT)
    attempt = models.PositiveSmallIntegerField(default=0)
    attempt_limit = models.PositiveSmallIntegerField(default=settings.MAX_ATTEMPTS)
    lease_owner = models.CharField(max_length=128, blank=True)  # host:pid:start of the process
    lease_until = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)  # the last doorbell
    created_at = models.DateTimeField(_("received"), default=timezone.now, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, editable=False)  # anew at each retry
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(_("judged"), null=True, blank=True)

    verdict = models.CharField(_("verdict"), max_length=24, choices=Verdict.choices, blank=True)
    probability = models.FloatField(_("calibrated P(fake)"), null=True, blank=True)
    score = models.FloatField(null=True, blank=True)
    logit = models.FloatField(null=True, blank=True)
    reasons = models.JSONField(default=list, blank=True)
    transforms = models.JSONField(default=dict, blank=True)  # name → P(fake) of the re-saved copy
    # [{"box": [left, top, width, height], "probability": p, "square": …, "activation": rows}]
    faces = models.JSONField(default=list, blank=True)  # in shares of the picture, and in logits
    activation = models.BinaryField(null=True, blank=True, editable=False)  # float16, row by row
    activation_shape = models.JSONField(default=list, blank=True)  # [rows, columns]
    timings_ms = models.JSONField(default=dict, blank=True)
    failure_code = models.CharField(max_length=32, blank=True)

    objects = DetectionQuerySet.as_manager()
    deliveries_written: Sequence[uuid.UUID] = ()  # with its end, by this object; to be rung for

    class Meta:
        verbose_name = _("detection")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "model_version"], name="judged_once_per_model_version"
            ),
            models.CheckConstraint(
                condition=Q(status="done", completed_at__isnull=False) & ~Q(verdict="")
                | ~Q(status="done") & Q(verdict=""),
                name="done_means_a_verdict",
            ),
            models.CheckConstraint(
                condition=~Q(status="done")
                | Q(probability__isnull=False, probability__gte=0, probability__lte=1)
                | Q(probability__isnull=True, verdict="inconclusive"),
                name="no_probability_means_inconclusive",
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(failure_code=""), name="failed_means_a_code"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="detection_newest_first"),
            models.Index(
                fields=["status", "created_at"],
                condition=Q(status__in=["queued", "running"]),
                name="detection_open_work",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def is_finished(self) -> bool:
        return self.status in {self.Status.DONE, self.Status.FAILED}

    @property
    def has_heatmap(self) -> bool:
        """Whether there is a verdict, and a map of what spoke for it."""
        return self.status == self.Status.DONE and bool(self.activation)

    def activation_map(self) -> np.ndarray | None:
        """Evidence for "manipulated" per cell, float32 (rows, columns); None without any."""
        if not self.activation:
            return None
        cells = np.frombuffer(bytes(self.activation), dtype="<f2").astype(np.float32)
        return cells.reshape(self.activation_shape)

    def complete(self, **result: Any) -> bool:
        """Record the verdict; False, and nothing written, when the lease was lost meanwhile."""
        return self._finish("detection.completed", status=self.Status.DONE, **result)

    def fail(self, code: str) -> bool:
        """Record why no verdict can be given; a failure is a status, never a score."""
        return self._finish("detection.failed", status=self.Status.FAILED, failure_code=code)

    def release(self) -> bool:
        """Give the row back for another attempt; the attempt just made stays counted."""
        held = self._held().filter(attempt__lt=F("attempt_limit"))
        return bool(held.update(status=self.Status.QUEUED, lease_until=None, lease_owner=""))

    def _held(self) -> DetectionQuerySet:
        """This row, if the attempt that this object belongs to still holds it (the fence)."""
        return Detection.objects.filter(
            pk=self.pk, status=self.Status.RUNNING, attempt=self.attempt
        )

    def _finish(self, action: str, **fields: Any) -> bool:
        with transaction.atomic():
            won = self._held().update(
                completed_at=Now(), lease_until=None, lease_owner="", **fields
            )
            if won:
                self.refresh_from_db()
                self.deliveries_written = outbox.tell(self)
                audit.record(
                    action,
                    actor=None,
                    target=self,
                    owner=self.image.owner,
                    target_sha256=self.image.sha256,
                    before={"status": self.Status.RUNNING},
                    after=self.outcome(),
                )
        return bool(won)

    def outcome(self) -> dict[str, Any]:
        """What the audit trail keeps of how this ended."""
        return {
            "status": self.status,
            "attempt": self.attempt,
            "verdict": self.verdict,
            "probability": self.probability,
            "reasons": self.reasons,
            "failure_code": self.failure_code,
            "artifact_sha256": self.model_version.artifact_sha256,
        }
