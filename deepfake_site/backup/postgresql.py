"""PostgreSQL: `pg_dump` of one exported state, and restoring it as one transaction.

The old tables stay in the database under another schema's name, so that they can come back.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.files import STAGE

SCHEMA = "public"
ASIDE = "before_restore_"
# libpq's options that a database's address may state, by the variables that say the same.
OPTIONS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
PATIENCE_S = 3
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL
"""


def dump(connection: BaseDatabaseWrapper, target: Path) -> None:
    """Have `pg_dump` copy what the connection's transaction sees."""
    tool = _tool("pg_dump", connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        [state] = cursor.fetchone()
    options = ["--format=custom", f"--schema={SCHEMA}", "--no-owner", "--no-privileges"]
    _run(connection, tool, *options, f"--snapshot={state}", f"--file={target}")
    target.chmod(0o600)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


class Exchange:
    """Puts a dump in the tables' place, and the old ones back if it must.

    Attributes:
        kept: where the old tables lie, in words; empty where there were none.
    """

    def __init__(self, copy: Path, stamp: str, *, alias: str, folder: Path) -> None:
        self._copy, self._alias = copy, alias
        self._aside = ASIDE + re.sub(r"\W", "_", stamp).lower()
        self._script = folder / f"{STAGE}{stamp}.sql"
        self._is_put = False
        self.kept = ""

    def prepare(self) -> None:
        """Make statements of the dump; whoever else uses the database is in the way.

        Raises:
            BackupError: the tools are not fit, or somebody else is connected.
        """
        connections.close_all()
        connection = connections[self._alias]
        if others := _others(connection):
            raise BackupError(
                f"{others} other connections use the database. Stop the web server, the workers "
                "and the scheduler first."
            )
        _tool("psql", connection)
        # What lies in the schema, without the schema, which `put` makes.
        options = [f"--schema={SCHEMA}", "--no-owner", "--no-privileges", f"--file={self._script}"]
        _run(connection, _tool("pg_restore", connection), *options, str(self._copy))
        self._script.chmod(0o600)

    def put(self) -> None:
        connection = connections[self._alias]
        away = f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"  # of a new database: it has no tables
        if connection.introspection.table_names():
            away = f"ALTER SCHEMA {SCHEMA} RENAME TO {self._aside}"
            self.kept = f"schema {self._aside} of the database"
        connections.close_all()
        _run(
            connection,
            _tool("psql", connection),
            *("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"),
            f"--command={away}",
            f"--command=CREATE SCHEMA {SCHEMA}",
            f"--file={self._script}",
        )
        self._is_put = True

    def undo(self) -> None:
        """Bring the old tables back, in one transaction, if they went."""
        self.discard()
        if not self._is_put:
            return
        connections.close_all()
        back = f"ALTER SCHEMA {self._aside} RENAME TO {SCHEMA}"
        with (
            transaction.atomic(using=self._alias),
            connections[self._alias].cursor() as cursor,
        ):
            cursor.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
            cursor.execute(back if self.kept else f"CREATE SCHEMA {SCHEMA}")

    def discard(self) -> None:
        """Remove what `prepare` wrote and nobody needs."""
        self._script.unlink(missing_ok=True)


def _others(connection: BaseDatabaseWrapper) -> int:
    """How many others are connected, once those who are just leaving are gone."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with connection.cursor() as cursor:
            cursor.execute(OTHERS)
            others = int(cursor.fetchone()[0])
        if not others or time.monotonic() > deadline:
            return others
        time.sleep(0.1)


def _tool(name: str, connection: BaseDatabaseWrapper) -> str:
    """A program of PostgreSQL's client tools that is no older than the server.

    Raises:
        BackupError: there is none.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    where = f"Install the client tools of PostgreSQL {server} (Debian: postgresql-client-{server})."
    if (path := shutil.which(name)) is None:
        raise BackupError(f"{name} is not on this machine. {where}")
    stated = _output(connection, path, "--version")
    found = re.search(r"\(PostgreSQL\) (\d+)", stated)
    if found is None or int(found[1]) < server:
        raise BackupError(f"{stated.strip()} is older than the server, {server}. {where}")
    return path


def _run(connection: BaseDatabaseWrapper, tool: str, *arguments: str) -> None:
    _output(connection, tool, *arguments)


def _output(connection: BaseDatabaseWrapper, tool: str, *arguments: str) -> str:
    ran = subprocess.run(
        [tool, *arguments],
        env=_environment(connection.settings_dict),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        said = " ".join(ran.stderr.split())[:500]
        raise BackupError(f"{Path(tool).name} failed: {said or ran.returncode}")
    return ran.stdout


def _environment(stated: Mapping[str, Any]) -> dict[str, str]:
    """How a tool reaches the database: by variables, since a command line is seen by everybody."""
    options = stated["OPTIONS"]
    named = {
        "PGHOST": stated["HOST"],
        "PGPORT": stated["PORT"],
        "PGUSER": stated["USER"],
        "PGPASSWORD": stated["PASSWORD"],
        "PGDATABASE": stated["NAME"],
        **{
            OPTIONS[k]: v
            for k, v in (options if isinstance(options, dict) else {}).items()
            if k in OPTIONS
        },
    }
    named |= {OPTIONS[name]: value for name, value in options.items() if name in OPTIONS}
    kept = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return kept | {name: str(value) for name, value in named.items() if value}
