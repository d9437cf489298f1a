"""What people say about verdicts."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.detection import Detection
from detection.models.newest_first import NewestFirst


class FeedbackQuerySet(NewestFirst["Feedback"]):
    def standing(self) -> Self:
        """Those that were neither withdrawn nor replaced by a later one of the same person."""
        return self.filter(withdrawn_at=None)


class Feedback(models.Model):
    """Somebody's claim about a verdict. Never a label: for that, a reviewer decides."""

    class Label(models.TextChoices):
        REAL = "real", _("real")
        FAKE = "fake", _("fake")
        UNKNOWN = "unknown", _("unknown")

    class Category(models.TextChoices):
        FALSE_POSITIVE = "false_positive", _("A real photograph was accused")
        FALSE_NEGATIVE = "false_negative", _("A manipulation was missed")
        CONFIRMATION = "confirmation", _("The verdict is right")
        OTHER = "other", _("Something else")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="feedback")
    by = models.ForeignKey(User, models.PROTECT, related_name="feedback")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    label = models.CharField(max_length=8, choices=Label.choices)
    category = models.CharField(max_length=16, choices=Category.choices)
    comment = models.TextField(blank=True)  # at most 2,000 characters
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)  # or replaced by a later one

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["detection", "by"],
                condition=Q(withdrawn_at=None),
                name="one_standing_claim_per_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.label}"
