"""Restoring a backup: all of it is checked and written beside, then exchanged for what is there.

Until the exchange nothing in place is touched; if it fails, all that was there comes back. While it
lasts, the data folder lacks its mark, so that a desk does not start on half of it.
"""

import fcntl
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Protocol

from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts import audit
from accounts.checkpoints import CHECKPOINTS_FILE, seal
from accounts.restoration import NothingLost, NotOnlyRestored, acknowledge_restore
from deepfake_site.backup import database, postgresql, secret_keys, sqlite
from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.files import KEPT, copy_file, kept_files
from deepfake_site.backup.manifest import Entry, Manifest, differences, entries
from deepfake_site.backup.places import Place
from deepfake_site.backup.taking import MARK, RESERVE_BYTES
from detection.errors import Refused
from detection.models import Image, Installation
from detection.services import installation
from detection.services.erasure import erase_image
from detection.storage import READ_ONLY

NAMED_AT_MOST = 20
NEVER_ALTERED = {"originals", "reports"}
# Of the old desk, and of no use to the restored one.
ITS_OWN = ("previews", "labelled-previews", "incoming", "training", MARK)


class Reversible(Protocol):
    """Something of the desk that the backup's takes the place of, with a way back."""

    def undo(self) -> None: ...

    def discard(self) -> None: ...


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        kept: where the old desk's database and files lie; empty where there was none.
        erased: how many images were erased again, because they had been erased since the backup.
        held: images that should have been, and are on legal hold in the backup.
    """

    kept: list[str]
    erased: int
    held: list[str]


def check(source: Path) -> Manifest:
    """The manifest of a backup in which every byte is as it was written.

    Raises:
        BackupError: it is none, or files are missing or altered, which the message names.
    """
    manifest = Manifest.read(source)
    if found := list(islice(differences(source, manifest), NAMED_AT_MOST)):
        raise BackupError(f"{source} is not as it was written. " + "; ".join(found))
    return manifest


def restore(source: Path, *, replace: bool = False, keys_lost: bool = False) -> Restored:
    """Put the desk of a backup in place.

    Args:
        replace: move a desk that is there aside.
        keys_lost: the secrets of the backup's desk are gone, and it is wanted without them.
    Raises:
        BackupError: nothing was changed.
    """
    if settings.S3_BUCKET:
        raise BackupError(
            "A backup is restored to a folder: say it without UNMASK_S3_BUCKET, then fill an empty "
            "bucket, or an empty UNMASK_S3_PREFIX, from that folder with manage.py fill_bucket."
        )
    manifest = Manifest.read(source)
    _refuse_unfit(manifest)
    check(source)
    if not keys_lost:
        secret_keys.check(source, manifest)
    with _data_folder_held():
        if not replace and _is_in_use():
            raise BackupError(
                f"There is a desk already, in the database or in {settings.DATA_DIR}. Say "
                "--replace to have it moved aside."
            )
        erased = {*manifest.erased, *_erased_here()}
        kept = _exchange(source, manifest)
        return _settle(manifest, kept, erased)


def _refuse_unfit(manifest: Manifest) -> None:
    """Only what this release, with this kind of database, can take up."""
    if manifest.database != database.vendor():
        raise BackupError(
            f"The backup is of a desk on {manifest.database}, and DATABASE_URL names one on "
            f"{database.vendor()}."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    newer = sorted({*manifest.migrations} - known)
    if newer or _numbers(manifest.release) > _numbers(settings.VERSION):
        raise BackupError(
            f"The backup is of release {manifest.release}, newer than this one, "
            f"{settings.VERSION}{': it has ' + newer[0] if newer else ''}. Restore it with its own."
        )


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".") if part.isdigit()]


@contextmanager
def _data_folder_held() -> Iterator[None]:
    """Nobody starts a desk on the data folder meanwhile; see `manage.py up`."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.DATA_DIR / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"Unmask runs on {settings.DATA_DIR}; stop it first.") from None
        yield


def _is_in_use() -> bool:
    has_files = any(True for _ in kept_files(settings.DATA_DIR))
    return has_files or (settings.DATA_DIR / MARK).exists() or database.has_content()


def _erased_here() -> set[str]:
    """What the desk that is there has erased: a backup from before must not bring it back."""
    connection = connections[database.alias()]
    if "detection_image" not in connection.introspection.table_names():
        return set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM detection_image WHERE erased_at IS NOT NULL")
        return {str(uuid.UUID(str(pk))) for (pk,) in cursor.fetchall()}


