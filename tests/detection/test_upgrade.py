"""A database of an earlier release, brought up to this one: nothing that was said changes."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings

BEFORE = (("accounts", "0008_nobodys_addresses"), ("detection", "0011_answer"))
KEPT = (
    "accounts_auditevent",
    "accounts_auditchain",
    "detection_image",
    "detection_detection",
    "detection_submission",
    "detection_feedback",
    "detection_modelversion",
)
# Step by step: a database that is begun today has all tables from one migration.
BRING_UP_TO = """
import django; django.setup()
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
executor = MigrationExecutor(connection)
executor.loader.replace_migrations = False
executor.loader.build_graph()
state = executor.migrate(%r)
emit_post_migrate_signal(0, False, "default", apps=state.apps, plan=[])
"""
# As the models were then; the audit trail's have not changed since.
FILL = """
import django; django.setup()
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from accounts import audit
from accounts.tasks import seal_audit
with connection.cursor() as cursor:  # put in place after every migration, as this release has them
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'hist%%'")
    for [name] in cursor.fetchall():
        cursor.execute(f"DROP TRIGGER {name}")
apps = MigrationExecutor(connection).loader.project_state(%r).apps
model = lambda app, name: apps.get_model(app, name)
owner = model("accounts", "User").objects.create(email="a@example.org", role="journalist")
version = model("detection", "ModelVersion").objects.create(
    name="fake", version="1", artifact_sha256="f" * 64, state="active")
for n in range(30):
    image = model("detection", "Image").objects.create(
        owner=owner, sha256=f"{n:064x}", size_bytes=1, format="JPEG", width=9, height=9,
        perceptual_hash=f"{n * 977:016x}", is_confidential=n %% 5 == 0)
    verdict = ("likely_authentic", "likely_manipulated", "inconclusive")[n %% 3]
    row = model("detection", "Detection").objects.create(
        image=image, model_version=version, status="done", verdict=verdict,
        probability=n / 30, completed_at=timezone.now(), attempt=1)
    model("detection", "Submission").objects.create(
        image=image, detection=row, by=owner, via="page", file_name=f"harbour {n}.jpg")
    for label in ("real", "fake")[: 1 + n %% 2]:
        model("detection", "Feedback").objects.create(
            detection=row, by=owner, label=label, category="other", comment="I was there.")
    with transaction.atomic():
        audit.record("detection.completed", actor=None, target=row, owner=owner)
seal_audit()
"""


@pytest.mark.slow
def test_an_older_database_keeps_every_verdict_claim_and_event(tmp_path: Path):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TEST_")},
        "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
        "UNMASK_DATA": str(tmp_path),
        "SECRET_KEY": "only-for-tests-" * 5,
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    environment.pop("DATABASE_URL", None)

    def run(*command: str) -> str:
        ran = subprocess.run(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run("-c", BRING_UP_TO % (list(BEFORE),))
    run("-c", FILL % (list(BEFORE),))
    path = tmp_path / "unmask.sqlite3"
    columns = {table: _columns(path, table) for table in KEPT}
    before = {table: _rows(path, table, columns[table]) for table in KEPT}
    assert (len(before["detection_detection"]), len(before["detection_feedback"])) == (30, 45)
    run("manage.py", "migrate")
    assert {table: _rows(path, table, columns[table]) for table in KEPT} == before
    assert run("manage.py", "verify_audit")

    environment["UNMASK_DATA"] = str(tmp_path / "new")
    (tmp_path / "new").mkdir()
    run("manage.py", "migrate")
    new = tmp_path / "new" / path.name
    assert _schema(path) == _schema(new)
    assert _indexes(path) == _indexes(new)


def _schema(path: Path) -> dict[str, list[str]]:
    """What each table, index and trigger is made of; columns may stand in any order."""
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {
            name: sorted(part.strip() for part in re.split(r",(?![^(]*\))", _body(sql)))
            for name, sql in made
        }


def _indexes(path: Path) -> dict[str, list[str]]:
    """By table, in the order they were made: of two that serve alike SQLite takes the later."""
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(path)) as connection:
        made = (
            "SELECT tbl_name, name FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%' ORDER BY rowid"
        )
        for table, name in connection.execute(made):
            found.setdefault(table, []).append(name)
    return found


def _body(sql: str) -> str:
    is_table = sql.startswith("CREATE TABLE")
    return sql[sql.index("(") + 1 : sql.rindex(")")] if is_table else sql


def _columns(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _rows(path: Path, table: str, columns: list[str]) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        names = ", ".join(f'"{name}"' for name in columns)
        return sorted(connection.execute(f"SELECT {names} FROM {table}"), key=repr)
