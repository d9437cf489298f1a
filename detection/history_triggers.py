"""SQL with which the database itself keeps the rows that the history is searched by.

Whatever writes detections, images and submissions, and however, the copies follow in the same
transaction. Put in place after every migration: SQLite forgets triggers when Django rebuilds their
table.
"""

from typing import Any

from django.db import connections

TABLE = "detection_historyrow"
MAX_WORDS = 6000  # of all requests for one image together

KIND = """CASE WHEN {row}.status = 'failed' THEN 4 WHEN {row}.status <> 'done' THEN 0
WHEN {row}.verdict = 'likely_authentic' THEN 1 WHEN {row}.verdict = 'likely_manipulated' THEN 2
ELSE 3 END"""
DOOR = "CASE WHEN NEW.via = 'page' THEN 1 ELSE 2 END"
CONFIDENTIAL = "CASE WHEN {row}.is_confidential THEN 1 ELSE 0 END"

# What is judged again came by the door, and under the words, of what was judged before.
BEFORE = f"LEFT JOIN {TABLE} b ON b.detection_id = NEW.judged_before_id"
ADD = f"""INSERT INTO {TABLE}
(detection_id, image_id, owner_id, model_version_id, facet, rank, created_at, words)
SELECT NEW.id, i.id, i.owner_id, NEW.model_version_id,
 ({KIND.format(row="NEW")}) * 8 + COALESCE((b.facet / 2) % 4, 0) * 2
 + {CONFIDENTIAL.format(row="i")},
 COALESCE(NEW.probability, -1), NEW.created_at, COALESCE(b.words, '')
FROM detection_image i {BEFORE} WHERE i.id = NEW.image_id AND i.erased_at IS NULL"""
JUDGED = f"""UPDATE {TABLE} SET facet = ({KIND.format(row="NEW")}) * 8 + facet % 8,
 rank = COALESCE(NEW.probability, -1), created_at = NEW.created_at WHERE detection_id = NEW.id"""
HIDDEN = f"""UPDATE {TABLE} SET facet = facet - facet % 2 + {CONFIDENTIAL.format(row="NEW")}
WHERE image_id = NEW.id"""
ERASED = f"DELETE FROM {TABLE} WHERE image_id = NEW.id"
ASKED = f"""UPDATE {TABLE} SET
 facet = facet - facet % 8 + facet % 2 + (((facet / 2) % 4) | ({DOOR})) * 2,
 words = CASE WHEN NEW.words = '' OR length(words) > {MAX_WORDS} OR {{found}} THEN words
  WHEN words = '' THEN NEW.words ELSE words || ' ' || NEW.words END
WHERE detection_id = NEW.detection_id"""
# Whoever ends a detection holds it when its row here is written; so does a request, in that order.
HOLD = {
    "history_asked": "PERFORM 1 FROM detection_detection WHERE id = NEW.detection_id"
    " FOR NO KEY UPDATE; "
}

# One row per trigger: name, table, when, what follows.
EVENTS = (
    ("history_added", "detection_detection", "INSERT", "", ADD),
    (
        "history_judged",
        "detection_detection",
        "UPDATE OF status, verdict, probability, created_at",
        "NEW.status {differs} OLD.status OR NEW.created_at {differs} OLD.created_at"
        " OR NEW.probability {differs} OLD.probability",
        JUDGED,
    ),
    (
        "history_hidden",
        "detection_image",
        "UPDATE OF is_confidential",
        "NEW.is_confidential {differs} OLD.is_confidential",
        HIDDEN,
    ),
    (
        "history_erased",
        "detection_image",
        "UPDATE OF erased_at",
        "NEW.erased_at IS NOT NULL AND OLD.erased_at IS NULL",
        ERASED,
    ),
    ("history_asked", "detection_submission", "INSERT", "", ASKED),
)
DIFFERS = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}
FOUND = {"sqlite": "instr({0}, {1}) > 0", "postgresql": "position({1} in {0}) > 0"}


def statements(vendor: str) -> list[str]:
    """What puts the triggers in place, also where they are already."""
    made = []
    for name, table, event, condition, action in EVENTS:
        found = FOUND[vendor].format("' ' || words || ' '", "' ' || NEW.words || ' '")
        action = action.replace("{found}", found)  # noqa: PLW2901
        condition = condition.format(differs=DIFFERS[vendor])  # noqa: PLW2901
        when = f"WHEN ({condition}) " if condition else ""
        start = f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW {when}"
        if vendor == "sqlite":
            made += [f"DROP TRIGGER IF EXISTS {name}", f"{start}BEGIN {action}; END"]
        else:
            made += [
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN {HOLD.get(name, '')}{action}; RETURN NULL; END $$",
                f"DROP TRIGGER IF EXISTS {name} ON {table}",
                f"{start}EXECUTE FUNCTION {name}()",
            ]
    return made


def install(using: str, **_: Any) -> None:
    """Handles `post_migrate`."""
    connection = connections[using]
    if TABLE not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            cursor.execute(statement)
