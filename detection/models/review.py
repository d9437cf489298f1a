"""What people say about verdicts."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.detection import Detection


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

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.category} {self.label}"
