"""Durable files: an original is synced under its final name before any row names it.

Below UNMASK_DATA: `incoming/` (uploads in flight), `originals/ab/<image id>` (never altered),
`previews/ab/<image id>/<side>.jpg` and `<layer>-<version>.png` (rebuilt from pixels, disposable),
`artifacts/<sha256>/`, `training/<run id>/` (all but its log goes when the run ends),
`reports/ab/<image id>/<report id>…` (signed, never altered, gone with the image),
`labelled/ab/<sha256>` (imported to learn from) with `labelled-previews/` (disposable),
`imports/<import id>.zip` (until it was read) and `snapshots/<sha256>.csv`.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

READ_ONLY = 0o440


def incoming_dir() -> Path:
    """Folder of uploads in flight, on the same file system as the originals."""
    folder = settings.DATA_DIR / "incoming"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def original_path(image_id: uuid.UUID) -> Path:
    name = str(image_id)
    return settings.DATA_DIR / "originals" / name[:2] / name


def preview_path(image_id: uuid.UUID, side: int) -> Path:
    name = str(image_id)
    return settings.DATA_DIR / "previews" / name[:2] / name / f"{side}.jpg"


def report_path(image_id: uuid.UUID, report_id: uuid.UUID, ending: str) -> Path:
    """A file of a report.

    Args:
        ending: `.pdf`, `.json`, or the name of one of its pictures, such as `-marks.jpg`.
    """
    name = str(image_id)
    return settings.DATA_DIR / "reports" / name[:2] / name / f"{report_id}{ending}"


def layer_path(image_id: uuid.UUID, kind: str, version: int) -> Path:
    """PNG of one layer of evidence; beside the previews, so that it goes with them."""
    return preview_path(image_id, 0).with_name(f"{kind}-{version}.png")


def region_path(image_id: uuid.UUID, region_id: uuid.UUID) -> Path:
    """JPEG of one part of an image; beside the previews, so that it goes with them."""
    return preview_path(image_id, 0).with_name(f"region-{region_id}.jpg")


def photograph_path(image_id: uuid.UUID, version: int) -> Path:
    """Where the photograph inside a screenshot lies; beside the previews, to go with them."""
    return preview_path(image_id, 0).with_name(f"photograph-{version}.json")


def artifact_dir(sha256: str) -> Path:
    return settings.DATA_DIR / "artifacts" / sha256


def training_dir(run_id: uuid.UUID) -> Path:
    """What one training run works with; of a run that ended, its log alone."""
    return settings.DATA_DIR / "training" / str(run_id)


def labelled_path(sha256: str) -> Path:
    """A file to learn from, known by its bytes: several datasets may share it."""
    return settings.DATA_DIR / "labelled" / sha256[:2] / sha256


def labelled_preview_path(sha256: str) -> Path:
    return settings.DATA_DIR / "labelled-previews" / sha256[:2] / f"{sha256}.jpg"


def import_path(import_id: uuid.UUID) -> Path:
    """The uploaded ZIP of an import."""
    return settings.DATA_DIR / "imports" / f"{import_id}.zip"


def snapshot_path(sha256: str) -> Path:
    """The manifest of a frozen list of labelled images."""
    return settings.DATA_DIR / "snapshots" / f"{sha256}.csv"


def keep_labelled(incoming: Path, sha256: str) -> None:
    """Make a file to learn from durable under its hash; one that is there becomes new again.

    New, because what nothing names is removed after a day; see `detection.services.orphans`.
    """
    final = labelled_path(sha256)
    if final.is_file():
        final.touch()
        return
    keep_durably(incoming, final)


def drop_labelled(sha256: str) -> None:
    labelled_path(sha256).unlink(missing_ok=True)
    labelled_preview_path(sha256).unlink(missing_ok=True)


def keep_durably(incoming: Path, final: Path) -> None:
    """Sync a file of `incoming/` and give it its name, in place of what may be there.

    Raises:
        OSError: nothing was kept; ENOSPC when the disk is full.
    """
    _make_durable_dir(final.parent)
    with incoming.open("rb+") as file:
        os.fsync(file.fileno())
    incoming.replace(final)
    sync_dir(final.parent)


def write_durably(final: Path, content: bytes) -> None:
    """As `keep_durably`, of what is in memory."""
    part = incoming_dir() / uuid.uuid4().hex
    try:
        part.write_bytes(content)
        keep_durably(part, final)
    finally:
        part.unlink(missing_ok=True)


def keep_original(incoming: Path, image_id: uuid.UUID) -> Path:
    """Make an upload durable under its final name: sync the bytes, link, sync the folder.

    Raises:
        OSError: nothing was kept; ENOSPC when the disk is full.
    """
    final = _ready_to_name(incoming, image_id)
    os.link(incoming, final)  # fails, rather than overwrites, if the name were taken
    sync_dir(final.parent)
    incoming.unlink()
    return final


def keep_report(image_id: uuid.UUID, report_id: uuid.UUID, files: Mapping[str, bytes]) -> None:
    """Make the files of a report durable, by their endings.

    Raises:
        OSError: not all were kept; ENOSPC when the disk is full.
    """
    folder = report_path(image_id, report_id, "").parent
    _make_durable_dir(folder)
    for ending, content in files.items():
        path = report_path(image_id, report_id, ending)
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.chmod(READ_ONLY)
    sync_dir(folder)


def drop_report(image_id: uuid.UUID, report_id: uuid.UUID) -> None:
    """Remove the files of one report; what is not there is no error."""
    for path in report_path(image_id, report_id, "").parent.glob(f"{report_id}*"):
        path.unlink(missing_ok=True)


def restore_original(incoming: Path, image_id: uuid.UUID) -> None:
    """Put an original that was lost or altered back from an upload of the right bytes."""
    final = _ready_to_name(incoming, image_id)
    incoming.replace(final)
    sync_dir(final.parent)


def is_intact(image_id: uuid.UUID, sha256: str) -> bool:
    """Whether an original is there and still has its recorded SHA-256."""
    path = original_path(image_id)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def drop_original(image_id: uuid.UUID) -> None:
    """Remove the file of an image whose row was never written."""
    original_path(image_id).unlink(missing_ok=True)


def erase(image_id: uuid.UUID) -> None:
    """Remove every file of an image; what is not there is no error."""
    for path in (original_path(image_id), settings.DATA_DIR / "orphans" / str(image_id)):
        if path.exists():
            path.unlink(missing_ok=True)
            sync_dir(path.parent)
    shutil.rmtree(preview_path(image_id, 0).parent, ignore_errors=True)
    shutil.rmtree(report_path(image_id, image_id, "").parent, ignore_errors=True)


def image_id(path: Path) -> uuid.UUID | None:
    """The row that a file or folder of ours is named by; None for anybody else's."""
    try:
        return uuid.UUID(path.name)
    except ValueError:
        return None


def copy_durably(source: Path, final: Path) -> None:
    """Put a synced copy of a file under its final name, in place of what may be there.

    A copy that was interrupted stays in `incoming/`, where the sweeper finds it.
    """
    part = incoming_dir() / uuid.uuid4().hex
    try:
        shutil.copyfile(source, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        _make_durable_dir(final.parent)
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
    sync_dir(final.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a disposable file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_beside(path, content)


def write_beside(path: Path, content: bytes) -> None:
    """The same in a folder that is there; one that is gone, for its image was erased, stays gone.

    Raises:
        FileNotFoundError: it is gone.
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # the disk was full, or the time was up


def sync_dir(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _ready_to_name(incoming: Path, image_id: uuid.UUID) -> Path:
    """Sync the bytes and the folder they go to; gives the name they get there."""
    final = original_path(image_id)
    _make_durable_dir(final.parent)
    with incoming.open("rb+") as file:
        os.fsync(file.fileno())
    incoming.chmod(READ_ONLY)
    return final


def _make_durable_dir(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for parent in (folder.parent, folder.parent.parent):
        sync_dir(parent)
