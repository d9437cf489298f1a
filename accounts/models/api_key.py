"""Keys with which a pipeline acts as their owner; only a keyed digest is stored."""

import hashlib
import hmac
import ipaddress
import re
import secrets
import string
import zlib
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.user import User
from accounts.sealing import secret_keys

BASE62 = string.digits + string.ascii_letters
PREFIX_LENGTH = 8
SECRET_LENGTH = 40  # log2(62) * 40 = 238 bits
KEY_FORM = re.compile(r"umk_([0-9A-Za-z]{8})_([0-9A-Za-z]{32,64})_([0-9a-f]{8})")
LAST_USED_EVERY = timedelta(minutes=1)


def _random_base62(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def digests(plaintext: str) -> list[str]:
    """HMAC-SHA256 of a key, in hex, under each pepper, none of which is in the database."""
    peppers = (hashlib.sha256(b"unmask.api_key\0" + one.encode()).digest() for one in secret_keys())
    return [hmac.new(one, plaintext.encode(), hashlib.sha256).hexdigest() for one in peppers]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        """Keys neither revoked nor expired, whose owner is active."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None, owner__is_active=True
        )

    def issue(
        self,
        *,
        owner: User,
        name: str,
        scopes: list[str],
        expires_at: datetime | None = None,
        networks: list[str] | None = None,
    ) -> "tuple[ApiKey, str]":
        """Create a key; the plaintext is returned this once and kept nowhere."""
        body = f"umk_{_random_base62(PREFIX_LENGTH)}_{_random_base62(SECRET_LENGTH)}"
        plaintext = f"{body}_{_checksum(body)}"
        key = ApiKey(
            owner=owner,
            name=name,
            scopes=scopes,
            expires_at=expires_at,
            networks=networks or [],
            prefix=plaintext[4 : 4 + PREFIX_LENGTH],
            digest=digests(plaintext)[0],
        )
        key.full_clean()
        key.save(force_insert=True)
        return key, plaintext

    def authenticate(self, plaintext: str) -> "ApiKey | None":
        """The usable key behind a plaintext; None for anything else, without saying why."""
        form = KEY_FORM.fullmatch(plaintext)
        if form is None or _checksum(plaintext.rpartition("_")[0]) != form[3]:
            return None
        key = self.usable().select_related("owner").filter(prefix=form[1]).first()
        if key is None:
            return None
        now, *before = digests(plaintext)
        if hmac.compare_digest(key.digest, now):
            return key
        if any(hmac.compare_digest(key.digest, one) for one in before):
            # or it would end with the SECRET_KEY that it was made under
            self.filter(pk=key.pk, digest=key.digest).update(digest=now)
            return key
        return None


class ApiKey(models.Model):
    """Acts as its owner, narrowed to its scopes and networks."""

    class Scope(models.TextChoices):
        DETECTIONS_WRITE = "detections:write", _("Submit images")
        DETECTIONS_READ = "detections:read", _("Read detections")
        FEEDBACK_WRITE = "feedback:write", _("Give feedback")
        CASES_WRITE = "cases:write", _("Change cases")
        CASES_READ = "cases:read", _("Read cases")
        REVIEWS_WRITE = "reviews:write", _("Decide reviews")
        MODELS_READ = "models:read", _("Read model versions")
        MODELS_WRITE = "models:write", _("Change data, training and models")
        WEBHOOKS_WRITE = "webhooks:write", _("Manage webhooks")

    owner = models.ForeignKey(User, models.PROTECT, related_name="api_keys")
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(max_length=PREFIX_LENGTH, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    networks = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (umk_{self.prefix}_…)"

    def clean(self) -> None:
        if unknown := set(self.scopes) - set(self.Scope.values):
            raise ValidationError({"scopes": f"Unknown scopes: {', '.join(sorted(unknown))}."})
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                sentence = _("“%(text)s” is no address or network.") % {"text": network}
                raise ValidationError({"networks": sentence}) from error

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    def allows_address(self, address: str) -> bool:
        """Whether a client at this address may use the key; no networks means any."""
        if not self.networks:
            return True
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
            client = client.ipv4_mapped  # how a dual-stack socket names an IPv4 client
        return any(client in ipaddress.ip_network(network) for network in self.networks)

    @staticmethod
    def network_of(address: str) -> str:
        """The network of a client's address, /24 or /48, that its uses are counted by."""
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return ""
        if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
            client = client.ipv4_mapped
        length = 24 if client.version == 4 else 48
        return str(ipaddress.ip_network(f"{client}/{length}", strict=False))

    def touch(self) -> None:
        """Note the use, written at most once a minute."""
        stale = Q(last_used_at=None) | Q(last_used_at__lt=timezone.now() - LAST_USED_EVERY)
        ApiKey.objects.filter(stale, pk=self.pk).update(last_used_at=Now())


class ApiKeyUse(models.Model):
    """A key was used from a network on a day; kept for that day alone."""

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="uses")
    network = models.CharField(max_length=43, blank=True)
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "network", "day"], name="api_key_use_once")
        ]

    def __str__(self) -> str:
        return f"{self.key_id} {self.day}"
