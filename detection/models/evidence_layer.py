"""One layer of evidence about an image, drawn when somebody asks for it.

queued → running (leased, attempt counted) → done | failed, by the same rules as a detection. The
row holds figures; the picture is a file beside the previews, written before the row says `done`.
"""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from detection.models.image import Image
from detection.models.leased import Leased, LeasedQuerySet


class EvidenceLayerQuerySet(LeasedQuerySet["EvidenceLayer"]):
    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "EvidenceLayer | None":
        """Lease one layer to this worker; None when taken, finished, gone or out of attempts."""
        won = self.lease(pk, worker=worker)
        return self.select_related("image").filter(pk=pk).first() if won else None


class EvidenceLayer(Leased):
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
            models.Index(fields=["status"], condition=Q(status="failed"), name="layer_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind} {self.status}"

    @property
    def is_waiting(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}

    def complete(self, figures: dict[str, Any]) -> bool:
        """Record that the picture is there; False when the lease was lost or the row is gone."""
        return self._end(status=self.Status.DONE, figures=figures)

    def fail(self, code: str) -> bool:
        return self._end(status=self.Status.FAILED, failure_code=code)

    def ask_again(self) -> bool:
        """Queue an ended row once more; False when somebody else did so in this moment."""
        won = self._queue_again(self.Status.DONE, self.Status.FAILED, figures={}, rung_at=None)
        self.refresh_from_db()
        return won
