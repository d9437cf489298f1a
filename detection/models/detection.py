"""One image judged by one model version, and the state machine that gets it there.

queued → running (leased, attempt counted) → done | failed: see `detection.models.leased`.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from detection.models import outbox
from detection.models.image import Image, visibility
from detection.models.registry import ModelVersion
from detection.models.turns import InTurns, InTurnsQuerySet, indexes_of_turns

Telling = Callable[["Detection"], None]


class DetectionQuerySet(InTurnsQuerySet["Detection"]):
    def visible_to(self, user: User) -> "DetectionQuerySet":
        """Rows of the images this person may see.

        Each row is looked at by itself, for a few of them are asked for: lists are made from
        `HistoryRow`. By `image__in`, SQLite lists all images of a person to look for one of them,
        which takes 1.1 s of CPU where there are 500,000.
        """
        return self.filter(visibility(user, "image__"))

    def shown_to(self, user: User, ids: Iterable[uuid.UUID]) -> "dict[uuid.UUID, Detection]":
        """Those of these rows that this person may see."""
        rows = self.in_bulk(ids)
        seen = Image.objects.seen_by(user, (row.image_id for row in rows.values()))
        return {pk: row for pk, row in rows.items() if row.image_id in seen}

    def standing(self) -> "DetectionQuerySet":
        """Without those judged again that gave no verdict, or none yet: the older one stands."""
        return self.filter(Q(judged_before=None) | Q(status=Detection.Status.DONE))

    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "Detection | None":
        """Lease one detection to this worker; None when taken, finished or out of attempts."""
        return self._claimed(pk) if self.lease(pk, worker=worker, started_at=Now()) else None

    def claim_next(self, rung_for: uuid.UUID | str, *, worker: str) -> "Detection | None":
        """As `claim`, of whatever comes next in the queue of the row that a doorbell names."""
        pk = self.lease_next(rung_for, worker=worker, started_at=Now())
        return None if pk is None else self._claimed(pk)

    def _claimed(self, pk: uuid.UUID | str) -> "Detection":
        return self.select_related("image__owner", "model_version").get(pk=pk)


class Detection(InTurns):
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
    # judged before by another version; empty for what was judged when it came
    judged_before = models.ForeignKey(
        "self", models.PROTECT, related_name="judged_again", null=True, blank=True
    )
    queue = models.CharField(max_length=8, choices=Queue.choices, default=Queue.DETECT)
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
    # ended, and nobody has looked yet whether a rule brings it to the review desk
    awaits_screening = models.BooleanField(default=False, db_default=False)

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
            models.Index(
                fields=["completed_at"],
                condition=Q(awaits_screening=True),
                name="detection_unscreened",
            ),
            models.Index(
                fields=["completed_at", "id"],
                condition=Q(status="done"),
                name="detection_done_oldest_first",
            ),
            *indexes_of_turns("detection"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

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

    def complete(self, *, told: Telling | None = None, **result: Any) -> bool:
        """Record the verdict; False, and nothing written, when the lease was lost meanwhile.

        Args:
            told: writes what else follows from this verdict, in its transaction, before the event.
        """
        done = {"status": self.Status.DONE, "awaits_screening": True}
        return self._finish("detection.completed", told, **done, **result)

    def fail(self, code: str) -> bool:
        """Record why no verdict can be given; a failure is a status, never a score."""
        return self._finish("detection.failed", status=self.Status.FAILED, failure_code=code)

    def _finish(self, action: str, told: Telling | None = None, **fields: Any) -> bool:
        with transaction.atomic():
            won = self._end(**fields)
            if won:
                self.refresh_from_db()
                if self.judged_before_id is None or self.submissions.exists():
                    self.deliveries_written = outbox.tell(self)
                if told is not None:
                    told(self)
                audit.record(
                    action,
                    actor=None,
                    target=self,
                    owner=self.image.owner,
                    target_sha256=self.image.sha256,
                    before={"status": self.Status.RUNNING},
                    after=self.outcome(),
                )
        return won

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
