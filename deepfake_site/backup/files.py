"""Files of the data folder: which of them a backup holds, and how one is copied for good."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections

from deepfake_site.backup.manifest import Entry
from detection.services.training import LOG_FILE
from detection.storage import Listed, files_of, opened_for_backup, sync_dir

# What nothing else can be made from; `orphans/` are originals that somebody may still look for.
KEPT = ("originals", "reports", "labelled", "snapshots", "artifacts", "imports", "orphans")
LOGS = f"training/*/{LOG_FILE}"
# What is drawn again, is of this moment alone, or has a place of its own in a backup.
LEFT_OUT = {
    *("previews", "labelled-previews", "static", "valkey", "incoming", "lock", "training"),
    *("audit", "installation", "secret_key", "audit_key", "report_key"),
}
# Folders of a restore: what was there before, and what is being put there.
ASIDE, STAGE = "before-restore-", "restoring-"
CHUNK_BYTES = 1 << 20


def kept_files(data: Path) -> Iterator[Listed]:
    """Every file that a backup holds, wherever it lies; more may come and go meanwhile."""
    for kind in KEPT:
        yield from files_of(kind)
    yield from (Listed(path, size_bytes=path.stat().st_size) for path in sorted(data.glob(LOGS)))


def unknown_names(data: Path) -> list[str]:
    """What lies in a data folder and is none of ours; no backup holds it."""
    ours = {*KEPT, *LEFT_OUT}
    database = Path(str(connections.settings[DEFAULT_DB_ALIAS]["NAME"])).name
    foreign = (path.name for path in data.iterdir() if path.name not in ours)
    return sorted(name for name in foreign if not name.startswith((database, ASIDE, STAGE)))


def copy_file(source: Path, target: Path, *, name: str, mode: int = 0o600) -> Entry:
    """Copy one file to the disk itself, hashing what is copied.

    Args:
        name: how the entry calls it.
    Raises:
        FileNotFoundError: the source is gone.
    """
    digest, size = hashlib.sha256(), 0
    with opened_for_backup(source) as reader:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with target.open("xb") as writer:
            while chunk := reader.read(CHUNK_BYTES):
                digest.update(chunk)
                size += writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
    target.chmod(mode)
    return Entry(name, size, digest.hexdigest())


def write_file(target: Path, content: bytes, *, name: str) -> Entry:
    """The same, of what is in memory."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with target.open("xb") as writer:
        writer.write(content)
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(0o600)
    return Entry(name, len(content), hashlib.sha256(content).hexdigest())


def sync_folders(root: Path) -> None:
    """Make the names below a folder durable; their bytes are already."""
    for folder, _folders, _files in os.walk(root):
        sync_dir(Path(folder))
