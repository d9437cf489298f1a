"""What a person is told on the pages: the outcome of what they asked for or disputed."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.detection import Detection
from detection.models.newest_first import NewestFirst


class Notice(models.Model):
    """One thing that happened to a detection, for one person; seen or not yet."""

    class Kind(models.TextChoices):
        REVIEW_COMPLETED = "review_completed", _("A reviewer decided")
        REVIEW_WITHDRAWN = "review_withdrawn", _("A decision was taken back")
        JUDGED_AGAIN = "judged_again", _("A newer model judged otherwise")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=24, choices=Kind.choices)
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="notices")
    about = models.JSONField(default=dict, blank=True)  # codes and ids; never text of a person
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("notice")
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notice_newest_first"),
            models.Index(fields=["user"], condition=Q(seen_at=None), name="notice_unseen"),
            models.Index(fields=["created_at"], condition=Q(mailed_at=None), name="notice_unsent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.detection_id}"
