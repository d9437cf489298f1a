"""The key that signs reports: its secret half outside the database, its public ones known for good.

It is neither SECRET_KEY nor the audit trail's: this one may be changed at any time, and what older
keys signed stays verifiable, because their public halves are kept.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.audit_key import kept_secret
from client.report_file import key_id
from detection.models import ReportKey

KEY_FILE = "report_key"


def signing_key() -> tuple[Ed25519PrivateKey, ReportKey]:
    """The key in use and its row; made first where none is given and none was kept.

    A key that the desk has not used before takes the place of the others and is recorded.
    """
    seed = settings.REPORT_KEY or kept_secret(settings.DATA_DIR / KEY_FILE)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    public = key.public_key().public_bytes_raw().hex()
    row = ReportKey.objects.filter(pk=key_id(public), retired_at=None).first()
    return key, row or _published(public)


def rotate_kept_key() -> ReportKey:
    """A new key in the data folder; what the old one signed stays valid.

    Raises:
        RuntimeError: the key comes from REPORT_KEY, and is changed there.
    """
    if settings.REPORT_KEY:
        raise RuntimeError("the key comes from REPORT_KEY: put another one there")
    path = settings.DATA_DIR / KEY_FILE
    path.unlink(missing_ok=True)
    return signing_key()[1]


def known_keys() -> set[str]:
    """The public keys with which this desk signs or has signed, in hex."""
    return set(ReportKey.objects.values_list("public_key", flat=True))


def _published(public: str) -> ReportKey:
    now = timezone.now()
    with transaction.atomic():
        ReportKey.objects.filter(retired_at=None).exclude(pk=key_id(public)).update(retired_at=now)
        row, _made = ReportKey.objects.update_or_create(
            pk=key_id(public), defaults={"public_key": public, "retired_at": None}
        )
        audit.record("report_key.published", actor=None, target=row, after={"public_key": public})
    return row
