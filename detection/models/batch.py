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
    # {"1": "unsupported_format"}: why the file at that place became nothing; its name is not kept.
    # Null where none was refused, and of batches before this was written down.
    refused = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.pk)
