"""What a file's place among folders says of it: real or fake, and of which source."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from ml.datasets.manifest import LABELS

MANIFEST = "manifest.csv"
NOT_DATA = {"__macosx", "thumbs.db", "desktop.ini"}  # what systems add to archives by themselves


@dataclass(frozen=True)
class Place:
    """The label that a folder's name gives, and the name of the folder it lies in, if any."""

    label: int
    source: str


def place_of(name: str) -> Place | None:
    """`Real/…` and `Fake/…`, in any case, at the top or below a folder that names the source.

    None where no folder says it, or one says real and another fake.
    """
    folders = PurePosixPath(name).parts[:-1]
    said = [at for at, folder in enumerate(folders) if folder.lower() in LABELS]
    if len({folders[at].lower() for at in said}) != 1:
        return None
    at = said[0]
    return Place(LABELS[folders[at].lower()], folders[at - 1] if at else "")


def is_data(name: str) -> bool:
    """Whether a file is meant as data: not hidden, and nothing that a system adds by itself."""
    parts = PurePosixPath(name).parts
    return not any(part.startswith(".") or part.lower() in NOT_DATA for part in parts)


def manifest_among(names: Iterable[str]) -> str:
    """The manifest at the top, or in the only folder at the top; empty where there is none."""
    data = [name for name in names if is_data(name)]
    tops = {PurePosixPath(name).parts[0] for name in data}
    places = [MANIFEST, *(f"{top}/{MANIFEST}" for top in tops if len(tops) == 1)]
    return next((name for name in places if name in data), "")
