"""A part of an image that somebody chose, judged by itself, and how it gets there.

queued → running (leased, attempt counted) → done | failed, by the same rules as a detection, whose
own verdict no part ever changes. Erasing the image removes the rows.
"""

import uuid
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from detection.models.detection import Detection
from detection.models.image import visibility
from detection.models.leased import Leased, LeasedQuerySet

Shares = tuple[float, float, float, float]
BOX_FIELDS = ("left_px", "top_px", "width_px", "height_px")


class RegionQuerySet(LeasedQuerySet["Region"]):
    def visible_to(self, user: User) -> "RegionQuerySet":
        """Parts of the images that this person may see."""
        return self.filter(visibility(user, "detection__image__"))

    def with_detection(self) -> "RegionQuerySet":
        """With all that a part is judged, shown or recorded by."""
        return self.select_related("detection__image__owner", "detection__model_version")

    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "Region | None":
        """Lease one part to this worker; None when taken, finished, gone or out of attempts."""
        won = self.lease(pk, worker=worker)
        return self.with_detection().filter(pk=pk).first() if won else None


class Region(Leased):
    Verdict = Detection.Verdict

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="regions")
    by = models.ForeignKey(User, models.PROTECT, related_name="regions")
    # of the oriented picture at its full size
    left_px = models.PositiveIntegerField()
    top_px = models.PositiveIntegerField()
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    verdict = models.CharField(max_length=24, choices=Verdict.choices, blank=True)
    probability = models.FloatField(null=True, blank=True)
    reasons = models.JSONField(default=list, blank=True)
    transforms = models.JSONField(default=dict, blank=True)  # name → P(fake) of the re-saved copy
    activation = models.BinaryField(null=True, blank=True, editable=False)  # float16, row by row
    activation_shape = models.JSONField(default=list, blank=True)  # [rows, columns]
    failure_code = models.CharField(max_length=32, blank=True)

    objects = RegionQuerySet.as_manager()

    class Meta:
        verbose_name = _("part of an image")
        constraints = [
            models.UniqueConstraint(
                fields=["detection", *BOX_FIELDS], name="region_judged_once_per_detection"
            ),
            models.CheckConstraint(
                condition=Q(width_px__gt=0, height_px__gt=0), name="region_has_an_area"
            ),
            models.CheckConstraint(
                condition=Q(status="done", completed_at__isnull=False) & ~Q(verdict="")
                | ~Q(status="done") & Q(verdict=""),
                name="region_done_means_a_verdict",
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(failure_code=""),
                name="region_failed_means_a_code",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "created_at"],
                condition=Q(status__in=["queued", "running"]),
                name="region_open_work",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """Left, top, width, height in pixels of the oriented picture."""
        return self.left_px, self.top_px, self.width_px, self.height_px

    @property
    def box(self) -> Shares:
        """The same in shares of the picture."""
        width, height = self.detection.image.oriented_size
        left, top, across, down = self.box_px
        return left / width, top / height, across / width, down / height

    def complete(self, **result: Any) -> bool:
        """Record the verdict; False when the lease was lost or the row is gone."""
        return self._finish("region.completed", status=self.Status.DONE, **result)

    def fail(self, code: str) -> bool:
        """Record why no verdict can be given."""
        return self._finish("region.failed", status=self.Status.FAILED, failure_code=code)

    def queue_again(self) -> bool:
        """Give a failed row another set of attempts; False where it is not failed."""
        return self._queue_again(self.Status.FAILED, rung_at=Now())

    def _finish(self, action: str, **fields: Any) -> bool:
        with transaction.atomic():
            won = self._end(**fields)
            if won:
                self.refresh_from_db(fields=["completed_at", *fields])
                self.record(action, by=None, after=self._outcome())
        return won

    def record(self, action: str, *, by: User | None, after: dict[str, Any]) -> None:
        """An event of this part's life, in the transaction of what happened."""
        image = self.detection.image
        audit.record(
            action,
            actor=by,
            target=self,
            owner=image.owner,
            target_sha256=image.sha256,
            after={"detection": str(self.detection_id), "box_px": list(self.box_px), **after},
        )

    def _outcome(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "attempt": self.attempt,
            "verdict": self.verdict,
            "probability": self.probability,
            "reasons": self.reasons,
            "failure_code": self.failure_code,
            "artifact_sha256": self.detection.model_version.artifact_sha256,
        }
