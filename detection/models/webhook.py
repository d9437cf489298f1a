"""Where a person's systems are told what happened, and what was told to them.

A delivery is written in the transaction of the event that it tells of, so none is lost; sending it
is claimed by a conditional UPDATE with a lease, like a detection. The same event may arrive twice,
always under the same `webhook-id`.
"""

import secrets
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection import signing
from detection.models.newest_first import NewestFirst

# Longer than the client's own deadline, so that a living sender never loses its lease.
LEASE = timedelta(seconds=30)
KEPT_ATTEMPTS = 12
AT_ONCE = 3  # deliveries of one endpoint that may be under way
# Of a pending delivery: its time has come, by the database's clock, and nobody has it in hands;
IS_WAITING = (Q(lease_until=None) | Q(lease_until__lt=Now())) & Q(due_at__lte=Now())
# and its endpoint takes deliveries.
IS_DUE = IS_WAITING & Q(
    endpoint__disabled_at=None, endpoint__deleted_at=None, endpoint__owner__is_active=True
)


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def receivers_of(self, user: User) -> "WebhookEndpointQuerySet":
        """What a person set up and did not delete; not what signs their callbacks."""
        return self.filter(owner=user, is_for_callbacks=False, deleted_at=None)

    def active(self) -> "WebhookEndpointQuerySet":
        """Neither switched off nor deleted, of a person who may still sign in."""
        return self.filter(disabled_at=None, deleted_at=None, owner__is_active=True)

    def locked(self, pk: uuid.UUID) -> "WebhookEndpoint":
        """The row as it is now, held until the transaction ends.

        Whoever changes deliveries of an endpoint holds it first, so that nobody waits crosswise.
        """
        return self.select_for_update(of=("self",), no_key=True).select_related("owner").get(pk=pk)

    def lock(self) -> None:
        """Hold these rows like `locked`: where they are many, all take them in one order."""
        list(self.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


class WebhookEndpoint(models.Model):
    """One address with a secret; or, without an address, what signs a person's callbacks."""

    class Event(models.TextChoices):
        DETECTION_COMPLETED = "detection.completed", _("A verdict was given")
        DETECTION_FAILED = "detection.failed", _("An image could not be judged")
        REVIEW_COMPLETED = "review.completed", _("A reviewer decided")
        REVIEW_WITHDRAWN = "review.withdrawn", _("A reviewer’s decision was taken back")

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
    secret = models.TextField()  # sealed; see detection.signing
    previous_secret = models.TextField(blank=True)  # signs too, until
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True)  # the first failure in a row
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=8, choices=Disabled.choices, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)  # its deliveries stay on record

    objects = WebhookEndpointQuerySet.as_manager()

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

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None and self.deleted_at is None and self.owner.is_active

    @property
    def at_once(self) -> int:
        """How many deliveries may be under way: a receiver that fails holds one sender, not all."""
        return 1 if self.failing_since else AT_ONCE

    def signing_secrets(self) -> list[str]:
        """The secrets that sign now, the newest first; two during a rotation."""
        sealed = [self.secret]
        if self.previous_secret_until and self.previous_secret_until > timezone.now():
            sealed.append(self.previous_secret)
        return [signing.unsealed(one) for one in sealed]


