"""One state of the database for as long as a copy of it takes, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.management.commands.prepare_database import OWNER
from deepfake_site.backup import postgresql, sqlite

COPY_FILES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
DUMP = {"sqlite": sqlite.dump, "postgresql": postgresql.dump}
BEGIN = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}
# A desk that holds nothing of these is new.
CONTENT = ("accounts_user", "accounts_auditevent", "detection_image")


def alias() -> str:
    """The connection that may read and change everything: the owner's where there is one."""
    return OWNER if OWNER in connections.settings else DEFAULT_DB_ALIAS


def vendor() -> str:
    return connections[DEFAULT_DB_ALIAS].vendor


def dump(connection: BaseDatabaseWrapper, target: Path) -> None:
    """Copy the state that `snapshot` holds into a file.

    Raises:
        BackupError: it cannot be copied.
    """
    DUMP[connection.vendor](connection, target)


@contextmanager
def snapshot() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own that sees one state; the desk goes on writing beside it."""
    connection = connections.create_connection(alias())
    try:
        with connection.cursor() as cursor:
            cursor.execute(BEGIN[connection.vendor])
            cursor.execute("SELECT count(*) FROM django_migrations")  # from here on it is fixed
        yield connection
    finally:
        connection.close()


def size_bytes() -> int:
    """How large a copy may become."""
    with connections[alias()].cursor() as cursor:
        cursor.execute(SIZE[vendor()])
        return int(cursor.fetchone()[0])


def row_counts(connection: BaseDatabaseWrapper) -> dict[str, int]:
    counts = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
            counts[table] = int(cursor.fetchone()[0])
    return counts


def migrations(connection: BaseDatabaseWrapper) -> list[str]:
    """`app.name` of every migration that was applied."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY app, name")
        return [f"{app}.{name}" for app, name in cursor.fetchall()]


def has_content() -> bool:
    """Whether anybody ever used this database."""
    connection = connections[alias()]
    with connection.cursor() as cursor:
        for table in {*CONTENT}.intersection(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")
            if cursor.fetchone():
                return True
    return False
