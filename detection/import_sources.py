"""Where the files of an import come from: a ZIP, a folder, or a manifest in a folder.

An archive is hostile until its directory was looked at: nothing is read of one that names places
outside itself, holds links, other archives or passwords, or unpacks to far more than it is.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from detection.errors import Refused

MAX_FILES = 50_000
MAX_DIRECTORY_BYTES = 16 << 20  # of an archive's list of files: some 300 bytes a file
# Photographs are compressed already: an archive of them unpacks to little more than it is.
MAX_GROWTH, FREE_BYTES = 20, 64 << 20
ARCHIVES = {".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cab", ".jar"}
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# What reading a member of a damaged archive may raise.
DAMAGE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error)
END, END_BYTES, LOCATOR, LOCATOR_BYTES = b"PK\x05\x06", 22, b"PK\x06\x07", 20
MAX_COMMENT_BYTES = 0xFFFF


class ImportSource(Protocol):
    """Files under relative names with slashes."""

    manifest: str
    """The only file that says which others are data; empty where folders say it."""

    def names(self) -> list[str]: ...

    def open(self, name: str) -> BinaryIO:
        """Raises FileNotFoundError for what is not there or leads outside."""
        ...


class FolderSource:
    """Files below a folder; links that lead out of it lead nowhere."""

    def __init__(self, root: Path, manifest: str = "") -> None:
        self.root, self.manifest = root.resolve(), manifest

    def names(self) -> list[str]:
        """Raises Refused where there are more files than one import takes."""
        found: list[str] = []
        for folder, folders, files in os.walk(self.root):
            folders.sort()
            below = Path(folder).relative_to(self.root)
            found += ((below / name).as_posix() for name in sorted(files))
            if len(found) > MAX_FILES:
                raise Refused("import_too_many_files", str(MAX_FILES))
        return found

    def open(self, name: str) -> BinaryIO:
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            raise FileNotFoundError(name)
        return path.open("rb")


class ZipSource:
    """Members of an archive that `checked_archive` let through."""

    manifest = ""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._members = {_name(member): member for member in _files(archive)}
        self._archive = archive

    def names(self) -> list[str]:
        return sorted(self._members)

    def open(self, name: str) -> BinaryIO:
        member = self._members.get(str(PurePosixPath(name)))
        if member is None:
            raise FileNotFoundError(name)
        return self._archive.open(member)  # type: ignore[return-value]


@contextmanager
def opened(path: Path) -> Iterator[ImportSource]:
    """The files of an import, by what lies at its path.

    Raises:
        Refused: nothing is there, or the archive is hostile or damaged.
    """
    if path.is_dir():
        yield FolderSource(path)
    elif path.suffix.lower() == ".csv" and path.is_file():
        yield FolderSource(path.parent, path.name)
    elif path.is_file():
        with checked_archive(path) as archive:
            yield ZipSource(archive)
    else:
        raise Refused("import_path_gone")


@contextmanager
def checked_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A ZIP whose directory promises nothing but files of its own, of a plausible size.

    Raises:
        Refused: it is damaged or hostile; `detail` names the member.
    """
    with path.open("rb") as file:
        _check_directory_size(file)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise Refused("archive_damaged") from error
        with archive:
            _check(archive, path.stat().st_size)
            yield archive


def _check_directory_size(file: BinaryIO) -> None:
    """Before the library reads the directory, which takes memory for every entry it claims."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - END_BYTES - MAX_COMMENT_BYTES - LOCATOR_BYTES)
    file.seek(start)
    tail = file.read()
    at = len(tail) - END_BYTES
    if at < 0 or tail[at : at + 4] != END:
        at = tail.rfind(END)
    if at < 0 or len(tail) < at + END_BYTES:
        raise Refused("archive_damaged")
    if tail[max(0, at - LOCATOR_BYTES) : at].startswith(LOCATOR):
        raise Refused("archive_damaged", "ZIP64")
    if int.from_bytes(tail[at + 12 : at + 16], "little") > MAX_DIRECTORY_BYTES:
        raise Refused("import_too_many_files", str(MAX_FILES))
    file.seek(0)


def _check(archive: zipfile.ZipFile, size_bytes: int) -> None:
    members = _files(archive)
    if len(archive.infolist()) > 2 * MAX_FILES or len(members) > MAX_FILES:
        raise Refused("import_too_many_files", str(MAX_FILES))
    for member in archive.infolist():
        _check_member(member)
    names = [_name(member) for member in members]
    if len(set(names)) != len(names):
        raise Refused("archive_hostile", "one name twice")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_GROWTH * size_bytes + FREE_BYTES or _overlap(members):
        raise Refused("archive_bomb")


def _check_member(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(_slashed(member))
    kind = stat.S_IFMT(member.external_attr >> 16)
    is_outside = path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]
    has_drive = bool(path.parts) and len(path.parts[0]) == 2 and path.parts[0].endswith(":")
    if is_outside or has_drive or "\x00" in member.orig_filename:
        raise Refused("archive_hostile", _shown(member))
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Refused("archive_hostile", _shown(member))
    if member.flag_bits & 1 or member.compress_type not in METHODS:
        raise Refused("archive_locked", _shown(member))
    if path.suffix.lower() in ARCHIVES:
        raise Refused("archive_nested", _shown(member))


def _overlap(members: list[zipfile.ZipInfo]) -> bool:
    """Whether members share bytes, as in an archive that unpacks one of them many times."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    return any(
        one.header_offset + one.compress_size > other.header_offset
        for one, other in pairwise(ordered)
    )


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [member for member in archive.infolist() if not _slashed(member).endswith("/")]


def _name(member: zipfile.ZipInfo) -> str:
    return str(PurePosixPath(_slashed(member)))


def _slashed(member: zipfile.ZipInfo) -> str:
    """Some programs write the separator of Windows."""
    return member.filename.replace("\\", "/")


def _shown(member: zipfile.ZipInfo) -> str:
    return "".join(c for c in member.filename if c.isprintable())[:80]
