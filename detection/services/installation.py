"""A database and a data folder belong together; a mistaken setting must not mix two of them."""

from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.models import User
from detection import storage
from detection.models import Installation


class ForeignData(Exception):  # noqa: N818 (it names what lies in the folder)
    """The data folder belongs to another database than the one in use."""


def bind(*, adopt: bool = False) -> None:
    """Tie database and data folder together the first time; afterwards hold them to it.

    Args:
        adopt: the caller knows that the two belong together although they do not say so, after a
            move of the database or a restored backup.
    Raises:
        ForeignData: they belong to different installations; nothing was changed.
    """
    if is_ours():
        return
    has_row, has_file = Installation.objects.exists(), storage.exists(_mark())
    if (has_row or has_file) and not adopt:
        raise ForeignData(
            f"The data folder {settings.DATA_DIR} and the database do not belong together. Check "
            "UNMASK_DATA and DATABASE_URL. If you moved one of them yourself, say: "
            "manage.py bind_data_folder --adopt"
        )
    with transaction.atomic():
        row = Installation.objects.first() or Installation.objects.create()
        storage.write_atomically(_mark(), f"{row.pk}\n".encode())


def is_ours() -> bool:
    """Whether database and data folder carry the same mark."""
    row = Installation.objects.first()
    try:
        return row is not None and storage.read(_mark()).decode("ascii").strip() == str(row.pk)
    except FileNotFoundError:
        return False


def expect_fakes(fake_share: float | None, *, by: User) -> None:
    """Say which share of all submitted images is expected to be fake; no verdict changes.

    Args:
        fake_share: in (0, 1); None for the share that the model's calibration presumes.
    Raises:
        ForeignData: the installation has no row, and the data folder is not its own.
    """
    if not Installation.objects.exists():
        bind()
    with transaction.atomic():
        row = Installation.objects.select_for_update().get()
        before = row.expected_fake_share
        if fake_share == before:
            return
        row.expected_fake_share = fake_share
        row.save(update_fields=["expected_fake_share"])
        audit.record(
            "installation.expected_share_changed",
            actor=by,
            target=row,
            before={"expected_fake_share": before},
            after={"expected_fake_share": fake_share},
        )


def _mark() -> Path:
    return settings.DATA_DIR / "installation"
