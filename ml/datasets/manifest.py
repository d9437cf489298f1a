"""Labelled images as rows of a CSV file: path, hash, label, source, group, split, licence."""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.errors import DatasetError

LABELS = {"real": 0, "fake": 1}
SPLITS = ("train", "val", "test")
EXTERNAL = "external"  # images from elsewhere, to measure on and nothing else
COLUMNS = ("path", "label", "source", "method", "group", "split", "sha256", "licence")


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        label: 1 = fake, 0 = real.
        group: images of one original (video, photograph); never in two splits.
    """

    path: Path
    label: int
    source: str
    method: str
    group: str
    split: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Manifest:
    """A frozen data set; `sha256` tells it from every other."""

    samples: tuple[Sample, ...]
    sha256: str

    def split(self, name: str) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.split == name)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; its paths are relative to its own folder.

    Raises:
        DatasetError: a missing column or file, a wrong value, or a group in two splits; every
            offending row is listed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}") from error
    samples = _samples(read_rows(content, path.name), path.parent)
    check_labels(samples)
    check_groups(samples)
    return Manifest(tuple(samples), hashlib.sha256(content).hexdigest())


def read_rows(content: bytes, name: str) -> list[dict[str, str]]:
    """The rows of a manifest as they are, whether or not what they say is true.

    Raises:
        DatasetError: it is no UTF-8, or a column is missing.
    """
    try:
        rows = csv.DictReader(content.decode("utf-8-sig").splitlines(), restval="")
        missing = set(COLUMNS) - set(rows.fieldnames or ())
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{name} is no CSV file in UTF-8: {error}") from error
    if missing:
        raise DatasetError(f"{name} has no column {', '.join(sorted(missing))}")
    return list(rows)


def check_groups(samples: Iterable[Sample]) -> None:
    """No group, and no file under two names, may be in more than one split.

    Raises:
        DatasetError: lists every such group and hash.
    """
    splits: dict[str, set[str]] = {}
    for sample in samples:
        splits.setdefault(f"group {sample.group}", set()).add(sample.split)
        splits.setdefault(f"file {sample.sha256}", set()).add(sample.split)
    torn = tuple(f"{key}: {', '.join(sorted(s))}" for key, s in splits.items() if len(s) > 1)
    if torn:
        raise DatasetError(f"{len(torn)} groups or files are in more than one split", torn)


def check_labels(samples: Iterable[Sample]) -> None:
    """No file may be listed as real and as fake.

    Raises:
        DatasetError: lists every such file.
    """
    labels: dict[str, set[int]] = {}
    for sample in samples:
        labels.setdefault(sample.sha256, set()).add(sample.label)
    torn = tuple(sha256 for sha256, found in labels.items() if len(found) > 1)
    if torn:
        raise DatasetError(f"{len(torn)} files are both real and fake", torn)


def _samples(rows: Sequence[dict[str, str]], folder: Path) -> list[Sample]:
    wrong = [problem for row in rows for problem in _problems(row, folder)]
    if wrong:
        raise DatasetError(f"{len(wrong)} rows of the manifest are wrong", tuple(wrong))
    return [sample_of(row, folder) for row in rows]


def sample_of(row: Mapping[str, str], folder: Path) -> Sample:
    """A row of a manifest, taken as it is; a path that is not absolute lies below the folder."""
    return Sample(
        path=folder / row["path"],
        label=LABELS[row["label"]],
        source=row["source"],
        method=row["method"],
        group=row["group"] or row["sha256"],
        split=row["split"],
        sha256=row["sha256"],
        licence=row["licence"],
    )


def _problems(row: dict[str, str], folder: Path) -> list[str]:
    problems = []
    if row["label"] not in LABELS:
        problems.append(f"{row['path']}: label {row['label']!r} is neither real nor fake")
    if row["split"] not in SPLITS:
        problems.append(f"{row['path']}: split {row['split']!r} is not one of {', '.join(SPLITS)}")
    if not (folder / row["path"]).is_file():
        problems.append(f"{row['path']}: no such file")
    return problems
