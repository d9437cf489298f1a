"""A client's promise that two requests are one."""

from django.db import models
from django.utils import timezone

from accounts.models import User


class IdempotencyKey(models.Model):
    """The first answer to a keyed request; `status_code` is empty while it is in flight."""

    owner = models.ForeignKey(User, models.CASCADE)
    endpoint = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    response = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "endpoint", "key"], name="idempotency_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.key}"
