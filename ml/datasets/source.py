"""A manifest file or two folders: whichever the path turns out to be."""

from collections.abc import Callable
from pathlib import Path

from ml.datasets.folders import read_folders
from ml.datasets.manifest import Manifest, read_manifest


def read_data(data: Path, *, seed: int, on_read: Callable[[int, int], None]) -> Manifest:
    """Read a manifest (a file) or `Real/` and `Fake/` (a folder, split by the seed).

    Raises:
        DatasetError: as `read_manifest` and `read_folders`.
    """
    if data.is_dir():
        return read_folders(data, seed=seed, on_read=on_read)
    return read_manifest(data)
