"""One layer of evidence about an image, drawn when somebody asks for it.

queued → running (leased, attempt counted) → done | failed, by the same rules as a detection. The
row holds figures; the picture is a file beside the previews, written before the row says `done`.
"""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from detection.models.image import Image


class EvidenceLayerQuerySet(models.QuerySet["EvidenceLayer"]):
    def claimable(self) -> "EvidenceLayerQuerySet":
        """Queued rows and running ones whose lease has expired, with attempts left."""
        Status = EvidenceLayer.Status  # noqa: N806 (an enum's own name)
        expired = Q(status=Status.RUNNING, lease_until__lt=Now())
        return self.filter(Q(status=Status.QUEUED) | expired, attempt__lt=F("attempt_limit"))

    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "EvidenceLayer | None":
        """Lease one layer to this worker; None when taken, finished, gone or out of attempts."""
        won = (
            self.claimable()
            .filter(pk=pk)
            .update(
                status=EvidenceLayer.Status.RUNNING,
                lease_owner=worker,
                lease_until=Now() + settings.LEASE,
                attempt=F("attempt") + 1,
            )
        )
        return self.select_related("image").filter(pk=pk).first() if won else None

    def exhausted(self) -> "EvidenceLayerQuerySet":
        """Rows whose last attempt's lease ran out."""
        return self.filter(
            status=EvidenceLayer.Status.RUNNING,
            lease_until__lt=Now(),
            attempt__gte=F("attempt_limit"),
        )


class EvidenceLayer(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    class Kind(models.TextChoices):
        ELA = "ela", _("Error levels")
        NOISE = "noise", _("Noise")
        SPECTRUM = "spectrum", _("Frequencies")
        GRID = "grid", _("JPEG blocks")
        CLONES = "clones", _("Repeated parts")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.ForeignKey(Image, models.PROTECT, related_name="evidence_layers")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    version = models.PositiveSmallIntegerField()  # of the method
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    attempt_limit = models.PositiveSmallIntegerField(default=settings.MAX_ATTEMPTS)
    lease_owner = models.CharField(max_length=128, blank=True)  # host:pid:start of the process
    lease_until = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)  # the last doorbell
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    failure_code = models.CharField(max_length=32, blank=True)

    objects = EvidenceLayerQuerySet.as_manager()

    class Meta:
        verbose_name = _("layer of evidence")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "kind", "version"], name="layer_once_per_method"
            ),
            models.CheckConstraint(
                condition=Q(status="failed") & ~Q(failure_code="")
                | ~Q(status="failed") & Q(failure_code=""),
                name="layer_failed_means_a_code",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "created_at"],
                condition=Q(status__in=["queued", "running"]),
                name="layer_open_work",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind} {self.status}"

    @property
    def is_waiting(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}

    def complete(self, figures: dict[str, Any]) -> bool:
        """Record that the picture is there; False when the lease was lost or the row is gone."""
        return self._finish(status=self.Status.DONE, figures=figures)

    def fail(self, code: str) -> bool:
        return self._finish(status=self.Status.FAILED, failure_code=code)

    def release(self) -> bool:
        """Give the row back for another attempt; the attempt just made stays counted."""
        held = self._held().filter(attempt__lt=F("attempt_limit"))
        return bool(held.update(status=self.Status.QUEUED, lease_until=None, lease_owner=""))

    def ask_again(self) -> bool:
        """Queue an ended row once more; False when somebody else did so in this moment."""
        ended = EvidenceLayer.objects.filter(
            pk=self.pk, status__in=[self.Status.DONE, self.Status.FAILED], attempt=self.attempt
        )
        won = ended.update(
            status=self.Status.QUEUED,
            failure_code="",
            figures={},
            completed_at=None,
            rung_at=None,
            attempt_limit=F("attempt") + settings.MAX_ATTEMPTS,
        )
        self.refresh_from_db()
        return bool(won)

    def _held(self) -> EvidenceLayerQuerySet:
        """This row, if the attempt that this object belongs to still holds it (the fence)."""
        return EvidenceLayer.objects.filter(
            pk=self.pk, status=self.Status.RUNNING, attempt=self.attempt
        )

    def _finish(self, **fields: Any) -> bool:
        return bool(
            self._held().update(completed_at=Now(), lease_until=None, lease_owner="", **fields)
        )
