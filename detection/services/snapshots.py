"""Frozen lists of labelled images, known by their hash."""

from pathlib import Path

from accounts.models import User
from detection.models import Dataset, Snapshot


def freeze(datasets: list[Dataset], *, name: str, by: User | None) -> Snapshot:
    """Freeze what these datasets hold now; the same rows give the same snapshot.

    Raises:
        Refused: nothing to learn from, or near-duplicates lie in two splits.
    """
    raise NotImplementedError


def manifest_of(snapshot: Snapshot) -> Path:
    """The manifest as `ml.datasets.manifest.read_manifest` reads it, with paths of this desk.

    Raises:
        Refused: one of its images was removed, so nothing may be trained on it any more.
    """
    raise NotImplementedError
