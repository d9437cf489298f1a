"""What is known of a candidate beside the active model, and every change of the active one."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.dataset import Snapshot
from detection.models.detection import Detection
from detection.models.leased import Leased, LeasedQuerySet
from detection.models.newest_first import NewestFirst
from detection.models.registry import ModelVersion


class ComparisonQuerySet(LeasedQuerySet["Comparison"]):
    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "Comparison | None":
        """Lease one comparison to this worker; None when taken, finished or out of attempts."""
        won = self.lease(pk, worker=worker)
        rows = self.select_related("candidate", "against", "snapshot")
        return rows.filter(pk=pk).first() if won else None


class Comparison(Leased):
    """A candidate and the model it would follow, judged on the same frozen images.

    queued → running → queued again after each slice … → done | failed. Each image's answers are
    kept as they come, so that what was judged before a kill is not judged again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, related_name="comparisons")
    against = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="+")
    by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    # as `ml.comparison.compare` gives them, with "golden", "live", "moved" and "unreadable"
    figures = models.JSONField(default=dict, blank=True)
    # detections whose verdict would change: [{"detection": id, "before": …, "after": …}]
    changed = models.JSONField(default=list, blank=True)
    # of `ml.release.obstacles`: why the gate is shut; empty: open
    obstacles = models.JSONField(default=list, blank=True)
    failure_code = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        verbose_name = _("comparison")

    def __str__(self) -> str:
        return f"{self.candidate_id} {self.status}"

    @property
    def is_open_gate(self) -> bool:
        """Whether it found nothing against the candidate."""
        return self.status == self.Status.DONE and not self.obstacles

    def complete(
        self,
        *,
        figures: Mapping[str, Any],
        changed: Sequence[Mapping[str, Any]],
        obstacles: Sequence[Mapping[str, Any]],
    ) -> bool:
        """Keep what was found; False where the lease was lost meanwhile."""
        found = {"figures": figures, "changed": changed, "obstacles": obstacles}
        return self._end(status=self.Status.DONE, **found)

    def fail(self, code: str) -> bool:
        return self._end(status=self.Status.FAILED, failure_code=code)


class ComparedImageQuerySet(models.QuerySet["ComparedImage"]):
    def waiting(self) -> "ComparedImageQuerySet":
        """Those that nobody has judged yet, in their order."""
        return self.filter(answers__isnull=True).order_by("place")


class ComparedImage(models.Model):
    """One image of a comparison and what both models said; gone when the figures are counted."""

    class Kind(models.TextChoices):
        TEST = "test"  # of the snapshot
        GOLDEN = "golden"  # of the review desk
        LIVE = "live"  # a detection of the model that would be followed

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="images")
    place = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    about = models.JSONField()  # which image: a row of the manifest, or an id
    answers = models.JSONField(null=True, default=None)

    objects = ComparedImageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "place"], name="compared_once")
        ]
        indexes = [
            models.Index(
                fields=["comparison", "place"],
                condition=Q(answers__isnull=True),
                name="compared_image_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.comparison_id} {self.place}"


class Activation(models.Model):
    """One change of the model that judges: what came, what went, who wanted it and why."""

    class Kind(models.TextChoices):
        FIRST = "first", _("first model")
        PROMOTED = "promoted", _("promoted")
        ROLLED_BACK = "rolled_back", _("rolled back")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="activations")
    previous = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+", null=True)
    comparison = models.ForeignKey(Comparison, models.PROTECT, null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("change of the active model")

    def __str__(self) -> str:
        return f"{self.kind} {self.version_id}"


class ShadowJudgementQuerySet(LeasedQuerySet["ShadowJudgement"]):
    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "ShadowJudgement | None":
        """Lease one to this worker; None when taken, finished, gone or out of attempts."""
        won = self.lease(pk, worker=worker)
        rows = self.select_related("detection__image__owner", "detection__model_version", "version")
        return rows.filter(pk=pk).first() if won else None


class ShadowJudgement(Leased):
    """What a candidate would have said of a detection that was judged by the active model.

    Nobody who submits sees it, and it is no verdict. Erasing the image removes the row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="shadows")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="shadows")
    verdict = models.CharField(max_length=24, choices=Detection.Verdict.choices, blank=True)
    probability = models.FloatField(null=True, blank=True)
    reasons = models.JSONField(default=list, blank=True)
    timings_ms = models.JSONField(default=dict, blank=True)
    failure_code = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = ShadowJudgementQuerySet.as_manager()

    class Meta:
        verbose_name = _("silent judgement")
        constraints = [
            models.UniqueConstraint(fields=["detection", "version"], name="shadowed_once"),
            models.CheckConstraint(
                condition=Q(status="done") & ~Q(verdict="") | ~Q(status="done") & Q(verdict=""),
                name="shadow_done_means_a_verdict",
            ),
        ]
        indexes = [models.Index(fields=["version", "-created_at"], name="shadow_of_version")]

    def __str__(self) -> str:
        return f"{self.detection_id} {self.verdict}"

    def complete(self, **result: Any) -> bool:
        """Keep what was found; False, and nothing written, when the lease or the row is gone."""
        return self._end(status=self.Status.DONE, **result)

    def fail(self, code: str) -> bool:
        return self._end(status=self.Status.FAILED, failure_code=code)
