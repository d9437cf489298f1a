"""Text that must be read back, such as shared secrets, encrypted at rest under SECRET_KEY."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class UnreadableError(Exception):
    """It was sealed under another SECRET_KEY, for another purpose, or changed since."""


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


def _cipher(purpose: str) -> Fernet:
    key = hashlib.sha256(f"unmask.{purpose}\0{settings.SECRET_KEY}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
