"""Signed statements of where every chain stood, kept in a file outside the database.

A chain shows that a row was changed. That its tail was cut off, that all of it was written anew,
or that an old backup was put in its place, only something outside the database can show. Each
checkpoint names the last event of every chain and the checkpoint before; the event
`audit.sealed` in the system's chain names the checkpoint in turn. Copies of the file elsewhere,
and of the public key, are what makes the whole hold against whoever has both disk and database.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.audit_key import private_key
from accounts.models.audit_event import GENESIS, SYSTEM_CHAIN, AuditChain, AuditEvent, canonical

CHECKPOINTS_FILE = "checkpoints.jsonl"
PUBLIC_KEY_FILE = "public_key"
VERSION = 1
TAIL_BYTES = 64 * 1024
SEALED = "audit.sealed"
RESTORED = "audit.restore_acknowledged"


@dataclass(frozen=True)
class Checkpoint:
    """Where every chain stood.

    Attributes:
        number: counts from 1.
        at: UTC, ISO 8601.
        heads: sequence number and hash of each chain's last event; empty chains are left out.
        previous: SHA-256 of the line before, in hex.
        signature: Ed25519 over the canonical JSON of the others, in hex.
        lost: what is known to be gone since a backup was restored, by chain: the last event that
            was kept, the last that was seen, and the last checkpoint that saw any in between.
    """

    number: int
    at: str
    heads: Mapping[int, tuple[int, str]]
    previous: str
    signature: str = ""
    lost: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a line of the file.

        Raises:
            ValueError: it is no checkpoint.
        """
        try:
            value = json.loads(line)
            heads = {
                int(chain): (int(seq), str(head)) for chain, (seq, head) in value["heads"].items()
            }
            lost = {
                int(chain): (int(kept), int(seen), int(until))
                for chain, (kept, seen, until) in value.get("lost", {}).items()
            }
            found = cls(
                value["number"], value["at"], heads, value["previous"], value["signature"], lost
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError("no checkpoint") from error
        if found.line() != line:
            raise ValueError("no checkpoint in its one form")
        return found

    def line(self) -> str:
        """As it stands in the file, without the end of the line."""
        return canonical({**self._stated(), "signature": self.signature})

    def digest(self) -> str:
        """SHA-256 of the line, which the next checkpoint and the event name."""
        return hashlib.sha256(self.line().encode("ascii")).hexdigest()

    def signed(self, key: Ed25519PrivateKey) -> "Checkpoint":
        return replace(self, signature=key.sign(self._signed_bytes()).hex())

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        try:
            key.verify(bytes.fromhex(self.signature), self._signed_bytes())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _stated(self) -> dict[str, Any]:
        lost = {str(chain): list(gap) for chain, gap in self.lost.items()}
        return {
            "at": self.at,
            "heads": {str(chain): list(head) for chain, head in self.heads.items()},
            "number": self.number,
            "previous": self.previous,
            "version": VERSION,
            **({"lost": lost} if lost else {}),
        }

    def _signed_bytes(self) -> bytes:
        return canonical(self._stated()).encode("ascii")


def seal() -> Checkpoint | None:
    """Write a checkpoint if anything happened since the last one, and record that in the chain."""
    with opened() as file:
        last, heads = _last(file), current_heads()
        if not _is_news(last, heads):
            return None
        checkpoint = _append(file, last, heads)
        with transaction.atomic():
            audit.record(
                SEALED,
                actor=None,
                target=AuditChain(number=SYSTEM_CHAIN),
                after={"number": checkpoint.number, "sha256": checkpoint.digest()},
            )
        return checkpoint


def seal_loss(
    file: BinaryIO, lost: Mapping[int, tuple[int, int, int]], *, reason: str
) -> Checkpoint:
    """Write the checkpoint that states what a restored backup does not hold; see `restoration`.

    Args:
        file: as `opened` gave it.
    """
    checkpoint = _append(file, _last(file), current_heads(), lost)
    told = {str(chain): f"{kept + 1}–{seen}" for chain, (kept, seen, _until) in lost.items()}
    with transaction.atomic():
        audit.record(
            RESTORED,
            actor=None,
            target=AuditChain(number=SYSTEM_CHAIN),
            after={
                "number": checkpoint.number,
                "sha256": checkpoint.digest(),
                "lost": told,
            },
            detail={"reason": reason},
        )
    return checkpoint


@contextmanager
def opened() -> Iterator[BinaryIO]:
    """The file of checkpoints, for one process at a time."""
    settings.AUDIT_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.AUDIT_DIR / CHECKPOINTS_FILE).open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _append(
    file: BinaryIO,
    last: Checkpoint | None,
    heads: Mapping[int, tuple[int, str]],
    lost: Mapping[int, tuple[int, int, int]] | None = None,
) -> Checkpoint:
    key = private_key()
    _publish(key.public_key(), settings.AUDIT_DIR)
    checkpoint = Checkpoint(
        number=last.number + 1 if last else 1,
        at=timezone.now().isoformat(timespec="milliseconds"),
        heads=heads,
        previous=last.digest() if last else GENESIS,
        lost=lost or {},
    ).signed(key)
    file.write(checkpoint.line().encode("ascii") + b"\n")
    file.flush()
    os.fsync(file.fileno())
    return checkpoint


def current_heads() -> dict[int, tuple[int, str]]:
    """Of every chain that holds an event, as one statement sees them."""
    rows = AuditChain.objects.filter(seq__gt=0).order_by("number")
    return {row.number: (row.seq, row.head) for row in rows}


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The key in a file of 64 hexadecimal digits.

    Raises:
        ValueError: it holds none.
        OSError: it cannot be read.
    """
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text("ascii").strip()))


def _publish(key: Ed25519PublicKey, folder: Path) -> None:
    path = folder / PUBLIC_KEY_FILE
    if not path.exists():
        path.write_text(key.public_bytes_raw().hex() + "\n", "ascii")


def _is_news(last: Checkpoint | None, heads: Mapping[int, tuple[int, str]]) -> bool:
    """Whether more happened than the sealing of the last checkpoint itself."""
    if last is None:
        return bool(heads)
    changed = {chain for chain, head in heads.items() if last.heads.get(chain) != head}
    if changed != {SYSTEM_CHAIN}:
        return bool(changed)
    since = last.heads.get(SYSTEM_CHAIN, (0, ""))[0]
    events = AuditEvent.objects.filter(chain=SYSTEM_CHAIN, seq__gt=since)
    return events.exclude(action=SEALED).exists()


def _last(file: BinaryIO) -> Checkpoint | None:
    """The last whole line; what a crash left of one is cut off, since nothing names it."""
    tail, start = b"", file.seek(0, os.SEEK_END)
    while start and tail.count(b"\n") < 2:  # the file grows for years; its end is enough
        step = min(TAIL_BYTES, start)
        start = file.seek(start - step)
        tail = file.read(step) + tail
    whole, end, _ = tail.rpartition(b"\n")
    file.truncate(start + len(whole) + len(end))
    file.seek(0, os.SEEK_END)
    if not whole:
        return None
    return Checkpoint.from_line(whole.rpartition(b"\n")[2].decode("ascii", "replace"))
