"""Images that came in one request."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User


class Batch(models.Model):
    """One request with many images; its progress is that of its submissions' detections."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    by = models.ForeignKey(User, models.PROTECT, related_name="batches")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    size = models.PositiveSmallIntegerField()  # files in the request, the refused ones too
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.pk)
