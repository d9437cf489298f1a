"""The desk's secrets: how a backup names them without holding them, and whether they are at hand.

The audit key makes the MAC under every event and signs the checkpoints: without it a restored trail
can be neither verified nor continued. SECRET_KEY seals second factors and webhooks' secrets, and
keys the digests of API keys. The report key may be made anew at any time.
"""

import hmac
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from accounts.audit_key import KEY_FILE as AUDIT_KEY
from accounts.audit_key import private_key
from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.manifest import Manifest
from deepfake_site.env import env_str
from detection.reports.keys import KEY_FILE as REPORT_KEY

SECRET_KEY = "secret_key"  # noqa: S105 (a file's name)
FOLDER = "secrets"
LOST = "Where it is lost for good, say --keys-lost"


def values() -> dict[str, str]:
    """Every secret that the desk uses now, by the name of its file."""
    stated = {
        SECRET_KEY: settings.SECRET_KEY,
        AUDIT_KEY: private_key().private_bytes_raw().hex(),
        REPORT_KEY: settings.REPORT_KEY or _read(settings.DATA_DIR / REPORT_KEY),
    }
    return {name: value for name, value in stated.items() if value}


def fingerprints() -> dict[str, str]:
    """What tells whether a secret is the same, and nothing else about it."""
    return {
        SECRET_KEY: _mark_of(settings.SECRET_KEY),
        AUDIT_KEY: private_key().public_key().public_bytes_raw().hex(),
    }


def restored(source: Path) -> list[str]:
    """Names of the secrets that a backup holds and the environment leaves open."""
    held = (path.name for path in (source / FOLDER).glob("*"))
    return sorted(name for name in held if not _given(name))


def check(source: Path, manifest: Manifest) -> None:
    """Whether a restored desk will have the secrets that the backup was taken with.

    Raises:
        BackupError: one of them is missing, or is another one.
    """
    if _public_half(_of_restored(source, AUDIT_KEY)) != manifest.fingerprints.get(AUDIT_KEY):
        raise BackupError(
            "The audit key is not the backup's, so the restored trail could be neither verified "
            f"nor continued. Put the desk's own into {settings.DATA_DIR / AUDIT_KEY}, or set "
            f"AUDIT_KEY. {LOST}: verify_audit will then name every older event forged."
        )
    if _mark_of(_of_restored(source, SECRET_KEY)) != manifest.fingerprints.get(SECRET_KEY):
        raise BackupError(
            "SECRET_KEY is not the backup's, so API keys, second factors, links to reports and "
            "webhooks' secrets of the restored desk would be of no use. Put the desk's own into "
            f"{settings.DATA_DIR / SECRET_KEY}, or set SECRET_KEY. {LOST}: all of these are then "
            "to be made anew."
        )


def _of_restored(source: Path, name: str) -> str:
    """The value of a secret as the restored desk would have it; empty where there is none."""
    return _given(name) or _read(source / FOLDER / name) or _read(settings.DATA_DIR / name)


def _given(name: str) -> str:
    """The value from the environment, which comes before any file of the data folder."""
    if name == SECRET_KEY:
        is_stated = env_str("SECRET_KEY") or env_str("SECRET_KEY_FILE")
        return settings.SECRET_KEY if is_stated else ""
    return {AUDIT_KEY: settings.AUDIT_KEY, REPORT_KEY: settings.REPORT_KEY}.get(name, "")


def _read(path: Path) -> str:
    return path.read_text("utf-8").strip() if path.is_file() else ""


def _public_half(seed: str) -> str:
    try:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    except ValueError:
        return ""
    return key.public_key().public_bytes_raw().hex()


def _mark_of(secret: str) -> str:
    """16 hex digits that follow from a long random secret and lead nowhere back."""
    return hmac.new(secret.encode(), b"unmask backup", "sha256").hexdigest()[:16]
