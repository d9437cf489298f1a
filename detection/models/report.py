"""Signed reports about detections, the keys that sign them, and links that show them to others."""

import hashlib
import hmac
import secrets
import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from accounts.sealing import secret_keys
from detection.models.detection import Detection
from detection.models.image import visibility

TOKEN_BYTES = 32


def token_digests(token: str) -> list[str]:
    """HMAC-SHA256 of a token, in hex, under each pepper, none of which is in the database."""
    peppers = (
        hashlib.sha256(b"unmask.report_link\0" + one.encode()).digest() for one in secret_keys()
    )
    return [hmac.new(one, token.encode(), hashlib.sha256).hexdigest() for one in peppers]


class ReportKey(models.Model):
    """The public half of a key that signs reports, or did. At most one is not retired."""

    id = models.CharField(primary_key=True, max_length=16, editable=False)
    public_key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("report key")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.id


class ReportQuerySet(models.QuerySet["Report"]):
    def visible_to(self, user: User) -> "ReportQuerySet":
        """Reports about the images this person may see."""
        return self.filter(visibility(user, "detection__image__"))


class Report(models.Model):
    """What was said about a detection to somebody outside; one issue, as PDF and as JSON.

    When the image is erased the files go, and the row stays with their hashes and without text.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="reports")
    by = models.ForeignKey(User, models.PROTECT, related_name="reports")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    key = models.ForeignKey(ReportKey, models.PROTECT, related_name="reports")
    language = models.CharField(max_length=8)
    recipient = models.CharField(_("for whom"), max_length=200, blank=True)
    is_named = models.BooleanField(default=False)  # whether it names who issued it
    has_pictures = models.BooleanField(default=True)
    pdf_sha256 = models.CharField(max_length=64)
    json_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("issued"), default=timezone.now, editable=False)
    reviewed_at = models.DateTimeField(null=True, blank=True)  # when what it tells was decided
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)  # its files are gone

    objects = ReportQuerySet.as_manager()

    class Meta:
        verbose_name = _("report")
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["detection", "-created_at"], name="report_of_detection"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def is_file(self, sha256: str) -> bool:
        """Whether this is the SHA-256 of one of its files."""
        return sha256 in {self.pdf_sha256, self.json_sha256}


class ReportLinkQuerySet(models.QuerySet["ReportLink"]):
    def of_token(self, token: str) -> "ReportLink | None":
        """The link behind a token, whether it still opens anything or not."""
        rows = self.select_related("report__detection__image__owner", "by")
        return rows.filter(digest__in=token_digests(token)).first()


class ReportLink(models.Model):
    """Shows one report to whoever has the address, until it ends; its token is kept nowhere."""

    class Life(models.TextChoices):
        DAY = "1", _("1 day")
        WEEK = "7", _("7 days")
        MONTH = "30", _("30 days")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    report = models.ForeignKey(Report, models.PROTECT, related_name="links")
    by = models.ForeignKey(User, models.PROTECT, related_name="report_links")
    digest = models.CharField(max_length=64, unique=True)
    shows_pictures = models.BooleanField(default=False)
    gives_original = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ReportLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("report link")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")), name="report_link_ends_later"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def made(cls, *, life: str, **fields: object) -> "tuple[ReportLink, str]":
        """An unsaved link and its token."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = timezone.now()
        ends = now + timedelta(days=int(cls.Life(life)))
        return cls(digest=token_digests(token)[0], created_at=now, expires_at=ends, **fields), token

    @property
    def has_ended(self) -> bool:
        return self.revoked_at is not None or self.expires_at <= timezone.now()


class ReportLinkView(models.Model):
    """A link was opened from a network in an hour; kept for that hour alone."""

    link = models.ForeignKey(ReportLink, models.CASCADE, related_name="views")
    network = models.CharField(max_length=64)  # a keyed digest
    hour = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["link", "network", "hour"], name="report_link_view_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.link_id} {self.hour}"
