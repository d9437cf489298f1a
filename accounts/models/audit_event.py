"""The append-only record of who did what, chained so that a change to it shows.

A chain is a sequence of events in which each hash covers the one before. There are 16 chains for
people's objects, chosen by the object's owner, and chain 0 for the system's own. What is hashed is
the row's own columns; text about persons sits apart in AuditDetail, of which the row holds only a
salted commitment, so that it can be erased and the chain still verifies.
"""

import hashlib
import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

CHAINS = 16
SYSTEM_CHAIN = 0
GENESIS = "0" * 64
HASH_VERSION = 1


def canonical(value: object) -> str:
    """JSON text that is the same for the same value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def commitment(salt: str, body: str) -> str:
    """SHA-256 of a salt (hex) and the text it hides, in hex."""
    return hashlib.sha256(f"{salt}:{body}".encode()).hexdigest()


# Columns that an event's hash covers, in the order in which `hash_of` takes them.
HASHED_COLUMNS = (
    "chain",
    "seq",
    "prev_hash",
    "at",
    "action",
    "actor_id",
    "actor_role",
    "key_prefix",
    "target_type",
    "target_id",
    "target_sha256",
    "change",
    "request_id",
    "detail_commitment",
)


def hash_of(columns: Sequence[Any]) -> str:
    """SHA-256 over the canonical JSON of an event's `HASHED_COLUMNS`, in hex.

    The text is put together by hand, for verification's sake; a test holds it to `canonical`.
    """
    chain, seq, prev_hash, at, action, actor_id, actor_role, key_prefix, *rest = columns
    target_type, target_id, target_sha256, change, request_id, detail_commitment = rest
    at_us = int(at.timestamp()) * 1_000_000 + at.microsecond
    actor = "null" if actor_id is None else actor_id
    text = (
        f'{{"action":{_quoted(action)},"actor_id":{actor},"actor_role":{_quoted(actor_role)},'
        f'"at_us":{at_us},"chain":{chain},"change":{_quoted(change)},'
        f'"detail_commitment":{_quoted(detail_commitment)},"key_prefix":{_quoted(key_prefix)},'
        f'"prev_hash":{_quoted(prev_hash)},"request_id":{_quoted(request_id)},"seq":{seq},'
        f'"target_id":{_quoted(target_id)},"target_sha256":{_quoted(target_sha256)},'
        f'"target_type":{_quoted(target_type)},"version":{HASH_VERSION}}}'
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class AuditChain(models.Model):
    """The head of one chain; locking its row orders the writers."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    seq = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=64, default=GENESIS)

    def __str__(self) -> str:
        return f"chain {self.number} at {self.seq}"


class AuditEvent(models.Model):
    """One thing that happened. The database refuses to update or delete it."""

    chain = models.PositiveSmallIntegerField()
    seq = models.PositiveBigIntegerField()
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    at = models.DateTimeField()
    action = models.CharField(max_length=64)
    actor_id = models.BigIntegerField(null=True)
    actor_role = models.CharField(max_length=16, blank=True)
    key_prefix = models.CharField(max_length=8, blank=True)
    target_type = models.CharField(max_length=32)
    target_id = models.CharField(max_length=64)
    target_sha256 = models.CharField(max_length=64, blank=True)
    change = models.TextField(default="{}")  # canonical JSON: {"after": …, "before": …}
    request_id = models.CharField(max_length=64, blank=True)
    detail_commitment = models.CharField(max_length=64, blank=True)
    # Over `hash`, with a key that is not in the database; empty only on events older than MACs.
    mac = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("audit event")
        constraints = [
            models.UniqueConstraint(fields=["chain", "seq"], name="audit_seq_once"),
            models.UniqueConstraint(fields=["chain", "prev_hash"], name="audit_chain_never_forks"),
        ]
        indexes = [
            models.Index(fields=["target_type", "target_id", "at"], name="audit_by_target"),
            models.Index(fields=["actor_id", "at"], name="audit_by_actor"),
            models.Index(fields=["action", "at"], name="audit_by_action"),
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["target_sha256"], name="audit_by_sha256"),
        ]

    def __str__(self) -> str:
        return f"{self.chain}:{self.seq} {self.action}"

    def computed_hash(self) -> str:
        """SHA-256 over the canonical JSON of every column but `id`, `hash` and `mac`, in hex."""
        return hash_of([getattr(self, name) for name in HASHED_COLUMNS])


class AuditDetail(models.Model):
    """Text about persons that belongs to one event; erasable without breaking its chain."""

    event = models.OneToOneField(
        AuditEvent, models.PROTECT, primary_key=True, related_name="detail"
    )
    salt = models.CharField(max_length=64)
    body = models.TextField()

    def __str__(self) -> str:
        return f"detail of event {self.pk}"
