"""What a backup says of itself: `manifest.json`, and `files.jsonl` with a line for every file.

The files are listed apart because there may be millions of them; the manifest holds the SHA-256 of
the list, so that nothing in the folder can change unseen.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Self, TextIO

from deepfake_site.backup.errors import BackupError

FORMAT = 1
MANIFEST_FILE = "manifest.json"
LIST_FILE = "files.jsonl"


@dataclass(frozen=True)
class Entry:
    """One file of a backup; its path is relative to the backup's folder."""

    path: str
    size_bytes: int
    sha256: str

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a line of the list.

        Raises:
            BackupError: it is none, or its path leads out of the backup.
        """
        try:
            value = json.loads(line)
            entry = cls(str(value["path"]), int(value["size_bytes"]), str(value["sha256"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BackupError(f"{LIST_FILE} has a line that is none: {line[:80]!r}.") from error
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts:
            raise BackupError(f"{LIST_FILE} names {entry.path!r}, which is outside of the backup.")
        return entry

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=True) + "\n"


@dataclass(frozen=True)
class Manifest:
    """What was copied, when, and from what.

    Attributes:
        release: of Unmask, such as `0.1.0`.
        taken_at: ISO 8601, a moment before the database's state that was copied.
        database: `sqlite` or `postgresql`.
        rows: how many each table holds.
        migrations: `app.name` of those that were applied.
        erased: images that were erased while the files were copied; restoring erases their rows.
        missing: files that rows name and the desk itself did not have.
        fingerprints: of the desk's secrets, by their names; see `secret_keys`.
        files, size_bytes, list_sha256: of the list of files.
    """

    release: str
    taken_at: str
    database: str
    rows: Mapping[str, int]
    migrations: Sequence[str]
    erased: Sequence[str]
    missing: Sequence[str]
    fingerprints: Mapping[str, str]
    files: int
    size_bytes: int
    list_sha256: str
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a backup.

        Raises:
            BackupError: there is none, or none that this release can read.
        """
        try:
            value = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        except OSError as error:
            raise BackupError(f"{folder} is no backup: no {MANIFEST_FILE} can be read.") from error
        except ValueError as error:
            raise BackupError(f"{folder / MANIFEST_FILE} was altered: it is no JSON.") from error
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise BackupError(f"{folder} is no backup that this release can read.")
        try:
            return cls(**value)
        except TypeError as error:
            raise BackupError(f"{folder / MANIFEST_FILE} was altered: {error}.") from error

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (folder / MANIFEST_FILE).write_text(text + "\n", "utf-8")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entries(folder: Path) -> Iterator[Entry]:
    """Every line of a backup's list of files."""
    with (folder / LIST_FILE).open(encoding="utf-8") as lines:
        for line in lines:
            yield Entry.from_line(line)


def differences(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What is missing or altered in a backup, by name. Reads every byte of it."""
    if not (folder / LIST_FILE).is_file():
        yield f"missing: {LIST_FILE}"
        return
    if sha256_of(folder / LIST_FILE) != manifest.list_sha256:
        yield f"altered: {LIST_FILE}"
        return
    for entry in entries(folder):
        path = folder / entry.path
        if not path.is_file():
            yield f"missing: {entry.path}"
        elif path.stat().st_size != entry.size_bytes or sha256_of(path) != entry.sha256:
            yield f"altered: {entry.path}"


class Listing:
    """Writes a backup's list of files, and counts."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self.files = self.size_bytes = 0

    def add(self, entry: Entry) -> None:
        self._lines.write(entry.line())
        self.files += 1
        self.size_bytes += entry.size_bytes
