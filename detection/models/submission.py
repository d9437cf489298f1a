"""One accepted request to judge an image; several may share a detection."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.batch import Batch
from detection.models.case import Case
from detection.models.detection import Detection
from detection.models.image import Image


class Submission(models.Model):
    """Who asked, with which key, under what file name, and what is to be told to whom."""

    class Via(models.TextChoices):
        PAGE = "page", _("page")
        API = "api", _("API")

    class Priority(models.TextChoices):
        INTERACTIVE = "interactive", _("interactive")
        BULK = "bulk", _("bulk")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.ForeignKey(Image, models.PROTECT, related_name="submissions")
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="submissions")
    by = models.ForeignKey(User, models.PROTECT, related_name="submissions")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    batch = models.ForeignKey(
        Batch, models.PROTECT, related_name="submissions", null=True, blank=True
    )
    # Its file's in the request, from 0; null of batches before it was written down.
    batch_position = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, null=True, blank=True)
    file_name = models.CharField(
        _("file name"), max_length=400, blank=True
    )  # the client's: text only
    source_url = models.URLField(_("source address"), max_length=2000, blank=True)
    words = models.TextField(blank=True, editable=False)  # of both; found by these
    metadata = models.JSONField(default=dict, blank=True)  # echoed back, never read
    callback_url = models.URLField(max_length=2000, blank=True)
    via = models.CharField(max_length=8, choices=Via.choices)
    priority = models.CharField(
        max_length=16, choices=Priority.choices, default=Priority.INTERACTIVE
    )
    # a person is to look at it in any case
    wants_review = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(_("received"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("submission")
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["by", "-created_at"], name="submission_by_person"),
            models.Index(fields=["detection", "by", "-created_at"], name="submission_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name or self.pk}"
