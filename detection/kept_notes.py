"""SQL with which the database itself keeps earlier versions of a note as they were.

Words may be emptied, which is what erasing a person and removing a note do. Nothing else changes,
and no row goes. Put in place after every migration, as `detection.fixed_verdicts` is.
"""

from typing import Any

from django.db import connections

FIXED = ("note_id", "number", "created_at")
REFUSAL = "versions of a note are append-only"
TABLE = "detection_casenoteversion"


def install(using: str, **_: Any) -> None:
    """Handles `post_migrate`."""
    connection = connections[using]
    if TABLE not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        for statement in (*DROP[connection.vendor], *CREATE[connection.vendor]):
            cursor.execute(statement)


def _changed(is_not: str) -> str:
    changed = " OR ".join(f"NEW.{column} {is_not} OLD.{column}" for column in FIXED)
    return f"{changed} OR (NEW.text {is_not} OLD.text AND NEW.text {is_not} '')"


DROP = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS case_note_version_stays",
        "DROP TRIGGER IF EXISTS case_note_version_is_kept",
    ),
    "postgresql": (
        f"DROP TRIGGER IF EXISTS case_note_version_stays ON {TABLE}",
        f"DROP TRIGGER IF EXISTS case_note_version_is_kept ON {TABLE}",
    ),
}
CREATE = {
    "sqlite": (
        f"CREATE TRIGGER case_note_version_stays BEFORE UPDATE ON {TABLE} "
        f"WHEN {_changed('IS NOT')} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
        f"CREATE TRIGGER case_note_version_is_kept BEFORE DELETE ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION case_note_version_refuse() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
        f"CREATE TRIGGER case_note_version_stays BEFORE UPDATE ON {TABLE} FOR EACH ROW "
        f"WHEN ({_changed('IS DISTINCT FROM')}) EXECUTE FUNCTION case_note_version_refuse()",
        f"CREATE TRIGGER case_note_version_is_kept BEFORE DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION case_note_version_refuse()",
    ),
}
