"""Exchanging the files of a folder for staged ones by renaming, with a way back.

Nothing is deleted: what was there lies in a folder beside, under the time of the restore.
"""

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from deepfake_site.backup.files import ASIDE, STAGE, sync_folders
from detection.storage import sync_dir


class Place:
    """One folder whose entries are exchanged.

    Attributes:
        stage: where the new entries are written before anything is exchanged.
        aside: where the old ones lie afterwards; not there if there were none.
    """

    def __init__(self, root: Path, stamp: str) -> None:
        self._root = root
        self.stage, self.aside = root / f"{STAGE}{stamp}", root / f"{ASIDE}{stamp}"
        self._renamed: list[tuple[Path, Path]] = []

    def prepare(self) -> None:
        self.stage.mkdir(parents=True, mode=0o700)

    def put(self, *, away: Collection[str], last: str = "") -> None:
        """Move the old entries aside and the staged ones in.

        Args:
            away: entries that go aside even if nothing takes their place.
            last: the entry that goes first and comes last: without it no desk starts.
        """
        sync_folders(self.stage)
        staged = sorted(path.name for path in self.stage.iterdir())
        for name in self._in_order({*away, *staged}, first=last):
            if (self._root / name).exists():
                self.aside.mkdir(exist_ok=True, mode=0o700)
                self._rename(self._root / name, self.aside / name)
        for name in reversed(self._in_order(staged, first=last)):
            self._rename(self.stage / name, self._root / name)
        sync_dir(self._root)

    def undo(self) -> None:
        """Everything back to where it was."""
        while self._renamed:
            source, target = self._renamed.pop()
            target.rename(source)
        if self.aside.exists():
            self.aside.rmdir()
        self.discard()

    def discard(self) -> None:
        """Remove what was staged and is not in place."""
        shutil.rmtree(self.stage, ignore_errors=True)

    def _rename(self, source: Path, target: Path) -> None:
        source.rename(target)
        self._renamed.append((source, target))

    @staticmethod
    def _in_order(names: Iterable[str], *, first: str) -> list[str]:
        return sorted(names, key=lambda name: (name != first, name))
