"""SQLite: a copy by its own backup interface, and exchanging one file for another."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.files import ASIDE, copy_file
from detection.storage import sync_dir

PARTS = ("", "-wal", "-shm")


def dump(connection: BaseDatabaseWrapper, target: Path) -> None:
    """Copy what the connection's transaction sees, and look whether the copy is sound."""
    source: sqlite3.Connection = connection.connection
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        [found] = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"The database is damaged, and so would be its copy: {found}.")
    target.chmod(0o600)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


class Exchange:
    """Puts a copy in the database's place, and the old one back if it must.

    Attributes:
        kept: where the old database lies, in words; empty where there was none.
    """

    def __init__(self, copy: Path, stamp: str) -> None:
        self._copy, self._stamp = copy, stamp
        self._path = Path(str(connections.settings[DEFAULT_DB_ALIAS]["NAME"]))
        self._new = self._named(".restoring")
        self._renamed: list[tuple[Path, Path]] = []
        self.kept = ""

    def prepare(self) -> None:
        """Write the copy beside the database, so that putting it there is one rename."""
        self.discard()
        copy_file(self._copy, self._new, name="")

    def put(self) -> None:
        if connections[DEFAULT_DB_ALIAS].introspection.table_names():
            self.kept = str(self._named(f".{ASIDE}{self._stamp}"))
        connections.close_all()
        for old in filter(Path.exists, map(self._named, PARTS)):
            self._rename(old, old.with_name(f"{old.name}.{ASIDE}{self._stamp}"))
        self._rename(self._new, self._path)
        sync_dir(self._path.parent)

    def undo(self) -> None:
        """Every file back to where it was; none is touched that `put` did not move."""
        connections.close_all()
        if (self._new, self._path) in self._renamed:
            for part in PARTS[1:]:  # of the restored one, which goes
                self._named(part).unlink(missing_ok=True)
        while self._renamed:
            source, target = self._renamed.pop()
            target.rename(source)
        self.discard()

    def discard(self) -> None:
        """Remove what is of no more use: the staged copy, and an old database without tables."""
        self._new.unlink(missing_ok=True)
        if not self.kept:
            for _old, aside in self._renamed[:-1]:
                aside.unlink(missing_ok=True)

    def _rename(self, source: Path, target: Path) -> None:
        source.rename(target)
        self._renamed.append((source, target))

    def _named(self, ending: str) -> Path:
        return self._path.with_name(self._path.name + ending)
