"""A client's promise that two requests are one."""

from django.db import models
from django.utils import timezone

from accounts.models import User
from detection.models.batch import Batch
from detection.models.detection import Detection


class IdempotencyKey(models.Model):
    """The first answer to a keyed request, stored in the transaction of what it did."""

    owner = models.ForeignKey(User, models.CASCADE)
    endpoint = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict, blank=True)
    response = models.JSONField()
    detection = models.ForeignKey(Detection, models.CASCADE, null=True, blank=True)
    batch = models.ForeignKey(Batch, models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "endpoint", "key"], name="idempotency_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.key}"
