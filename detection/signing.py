"""Signatures of webhooks by Standard Webhooks 1.0, and the secrets that make them.

A receiver holds the same secret, so ours must be readable: sealed at rest, shown once.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from accounts.sealing import seal, unseal

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64
PURPOSE = "webhook_secret"


def new_secret() -> str:
    """A secret in the form that receivers' libraries take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sealed(secret: str) -> str:
    return seal(secret, purpose=PURPOSE)


def unsealed(text: str) -> str:
    """The secret again; an UnreadableError where SECRET_KEY is another now."""
    return unseal(text, purpose=PURPOSE)


def signed_headers(
    *, message_id: str, timestamp: int, body: bytes, signed_with: Iterable[str]
) -> dict[str, str]:
    """The three headers of a message; during a rotation it bears a signature for each secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_signature(one, content)}" for one in signed_with),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
