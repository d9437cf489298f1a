"""The door to ml's data sets: what files of an import are, and what a frozen list looks like."""

import csv
import hashlib
import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from django.conf import settings

from detection import hashing, storage
from detection.errors import Refused
from detection.import_sources import DAMAGE, MAX_FILES, ImportSource
from detection.models import ImportedFile
from ml.datasets.layout import is_data, manifest_among, place_of
from ml.datasets.manifest import COLUMNS, LABELS, SPLITS, read_rows
from ml.datasets.splits import SHARES, next_split, split_by_name
from ml.errors import DatasetError, UnreadableImage

__all__ = ["COLUMNS", "LABELS", "SHARES", "SPLITS", "next_split", "split_by_name"]

MIN_SIDE_PX = 64  # half of what the smallest network looks at
MAX_MANIFEST_BYTES = 32 << 20
CHUNK = 1 << 18
LONGEST = {"name": 500, "source": 80, "method": 80, "group": 120}
LABEL_NAMES = {number: name for name, number in LABELS.items()}
Outcome = ImportedFile.Outcome


@dataclass(frozen=True)
class Listed:
    """One file that an import names; `outcome` says so where it is known to be of no use."""

    name: str
    label: int | None = None
    source: str = ""
    method: str = ""
    group: str = ""
    split: str = ""
    sha256: str = ""
    outcome: str = Outcome.WAITING
    note: str = ""


@dataclass(frozen=True)
class Seen:
    """What one file turned out to be; kept under its hash where it can be learnt from."""

    outcome: str
    sha256: str = ""
    upright: str = ""
    mirrored: str = ""
    note: str = ""


def listed(source: ImportSource, *, name: str, licence: str) -> list[Listed]:
    """Every file that is meant as data, by a manifest where there is one, else by its folder.

    Args:
        name: of the dataset, for files whose folder names no source.
        licence: of the dataset; a row that states another is none of its.
    Raises:
        Refused: the manifest cannot be read, or nothing is there.
    """
    names = [source.manifest] if source.manifest else source.names()
    manifest = source.manifest or manifest_among(names)
    if manifest:
        found = [_of_row(row, manifest, licence) for row in _rows(source, manifest)]
    else:
        found = [_of_place(one, name) for one in names if is_data(one)]
    if not found:
        raise Refused("import_empty")
    if len(found) > MAX_FILES:
        raise Refused("import_too_many_files", str(MAX_FILES))
    return [one if _may_be_kept(one) else _beyond(one) for one in found]


def seen(source: ImportSource, name: str, *, sha256: str = "") -> Seen:
    """Read one file through the limited decoder, and keep its bytes under their hash.

    Args:
        sha256: what the manifest says it is; empty where it says nothing.
    Raises:
        ml.errors.DecoderUnavailable: the decoder does not start; nothing was found out.
        OSError: the disk is full.
    """
    part = storage.incoming_dir() / uuid.uuid4().hex
    try:
        received = _received(source, name, part)
        if received.outcome != Outcome.READ:
            return received
        if sha256 and received.sha256 != sha256:
            return replace(received, outcome=Outcome.OTHER_BYTES)
        return _looked_at(part, received.sha256)
    finally:
        part.unlink(missing_ok=True)


def manifest_csv(rows: Iterable[dict[str, str]]) -> bytes:
    """A manifest as ml reads it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def rows_of_manifest(path: Path) -> list[dict[str, str]]:
    """The rows of a frozen list, wherever it lies."""
    return read_rows(storage.read(path), path.name)


def _looked_at(part: Path, sha256: str) -> Seen:
    try:
        (width, height), hashes = hashing.size_and_hashes(part)
    except UnreadableImage as error:
        return Seen(Outcome.UNREADABLE, sha256, note=error.code)
    if min(width, height) < MIN_SIDE_PX:
        return Seen(Outcome.TOO_SMALL, sha256, note=f"{width} × {height}")
    storage.keep_labelled(part, sha256)
    return Seen(Outcome.READ, sha256, *hashes)


def _received(source: ImportSource, name: str, part: Path) -> Seen:
    """A file that was copied, with its SHA-256, or why it was not."""
    try:
        with source.open(name) as file:
            sha256 = _copied(file, part)
    except (FileNotFoundError, PermissionError):
        return Seen(Outcome.MISSING)
    except DAMAGE as error:
        return Seen(Outcome.UNREADABLE, note=type(error).__name__)
    return Seen(Outcome.READ, sha256) if sha256 else Seen(Outcome.TOO_LARGE)


def _copied(file: BinaryIO, part: Path) -> str:
    """The SHA-256 of a copy; empty for a file that is larger than any upload may be."""
    digest, left = hashlib.sha256(), settings.MAX_UPLOAD_BYTES
    with part.open("xb") as copy:
        while data := file.read(CHUNK):
            left -= len(data)
            if left < 0:
                return ""
            digest.update(data)
            copy.write(data)
    return digest.hexdigest()


def _rows(source: ImportSource, manifest: str) -> list[dict[str, str]]:
    try:
        with source.open(manifest) as file:
            content = file.read(MAX_MANIFEST_BYTES + 1)
    except (FileNotFoundError, *DAMAGE):
        raise Refused("manifest_unreadable") from None
    if len(content) > MAX_MANIFEST_BYTES:
        raise Refused("import_too_many_files", str(MAX_FILES))
    try:
        return read_rows(content, PurePosixPath(manifest).name)
    except DatasetError as error:
        raise Refused("manifest_unreadable", error.detail) from error


def _of_row(row: dict[str, str], manifest: str, licence: str) -> Listed:
    said = {column: (row[column] or "").strip() for column in COLUMNS}
    one = Listed(
        name=str(PurePosixPath(manifest).parent / said["path"]),
        label=LABELS.get(said["label"].lower()),
        source=said["source"],
        method=said["method"],
        group=said["group"],
        split=said["split"],
        sha256=said["sha256"].lower(),
    )
    if one.label is None:
        return replace(one, outcome=Outcome.WRONG_ROW, note=f"label {said['label'][:40]!r}")
    if one.split and one.split not in SPLITS:
        return replace(one, split="", outcome=Outcome.WRONG_ROW, note=f"split {one.split[:40]!r}")
    if not one.source:
        return replace(one, outcome=Outcome.WRONG_ROW, note="source ''")
    if said["licence"] and said["licence"].casefold() != licence.strip().casefold():
        return replace(one, outcome=Outcome.OTHER_LICENCE, note=said["licence"][:200])
    return one


def _of_place(name: str, dataset: str) -> Listed:
    place = place_of(name)
    if place is None:
        return Listed(name, source=dataset, outcome=Outcome.NO_LABEL)
    return Listed(name, place.label, place.source or dataset)


def _may_be_kept(one: Listed) -> bool:
    texts = {name: getattr(one, name) for name in LONGEST}
    is_sha256 = not one.sha256 or (len(one.sha256) == 64 and one.sha256.isalnum())
    return is_sha256 and all(
        len(text) <= LONGEST[name] and text.isprintable() for name, text in texts.items()
    )


def _beyond(one: Listed) -> Listed:
    """One whose texts are too long or no text."""
    short: dict[str, Any] = {
        name: _text(getattr(one, name))[:longest] for name, longest in LONGEST.items()
    }
    return replace(one, **short, sha256="", outcome=Outcome.WRONG_ROW, note="text")


def _text(value: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)
