"""Where a person's systems are told what happened, and what was told to them.

A delivery is written in the transaction of the event that it tells of, so none is lost; sending it
is claimed by a conditional UPDATE with a lease, like a detection. The same event may arrive twice,
always under the same `webhook-id`.
"""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class WebhookEndpoint(models.Model):
    """One address with a secret; or, without an address, what signs a person's callbacks."""

    class Event(models.TextChoices):
        DETECTION_COMPLETED = "detection.completed", _("A verdict was given")
        DETECTION_FAILED = "detection.failed", _("An image could not be judged")

    class Disabled(models.TextChoices):
        OWNER = "owner", _("switched off by its owner")
        GONE = "gone", _("the receiver answered that it is gone (410)")
        FAILING = "failing", _("no delivery succeeded for days")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField(_("address"), max_length=2000, blank=True)
    description = models.CharField(_("what it is for"), max_length=200, blank=True)
    events = models.JSONField(default=list)
    is_for_callbacks = models.BooleanField(default=False)  # signs each submission's callback_url
    secret = models.TextField()  # sealed; see detection.webhook_secrets
    previous_secret = models.TextField(blank=True)  # signs too, until
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True)  # the first failure in a row
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=8, choices=Disabled.choices, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)  # its deliveries stay readable

    class Meta:
        verbose_name = _("webhook endpoint")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner"],
                condition=Q(is_for_callbacks=True),
                name="one_callback_secret_per_person",
            ),
            models.CheckConstraint(
                condition=Q(is_for_callbacks=True, url="") | Q(is_for_callbacks=False) & ~Q(url=""),
                name="endpoint_has_an_address",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)  # an address may hold a token


class WebhookDelivery(models.Model):
    """One event for one receiver. `payload` is sent, and signed, as it stands here."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.PROTECT, related_name="deliveries")
    url = models.CharField(max_length=2000)
    event = models.CharField(max_length=32, choices=WebhookEndpoint.Event.choices)
    detection = models.ForeignKey(
        "detection.Detection", models.PROTECT, related_name="deliveries", null=True, blank=True
    )
    submission = models.ForeignKey(
        "detection.Submission", models.PROTECT, related_name="deliveries", null=True, blank=True
    )  # whose callback it is
    payload = models.TextField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    attempt = models.PositiveSmallIntegerField(default=0)
    attempts = models.JSONField(default=list, blank=True)  # [{"at", "status_code", "error", "ms"}]
    due_at = models.DateTimeField(default=timezone.now)  # not before
    lease_owner = models.CharField(max_length=128, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "detection", "event"],
                condition=Q(submission=None),
                name="one_delivery_per_endpoint_and_event",
            ),
            models.UniqueConstraint(
                fields=["submission", "event"],
                condition=Q(submission__isnull=False),
                name="one_callback_per_submission_and_event",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(status="pending"), name="delivery_open_work"
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_log"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"
