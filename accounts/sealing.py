"""Text that must be read back, such as shared secrets, encrypted at rest under SECRET_KEY.

What was sealed under one of SECRET_KEY_FALLBACKS opens as well, and is sealed anew by
`manage.py seal_anew`.
"""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UnreadableError(Exception):
    """It was sealed under a SECRET_KEY that is not known, for another purpose, or changed since."""


def seal(text: str, *, purpose: str) -> str:
    """Encrypt and authenticate; what is sealed for one purpose opens for no other."""
    return _cipher(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """The text again.

    Raises:
        UnreadableError: it cannot be read.
    """
    try:
        return _cipher(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise UnreadableError from None


def sealed_anew(sealed: str, *, purpose: str) -> str:
    """The same text, sealed under the SECRET_KEY of now; an UnreadableError as from `unseal`."""
    try:
        return _cipher(purpose).rotate(sealed.encode()).decode()
    except InvalidToken:
        raise UnreadableError from None


def secret_keys() -> list[str]:
    """The key that makes what is new, and those before it that what is old may be read with."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _cipher(purpose: str) -> MultiFernet:
    keys = (hashlib.sha256(f"unmask.{purpose}\0{one}".encode()).digest() for one in secret_keys())
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
