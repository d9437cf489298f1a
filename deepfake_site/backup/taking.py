"""Taking a backup: first the database in one state, then the files that its rows name.

A file is durable before its row and never altered, so all that the copied rows name is there when
the files are copied; only erasing takes something away, and what was erased meanwhile is listed.
"""

import os
import shutil
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, opened, seal
from deepfake_site.backup import database, secret_keys
from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.files import copy_file, kept_files, sync_folders, write_file
from deepfake_site.backup.manifest import LIST_FILE, Entry, Listing, Manifest, sha256_of
from deepfake_site.backup.named_files import erased_since, named_files
from detection.models import Installation
from detection.services import installation
from detection.storage import sync_dir

MARK = "installation"
RESERVE_BYTES = 100_000_000  # left free on the disk of the backup
# The database's clock may be another machine's. An image erased before is in the copy as erased.
CLOCK_TOLERANCE = timedelta(minutes=15)


def back_up(target: Path, *, with_secrets: bool = False) -> Manifest:
    """Copy the desk into a new folder, which has its name only when all of it is on the disk.

    Raises:
        BackupError: nothing was written.
        OSError, StorageAway: the same.
    """
    partial = target.with_name(f"{target.name}.partial")
    _refuse(target, partial)
    partial.mkdir(mode=0o700)
    try:
        manifest = _fill(partial, with_secrets=with_secrets)
        sync_folders(partial)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_dir(target.parent)
    _record(manifest, with_secrets=with_secrets)
    return manifest


def _refuse(target: Path, partial: Path) -> None:
    if target.exists():
        raise BackupError(f"{target} exists; a backup is written into a new folder.")
    if partial.exists():
        raise BackupError(
            f"{partial} exists: another backup is being written there, or one was interrupted. In "
            "the latter case remove it."
        )
    if not target.parent.is_dir():
        raise BackupError(f"{target.parent} is no folder.")
    if target.resolve().is_relative_to(settings.DATA_DIR.resolve()):
        raise BackupError(f"{target} lies in the data folder itself; choose another disk.")
    if not installation.is_ours():
        raise BackupError(
            f"The data folder {settings.DATA_DIR} and the database do not belong together; see "
            "manage.py bind_data_folder."
        )
    needed = database.size_bytes() + RESERVE_BYTES
    needed += sum(one.size_bytes for one in kept_files(settings.DATA_DIR))
    if (free := shutil.disk_usage(target.parent).free) < needed:
        raise BackupError(
            f"The backup needs {needed / 1e9:.1f} GB, and {target.parent} has {free / 1e9:.1f} GB."
        )


def _fill(folder: Path, *, with_secrets: bool) -> Manifest:
    taken_at = timezone.now()
    seal()  # so that a checkpoint stands for what the copy holds
    with (folder / LIST_FILE).open("x", encoding="utf-8") as lines:
        listing = Listing(lines)
        rows, migrations = _copy_database(folder, listing)
        _copy_files(folder, listing)
        if with_secrets:
            for name, value in secret_keys.values().items():
                place = f"{secret_keys.FOLDER}/{name}"
                listing.add(write_file(folder / place, f"{value}\n".encode(), name=place))
        lines.flush()
        os.fsync(lines.fileno())
    manifest = Manifest(
        release=settings.VERSION,
        taken_at=taken_at.isoformat(timespec="milliseconds"),
        database=database.vendor(),
        rows=rows,
        migrations=migrations,
        missing=_missing(folder / "data", taken_at),
        erased=erased_since(taken_at - CLOCK_TOLERANCE),
        fingerprints=secret_keys.fingerprints(),
        files=listing.files,
        size_bytes=listing.size_bytes,
        list_sha256=sha256_of(folder / LIST_FILE),
    )
    manifest.write(folder)
    return manifest


def _copy_database(folder: Path, listing: Listing) -> tuple[dict[str, int], list[str]]:
    """The database, and the checkpoints as they were in the same moment; gives rows, migrations."""
    with ExitStack() as stack:
        with opened():  # nobody signs a checkpoint between the copy of the file and the state
            state = stack.enter_context(database.snapshot())
            for name in (CHECKPOINTS_FILE, PUBLIC_KEY_FILE):
                if (path := settings.AUDIT_DIR / name).exists():
                    place = f"audit/{name}"
                    listing.add(copy_file(path, folder / place, name=place))
        name = database.COPY_FILES[state.vendor]
        database.dump(state, folder / name)
        rows, migrations = database.row_counts(state), database.migrations(state)
    copy = folder / name
    listing.add(Entry(name, copy.stat().st_size, sha256_of(copy)))
    return rows, migrations


def _copy_files(folder: Path, listing: Listing) -> None:
    data = settings.DATA_DIR
    for path in chain((one.path for one in kept_files(data)), [data / MARK]):
        place = f"data/{path.relative_to(data).as_posix()}"
        try:
            listing.add(copy_file(path, folder / place, name=place))
        except FileNotFoundError:  # erased since the folder was read
            continue


def _missing(copied: Path, taken_at: datetime) -> list[str]:
    """What rows of that time name, is not erased, and yet was not there to be copied."""
    data = settings.DATA_DIR
    names = (path.relative_to(data).as_posix() for path in named_files(before=taken_at))
    return [name for name in names if not (copied / name).exists()]


def _record(manifest: Manifest, *, with_secrets: bool) -> None:
    with transaction.atomic():
        audit.record(
            "installation.backed_up",
            actor=None,
            target=Installation.objects.get(),
            after={
                "files": manifest.files,
                "list_sha256": manifest.list_sha256,
                "size_bytes": manifest.size_bytes,
                "taken_at": manifest.taken_at,
                "with_secrets": with_secrets,
            },
        )