def _exchange(source: Path, manifest: Manifest) -> list[str]:
    """Everything staged, then in place; gives the places of what was there."""
    stamp = timezone.now().strftime("%Y%m%dT%H%M%SZ")
    data, trail = Place(settings.DATA_DIR, stamp), Place(settings.AUDIT_DIR, stamp)
    copy = source / database.COPY_FILES[manifest.database]
    rows: sqlite.Exchange | postgresql.Exchange = (
        sqlite.Exchange(copy, stamp)
        if manifest.database == "sqlite"
        else postgresql.Exchange(copy, stamp, alias=database.alias(), folder=settings.DATA_DIR)
    )
    parts: list[Reversible] = [data, trail, rows]
    try:
        _refuse_without_space(manifest)
        _stage(source, data, trail)
        rows.prepare()
    except BaseException:
        for part in parts:
            part.discard()
        raise
    try:
        data.put(away=(*KEPT, *ITS_OWN), last=MARK)
        trail.put(away=())
        rows.put()
        _compare(manifest)
        call_command("prepare_database", verbosity=0)
        if not installation.is_ours():
            raise BackupError("Database and files of the backup do not belong together.")
    except BaseException:
        for part in reversed(parts):
            part.undo()
        raise
    for part in parts:
        part.discard()
    places = [str(place.aside) for place in (data, trail) if place.aside.exists()]
    return [*places, *([rows.kept] if rows.kept else [])]


def _refuse_without_space(manifest: Manifest) -> None:
    needed = manifest.size_bytes + RESERVE_BYTES
    if (free := shutil.disk_usage(settings.DATA_DIR).free) < needed:
        raise BackupError(
            f"{needed / 1e9:.1f} GB are needed, and {settings.DATA_DIR} has {free / 1e9:.1f} GB."
        )


def _stage(source: Path, data: Place, trail: Place) -> None:
    """Write every file beside the place where it will be, and compare it once more."""
    data.prepare()
    trail.prepare()
    secrets = secret_keys.restored(source)
    is_continued = any(map(_is_continued, entries(source)))
    for entry in entries(source):
        top, _, name = entry.path.partition("/")
        if top == "audit" and is_continued:
            continue  # what is there saw all that the backup's saw, and more: it is the proof
        is_wanted = top in {"data", "audit"} or (top == secret_keys.FOLDER and name in secrets)
        if not is_wanted:
            continue
        place = trail if top == "audit" else data
        mode = READ_ONLY if PurePosixPath(name).parts[0] in NEVER_ALTERED else 0o600
        if copy_file(source / entry.path, place.stage / name, name=entry.path, mode=mode) != entry:
            raise BackupError(f"altered: {entry.path}")


def _is_continued(entry: Entry) -> bool:
    """Whether the checkpoints that are there begin with those of the backup."""
    path = settings.AUDIT_DIR / CHECKPOINTS_FILE
    if entry.path != f"audit/{CHECKPOINTS_FILE}" or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.sha256(file.read(entry.size_bytes)).hexdigest() == entry.sha256


def _compare(manifest: Manifest) -> None:
    with database.snapshot() as state:
        found = database.row_counts(state)
    if found != manifest.rows:
        names = sorted(t for t in {*found, *manifest.rows} if found.get(t) != manifest.rows.get(t))
        raise BackupError(f"Tables differ from what the manifest counts: {', '.join(names)}.")


def _settle(manifest: Manifest, kept: list[str], erased: set[str]) -> Restored:
    """State what is lost, erase again what was erased, and record that the desk was restored."""
    _state_loss(manifest)
    held, count = [], 0
    for image in Image.objects.filter(pk__in=erased, erased_at=None):
        try:
            count += erase_image(by=None, image=image, because="restore")
        except Refused:
            held.append(str(image.pk))
    with transaction.atomic():
        audit.record(
            "installation.restored",
            actor=None,
            target=Installation.objects.get(),
            after={
                "erased": count,
                "list_sha256": manifest.list_sha256,
                "release": manifest.release,
                "taken_at": manifest.taken_at,
            },
        )
    seal()
    return Restored(kept, count, held)


def _state_loss(manifest: Manifest) -> None:
    """Where newer checkpoints were kept, state which events the backup lacks."""
    with suppress(NothingLost, NotOnlyRestored):  # what else is wrong, verify_audit says
        acknowledge_restore(reason=f"Restored from the backup of {manifest.taken_at}.")