class WebhookDeliveryQuerySet(NewestFirst["WebhookDelivery"]):
    def of(self, user: User) -> "WebhookDeliveryQuerySet":
        """What was told to a person's endpoints and callbacks; not of those deleted."""
        return self.filter(endpoint__owner=user, endpoint__deleted_at=None)

    def pending(self) -> "WebhookDeliveryQuerySet":
        """To be sent, now or later."""
        return self.filter(status=WebhookDelivery.Status.PENDING)

    def waiting(self) -> "WebhookDeliveryQuerySet":
        """Due, and in nobody's hands, by the database's clock."""
        return self.pending().filter(IS_WAITING)

    def due(self) -> "WebhookDeliveryQuerySet":
        """Waiting, and its endpoint takes deliveries."""
        return self.pending().filter(IS_DUE)

    def claim(self, pk: uuid.UUID | str, *, sender: str) -> "WebhookDelivery | None":
        """Lease one delivery to this sender; None when its endpoint has enough, or waits for none.

        Where this one is taken, the next of the same endpoint is: no doorbell is wasted on a heap.
        """
        with transaction.atomic():
            row = self.filter(pk=pk).first()
            if row is None:
                return None
            endpoint = WebhookEndpoint.objects.locked(row.endpoint_id)
            theirs = self.filter(endpoint=endpoint)
            leased = theirs.filter(status=WebhookDelivery.Status.PENDING, lease_until__gte=Now())
            if not endpoint.is_active or leased.count() >= endpoint.at_once:
                return None
            waiting = theirs.waiting()
            following = waiting.order_by("due_at").values_list("pk", flat=True)
            chosen = following.filter(pk=pk).first() or following.first()
            if chosen is None:
                return None
            won = waiting.filter(pk=chosen).update(
                lease_owner=f"{sender}:{secrets.token_hex(8)}",
                lease_until=Now() + LEASE,
                attempt=F("attempt") + 1,
            )
            return self.select_related("endpoint__owner").get(pk=chosen) if won else None

    def cancel(self) -> int:
        """End those that wait; what a sender has in its hands ends with them."""
        return self.filter(status=WebhookDelivery.Status.PENDING).update(
            status=WebhookDelivery.Status.CANCELLED,
            ended_at=Now(),
            lease_owner="",
            lease_until=None,
        )

    def resendable(self) -> "WebhookDeliveryQuerySet":
        """What failed or was cancelled; not what was erased."""
        Status = WebhookDelivery.Status  # noqa: N806 (an enum's own name)
        return self.filter(status__in=[Status.FAILED, Status.CANCELLED]).exclude(payload="")

    def revive(self) -> int:
        """Have what is resendable sent again, on a fresh schedule."""
        return self.resendable().update(
            status=WebhookDelivery.Status.PENDING,
            attempt=0,
            due_at=Now(),
            ended_at=None,
            rung_at=Now(),
        )


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
    # which of several such events of its detection; empty where there is but one
    occasion = models.CharField(max_length=80, blank=True, default="", db_default="")
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

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "detection", "event", "occasion"],
                condition=Q(submission=None),
                name="one_delivery_per_endpoint_and_event",
            ),
            models.UniqueConstraint(
                fields=["submission", "event", "occasion"],
                condition=Q(submission__isnull=False),
                name="one_callback_per_submission_and_event",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(status="pending"), name="delivery_open_work"
            ),
            models.Index(
                fields=["endpoint", "due_at"],
                condition=Q(status="pending"),
                name="delivery_open_by_endpoint",
            ),
            models.Index(
                fields=["ended_at"], condition=Q(ended_at__isnull=False), name="delivery_ended"
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_log"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"

    @property
    def message_id(self) -> str:
        """What receivers know it by; the same at every attempt."""
        return f"msg_{self.pk.hex}"

    @property
    def is_resendable(self) -> bool:
        return bool(self.payload) and self.status in {self.Status.FAILED, self.Status.CANCELLED}

    def succeed(self, attempt: Mapping[str, Any]) -> bool:
        """Note that it arrived; False, and nothing written, when the lease was lost meanwhile."""
        return self._end_attempt(attempt, status=self.Status.DELIVERED, ended_at=Now())

    def give_up(self, attempt: Mapping[str, Any]) -> bool:
        """Note that it will not be tried again by itself."""
        return self._end_attempt(attempt, status=self.Status.FAILED, ended_at=Now())

    def postpone(self, attempt: Mapping[str, Any], *, by: timedelta, is_rung: bool) -> bool:
        """Have it tried again later.

        Args:
            is_rung: a doorbell will ring then, so the sweeper need not at once.
        """
        at = Now() + by
        return self._end_attempt(attempt, due_at=at, rung_at=at if is_rung else None)

    def _end_attempt(self, attempt: Mapping[str, Any], **fields: Any) -> bool:
        """Write where this object's lease still holds (the fence)."""
        held = WebhookDelivery.objects.filter(
            pk=self.pk, status=self.Status.PENDING, lease_owner=self.lease_owner
        )
        attempts = [*self.attempts, dict(attempt)][-KEPT_ATTEMPTS:]
        return bool(held.update(attempts=attempts, lease_owner="", lease_until=None, **fields))
