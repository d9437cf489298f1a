"""SQL with which the database itself refuses to change a verdict that was given.

Put in place after every migration: SQLite forgets triggers when Django rebuilds their table.
"""

from typing import Any

from django.db import connections

FIXED = (
    "image_id",
    "model_version_id",
    "status",
    "completed_at",
    "verdict",
    "probability",
    "score",
    "logit",
    "reasons",
)
REFUSAL = "a verdict that was given stays"


def install(using: str, **_: Any) -> None:
    """Handles `post_migrate`."""
    connection = connections[using]
    if "detection_detection" not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        for statement in STATEMENTS[connection.vendor]:
            cursor.execute(statement)


def _changed(is_not: str) -> str:
    return " OR ".join(f"NEW.{column} {is_not} OLD.{column}" for column in FIXED)


STATEMENTS = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS detection_verdict_stays",
        "CREATE TRIGGER detection_verdict_stays BEFORE UPDATE ON detection_detection "
        f"WHEN OLD.status = 'done' AND ({_changed('IS NOT')}) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION detection_verdict_refuse() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
        "DROP TRIGGER IF EXISTS detection_verdict_stays ON detection_detection",
        "CREATE TRIGGER detection_verdict_stays BEFORE UPDATE ON detection_detection FOR EACH ROW "
        f"WHEN (OLD.status = 'done' AND ({_changed('IS DISTINCT FROM')})) "
        "EXECUTE FUNCTION detection_verdict_refuse()",
    ),
}
