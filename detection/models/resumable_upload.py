"""An upload that survives a broken line: its bytes lie in `incoming/` until all have come."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.submission import Submission


class ResumableUploadQuerySet(models.QuerySet["ResumableUpload"]):
    def open(self) -> "ResumableUploadQuerySet":
        return self.filter(submission=None, expires_at__gt=timezone.now())


class ResumableUpload(models.Model):
    """How much is to come, and what to do with it then; how much came, the file itself says."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="resumable_uploads")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField()
    file_name = models.CharField(max_length=400, blank=True)
    fields = models.JSONField(default=dict, blank=True)  # validated: those of a submission
    submission = models.OneToOneField(Submission, models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(db_index=True)

    objects = ResumableUploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("resumable upload")

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def has_ended(self) -> bool:
        """Whether its time is over; it is at once for a file that was refused."""
        return self.expires_at <= timezone.now()
