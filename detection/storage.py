"""Durable files: an original is synced under its final name before any row names it.

Below UNMASK_DATA: `incoming/` (uploads in flight), `originals/ab/<image id>` (never altered),
`previews/ab/<image id>/<side>.jpg` and `<layer>-<version>.png` (rebuilt from pixels, disposable),
`artifacts/<sha256>/`, `training/<run id>/` (all but its log goes when the run ends),
`reports/ab/<image id>/<report id>…` (signed, never altered, gone with the image),
`labelled/ab/<sha256>` (imported to learn from) with `labelled-previews/` (disposable),
`imports/<import id>.zip` (until it was read) and `snapshots/<sha256>.csv`.

Where there is a bucket (docs/decisions/0024), what machines share lies in it under the same names:
a path is then a name, and is read and written by the functions below alone.
"""

import hashlib
import io
import os
import random
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from detection import bucket

READ_ONLY = 0o440
# What machines share; the rest is of the machine that works with it. Models are in both places.
SHARED = frozenset(
    {
        *("originals", "orphans", "previews", "reports", "labelled", "labelled-previews"),
        *("imports", "snapshots", "installation"),
    }
)


@dataclass(frozen=True)
class Listed:
    """One file, or what stands for a folder in a bucket, which has neither time nor size.

    Attributes:
        changed_at: seconds since 1970.
    """

    path: Path
    changed_at: float = 0.0
    size_bytes: int = 0


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


def in_bucket(path: Path) -> bool:
    """Whether a path of ours is a name in the bucket."""
    if not settings.S3_BUCKET or not path.is_relative_to(settings.DATA_DIR):
        return False
    return path.relative_to(settings.DATA_DIR).parts[0] in SHARED


def name_of(path: Path) -> str:
    """What a path of ours is called in the bucket, and in a backup."""
    return path.relative_to(settings.DATA_DIR).as_posix()


def exists(path: Path) -> bool:
    return bucket.exists(name_of(path)) if in_bucket(path) else path.is_file()


def opened(path: Path) -> BinaryIO:
    """A file of ours to be read; from the bucket all of it is here before the first byte is.

    Raises:
        FileNotFoundError: it is not there.
        StorageAway: the bucket does not answer.
    """
    return bucket.fetched(name_of(path)) if in_bucket(path) else path.open("rb")


def opened_for_backup(path: Path) -> BinaryIO:
    """As `opened`; of a model's file the bucket's, for here may be those of some models alone."""
    if settings.S3_BUCKET and path.is_relative_to(settings.DATA_DIR / "artifacts"):
        return bucket.fetched(name_of(path))
    return opened(path)


def read(path: Path) -> bytes:
    """As `opened`, all at once."""
    with opened(path) as file:
        return file.read()


@contextmanager
def local(path: Path) -> Iterator[Path]:
    """A path of this machine where a file of ours can be read; of one from the bucket for as long.

    Raises:
        as `opened`.
    """
    if not in_bucket(path):
        yield path
        return
    with bucket.fetched(name_of(path)) as file:
        yield Path(f"/proc/self/fd/{file.fileno()}")


def remove(path: Path) -> None:
    """Remove one file; one that is not there is no error."""
    if in_bucket(path):
        bucket.remove(name_of(path))
    else:
        path.unlink(missing_ok=True)


def listed(kind: str) -> Iterator[list[Listed]]:
    """What lies in each of the 256 folders of a kind, such as `originals`, folder by folder.

    Of a bucket in another order each time: a walk that is cut short begins elsewhere then.
    """
    if settings.S3_BUCKET:
        for number in random.sample(range(256), 256):  # nosec B311
            yield _listed_in_bucket(f"{kind}/{number:02x}/")
        return
    for folder in settings.DATA_DIR.glob(f"{kind}/*"):
        yield [one for path in folder.iterdir() if (one := _listed(path))]


def files_of(kind: str) -> Iterator[Listed]:
    """Every file of a kind, wherever it lies; more may come and go meanwhile."""
    if settings.S3_BUCKET and kind in {*SHARED, "artifacts"}:
        for found in bucket.objects(f"{kind}/"):
            yield Listed(settings.DATA_DIR / found.name, found.changed_at, found.size_bytes)
        return
    for folder, _folders, files in os.walk(settings.DATA_DIR / kind):
        paths = (Path(folder) / name for name in sorted(files))
        yield from (one for path in paths if (one := _listed(path)))


def keep_labelled(incoming: Path, sha256: str) -> None:
    """Make a file to learn from durable under its hash; one that is there becomes new again.

    New, because what nothing names is removed after a day; see `detection.services.orphans`.
    """
    final = labelled_path(sha256)
    if not in_bucket(final) and final.is_file():
        final.touch()
        return
    keep_durably(incoming, final)


def drop_labelled(sha256: str) -> None:
    remove(labelled_path(sha256))
    remove(labelled_preview_path(sha256))


