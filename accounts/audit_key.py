"""The audit trail's own secret: it signs the checkpoints and keys the MAC of every event.

It is not SECRET_KEY, which may be changed at the price of every session: this one lasts as long as
the trail it stands for.
"""

import hmac
import os
import uuid
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_FILE = "audit_key"


def private_key() -> Ed25519PrivateKey:
    """The key that signs; made and kept in the data folder where none is given."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_seed()))


def mac_key() -> bytes:
    """The key of the events' MACs, derived from the one that signs."""
    return _derived(_seed())


def known_mac_key() -> bytes | None:
    """The same without making one: None where there is no secret to check against."""
    if settings.AUDIT_KEY or (settings.DATA_DIR / KEY_FILE).exists():
        return mac_key()
    return None


def mac_of(key: bytes, event_hash: str) -> str:
    """HMAC-SHA256 over an event's hash, in hex: who lacks the key cannot write a valid event."""
    return hmac.digest(key, event_hash.encode("ascii"), "sha256").hex()


def _seed() -> str:
    return settings.AUDIT_KEY or kept_secret(settings.DATA_DIR / KEY_FILE)


def kept_secret(path: Path) -> str:
    """The seed of an Ed25519 key in a file, made first if need be; nobody sees half of it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{Ed25519PrivateKey.generate().private_bytes_raw().hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)  # the first one wins, and the others read its secret
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_text("ascii").strip()


@lru_cache(maxsize=4)
def _derived(seed: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"unmask audit event mac")
    return kdf.derive(bytes.fromhex(seed))
