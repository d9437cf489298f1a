"""Two folders, `Real/` and `Fake/`, as a data set with grouped splits."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ml.datasets.identity import perceptual_hash, same_picture_groups
from ml.datasets.manifest import EXTERNAL, LABELS, Manifest, Sample, check_labels
from ml.datasets.splits import grouped_split
from ml.decoder import MIN_SIDE, Decoder
from ml.errors import DatasetError, UnreadableImage


def read_folders(
    folder: Path, *, seed: int, on_read: Callable[[int, int], None] = lambda done, total: None
) -> Manifest:
    """Every file under `Real/` and `Fake/`, in any case; names that start with a dot are not data.

    Pictures that look the same are one group, whatever their files are called and however they
    were saved.

    Raises:
        DatasetError: a folder is missing or empty, files cannot be read, or one is in both; all
            are listed.
    """
    labelled = [
        (path, label) for name, label in LABELS.items() for path in _files(_child(folder, name))
    ]
    group_of = _groups([path for path, _ in labelled], on_read)
    samples = [
        Sample(
            path=path,
            label=label,
            source=folder.name,
            method="",
            group=group_of[path],
            split="",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            licence="not stated",
        )
        for path, label in labelled
    ]
    check_labels(samples)
    return Manifest(tuple(grouped_split(samples, seed=seed)), _identity(samples, seed))


def read_sets(folder: Path) -> Manifest:
    """Every `name/real` and `name/fake` below a folder, in any case, as external test images.

    Each set is a source of its own; a set may lack one class. Nothing is split and nothing may
    be learnt from them.

    Raises:
        DatasetError: no set has an image, or a file is both real and fake.
    """
    samples = [
        Sample(
            path=path,
            label=label,
            source=child.name,
            method="",
            group=sha256,
            split=EXTERNAL,
            sha256=sha256,
            licence="not stated",
        )
        for child in sorted(folder.iterdir())
        if child.is_dir()
        for name, label in LABELS.items()
        for path in _listed(child, name)
        for sha256 in [hashlib.sha256(path.read_bytes()).hexdigest()]
    ]
    if not samples:
        raise DatasetError(f"{folder} holds no name/real/ or name/fake/ with files in it")
    check_labels(samples)
    return Manifest(tuple(samples), _identity(samples, 0))


def _listed(folder: Path, name: str) -> list[Path]:
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.lower() == name]
    return [path for child in found for path in _visible_files(child)]


def _child(folder: Path, name: str) -> Path:
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.lower() == name]
    if len(found) != 1:
        raise DatasetError(f"{folder} needs one folder named {name.title()}, found {len(found)}")
    return found[0]


def _files(folder: Path) -> list[Path]:
    files = _visible_files(folder)
    if not files:
        raise DatasetError(f"{folder} is empty")
    return files


def _visible_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def _groups(paths: list[Path], on_read: Callable[[int, int], None]) -> dict[Path, str]:
    hashes: list[np.ndarray] = []
    unreadable = []
    with Decoder() as decoder:
        for done, path in enumerate(paths, start=1):
            try:
                hashes.append(perceptual_hash(decoder.decode(path, min_side=MIN_SIDE).pixels))
            except UnreadableImage as error:
                unreadable.append(f"{path}: {error}")
            on_read(done, len(paths))
    if unreadable:
        raise DatasetError(f"{len(unreadable)} files cannot be read", tuple(unreadable))
    return {
        path: f"picture {n}" for path, n in zip(paths, same_picture_groups(hashes), strict=True)
    }


def _identity(samples: list[Sample], seed: int) -> str:
    lines = sorted(f"{sample.sha256} {sample.label}" for sample in samples)
    return hashlib.sha256("\n".join([f"seed {seed}", *lines]).encode()).hexdigest()