def keep_durably(incoming: Path, final: Path) -> None:
    """Sync a file of `incoming/` and give it its name, in place of what may be there.

    Raises:
        OSError: nothing was kept; ENOSPC when the disk is full.
        StorageAway: the bucket does not answer; it may have been kept nevertheless.
    """
    if in_bucket(final):
        _send(incoming, final)
        return
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
        StorageAway: the bucket does not answer; it may have been kept nevertheless.
    """
    if in_bucket(final := original_path(image_id)):
        _send(incoming, final, is_new=True)
        return final
    final = _ready_to_name(incoming, image_id)
    os.link(incoming, final)  # fails, rather than overwrites, if the name were taken
    sync_dir(final.parent)
    incoming.unlink()
    return final


def keep_report(image_id: uuid.UUID, report_id: uuid.UUID, files: Mapping[str, bytes]) -> None:
    """Make the files of a report durable, by their endings.

    Raises:
        OSError: not all were kept; ENOSPC when the disk is full.
        StorageAway: the bucket does not answer; some may have been kept nevertheless.
    """
    folder = report_path(image_id, report_id, "").parent
    if in_bucket(folder):
        for ending, content in files.items():
            name = name_of(report_path(image_id, report_id, ending))
            bucket.put(name, io.BytesIO(content), is_new=True)
        return
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
    if in_bucket(path := report_path(image_id, report_id, "")):
        bucket.remove_all(name_of(path))
        return
    for path in report_path(image_id, report_id, "").parent.glob(f"{report_id}*"):
        path.unlink(missing_ok=True)


def restore_original(incoming: Path, image_id: uuid.UUID) -> None:
    """Put an original that was lost or altered back from an upload of the right bytes."""
    if in_bucket(final := original_path(image_id)):
        _send(incoming, final)
        return
    final = _ready_to_name(incoming, image_id)
    incoming.replace(final)
    sync_dir(final.parent)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(image_id: uuid.UUID, sha256: str) -> bool:
    """Whether an original is there and still has its recorded SHA-256."""
    try:
        with local(original_path(image_id)) as path:
            return sha256_of(path) == sha256
    except (FileNotFoundError, IsADirectoryError):
        return False


def drop_original(image_id: uuid.UUID) -> None:
    """Remove the file of an image whose row was never written."""
    remove(original_path(image_id))


def set_aside(image_id: uuid.UUID) -> None:
    """Move an original that no row names to `orphans/`."""
    path, aside = original_path(image_id), _orphan_path(image_id)
    if in_bucket(path):
        bucket.move(name_of(path), name_of(aside))
        return
    aside.parent.mkdir(exist_ok=True, mode=0o700)
    path.rename(aside)


def erase(image_id: uuid.UUID) -> None:
    """Remove every file of an image; what is not there is no error."""
    drawn, reports = preview_path(image_id, 0).parent, report_path(image_id, image_id, "").parent
    if in_bucket(drawn):
        for path in (original_path(image_id), _orphan_path(image_id)):
            bucket.remove(name_of(path))
        for folder in (drawn, reports):
            bucket.remove_all(f"{name_of(folder)}/")
        return
    for path in (original_path(image_id), _orphan_path(image_id)):
        if path.exists():
            path.unlink(missing_ok=True)
            sync_dir(path.parent)
    shutil.rmtree(drawn, ignore_errors=True)
    shutil.rmtree(reports, ignore_errors=True)


def image_id(path: Path) -> uuid.UUID | None:
    """The row that a file or folder of ours is named by; None for anybody else's."""
    try:
        return uuid.UUID(path.name)
    except ValueError:
        return None


def copy_durably(source: Path, final: Path) -> None:
    """Put a synced copy of a model's file under its final name, here and in the bucket if any.

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
    if settings.S3_BUCKET:
        with final.open("rb") as file:
            bucket.put(name_of(final), file)


def is_artifact_shared(folder: Path, names: Iterable[str]) -> bool:
    """Whether the other machines find a model's files, where they need them from a bucket."""
    return not settings.S3_BUCKET or all(bucket.exists(name_of(folder / name)) for name in names)


def bring_artifact_file(path: Path) -> None:
    """Put a copy of a model's file here, if the bucket has it; whoever loads it proves its hash."""
    part = incoming_dir() / uuid.uuid4().hex
    try:
        with bucket.fetched(name_of(path)) as file, part.open("xb") as copy:
            shutil.copyfileobj(file, copy)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.replace(path)
    except FileNotFoundError:
        return
    finally:
        part.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a disposable file so that a reader sees all of it or none."""
    if in_bucket(path):
        bucket.put(name_of(path), io.BytesIO(content))
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_beside(path, content)


def write_beside(path: Path, content: bytes) -> None:
    """The same in a folder that is there; one that is gone, for its image was erased, stays gone.

    A bucket knows no folders: what is written too late `detection.services.erasure.finish` removes.

    Raises:
        FileNotFoundError: it is gone.
    """
    if in_bucket(path):
        bucket.put(name_of(path), io.BytesIO(content))
        return
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


def _orphan_path(image_id: uuid.UUID) -> Path:
    return settings.DATA_DIR / "orphans" / str(image_id)


def _listed(path: Path) -> Listed | None:
    try:
        found = path.stat()
    except FileNotFoundError:  # gone since the folder was read
        return None
    return Listed(path, found.st_mtime, found.st_size)


def _listed_in_bucket(beginning: str) -> list[Listed]:
    """Objects, or what stands for folders where there are any."""
    data = settings.DATA_DIR
    if beginning.partition("/")[0] in {"previews", "reports"}:
        return [Listed(data / name) for name in bucket.folders(beginning)]
    return [
        Listed(data / one.name, one.changed_at, one.size_bytes) for one in bucket.objects(beginning)
    ]


def _send(incoming: Path, final: Path, *, is_new: bool = False) -> None:
    with incoming.open("rb") as file:
        bucket.put(name_of(final), file, is_new=is_new)
    incoming.unlink(missing_ok=True)


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
