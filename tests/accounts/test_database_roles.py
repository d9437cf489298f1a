"""Two real roles on a database of the test's own: what the application's may not do, and that it
works all the same.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.db import connection

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="roles are PostgreSQL's"),
]
WORK = """
from accounts import audit, checkpoints
from accounts.models import AuditEvent, User
from accounts.keys import issue_key
from detection.models import Detection, ModelVersion
from detection.services import installation
from detection.tasks import finish_erasures, run_detection, sweep, tidy, tidy_files
from tests.factories import submitted

installation.bind()
version = ModelVersion.objects.get(state="active")
owner = User.objects.create_user("owner@example.org", "correct horse battery staple")
detection = submitted(owner).detection
run_detection(str(detection.pk))
detection.refresh_from_db()
assert detection.status == "done", detection.failure_code
issue_key(by=owner, owner=owner, name="pipeline", scopes=["detections:read"])
from django.core.cache import cache
cache.set("a", 1)
assert cache.get("a") == 1
sweep(); tidy(); finish_erasures(); tidy_files()
assert checkpoints.seal()
event = AuditEvent.objects.filter(target_type="submission").get()
event.detail.delete()
print(AuditEvent.objects.count(), "events")
"""
GOES_ON = """
from accounts import audit, checkpoints
from accounts.keys import issue_key
from accounts.models import User

owner = User.objects.get(email="owner@example.org")
issue_key(by=owner, owner=owner, name="another", scopes=["detections:read"])
assert checkpoints.seal()
print("it goes on")
"""
INTERRUPTED = """
from django.db import connections
from accounts.database_roles import grant

def interrupt(execute, sql, params, many, context):
    if sql.startswith("GRANT") and "accounts_apikey" in sql:
        raise KeyboardInterrupt
    return execute(sql, params, many, context)

with connections["owner"].execute_wrapper(interrupt):
    try:
        grant(connections["owner"], connections["default"].settings_dict["USER"])
    except KeyboardInterrupt:
        print("interrupted")
"""
FORBIDDEN = (
    "UPDATE accounts_auditevent SET action = 'x'",
    "DELETE FROM accounts_auditevent",
    "TRUNCATE accounts_auditevent",
    "TRUNCATE accounts_auditevent CASCADE",
    "ALTER TABLE accounts_auditevent DISABLE TRIGGER ALL",
    "ALTER TABLE accounts_auditevent DISABLE TRIGGER audit_event_no_change",
    "DROP TRIGGER audit_event_no_change ON accounts_auditevent",
    "CREATE TRIGGER mine BEFORE INSERT ON accounts_auditevent FOR EACH ROW "
    "EXECUTE FUNCTION audit_event_refuse()",
    "ALTER TABLE accounts_auditevent DROP COLUMN mac",
    "ALTER TABLE accounts_auditevent RENAME TO elsewhere",
    "ALTER TABLE accounts_auditevent OWNER TO CURRENT_USER",
    "DROP TABLE accounts_auditevent CASCADE",
    "CREATE RULE mine AS ON INSERT TO accounts_auditevent DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NEW; END $$",
    "DROP FUNCTION audit_event_refuse() CASCADE",
    "SET session_replication_role = replica",
    "INSERT INTO accounts_auditchain (number, seq, head) VALUES (99, 0, 'x')",
    "DELETE FROM accounts_auditchain",
    "TRUNCATE accounts_auditchain",
    "DELETE FROM django_migrations",
    "CREATE TABLE mine (id int)",
    "SET ROLE {owner}",
)
Ask = Callable[[str], list[Any]]


def _connected(**more: str) -> Any:
    database = connection.Database.connect(**(_place() | more))  # type: ignore[attr-defined]
    database.autocommit = True
    return database


def _place() -> dict[str, Any]:
    stated = connection.settings_dict
    place = {"host": stated["HOST"], "port": stated["PORT"], "user": stated["USER"]}
    return {
        **{name: value for name, value in place.items() if value},
        "password": stated["PASSWORD"],
        "dbname": "postgres",
    }


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    mark = uuid.uuid4().hex[:12]
    return {"dbname": f"roles_{mark}", "owner": f"owner_{mark}", "app": f"app_{mark}"}


@pytest.fixture(scope="module")
def environment(
    names: dict[str, str], tmp_path_factory: pytest.TempPathFactory, django_db_setup: None
) -> Iterator[dict[str, str]]:
    """A prepared database, an installation's data folder, and the application's variables."""
    admin = _connected()
    with admin.cursor() as cursor:
        for role in ("owner", "app"):
            cursor.execute(f"CREATE ROLE {names[role]} LOGIN PASSWORD 'secret'")
        cursor.execute(f"CREATE DATABASE {names['dbname']} OWNER {names['owner']}")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE", "TEST_"))}
    application = kept | {
        "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
        "UNMASK_DATA": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "only-for-tests-" * 5,
        "REDIS_URL": "redis://127.0.0.1:1/0",  # nobody answers, so no doorbell is heard
        "DATABASE_URL": _url(names, "app"),
    }
    try:
        manage(application | {"DATABASE_OWNER_URL": _url(names, "owner")}, "prepare_database")
        yield application
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {names['dbname']} WITH (FORCE)")
            for role in ("owner", "app"):
                cursor.execute(f"DROP ROLE {names[role]}")
        admin.close()


def _url(names: dict[str, str], role: str) -> str:
    place = _place()
    port = place.get("port", 5432)
    return f"postgres://{names[role]}:secret@{place['host']}:{port}/{names['dbname']}"


def manage(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    ran = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=Path(settings.BASE_DIR),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture
def ask(environment: dict[str, str], names: dict[str, str]) -> Iterator[Ask]:
    """One statement as the application's role."""
    database = _connected(user=names["app"], password="secret", dbname=names["dbname"])

    def run(statement: str) -> list[Any]:
        with database.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    yield run
    database.close()


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_applications_role_may_not(ask: Ask, names, statement: str):
    refused = connection.Database.errors.InsufficientPrivilege  # type: ignore[attr-defined]
    with pytest.raises(refused):
        ask(statement.format(**names))


def test_it_cannot_give_itself_rights(ask: Ask):
    ask("GRANT UPDATE, DELETE ON accounts_auditevent TO CURRENT_USER")  # PostgreSQL only warns
    for right in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
        asked = f"SELECT has_table_privilege('accounts_auditevent', '{right}')"
        assert ask(asked) == [(False,)], right


def test_it_owns_nothing(ask: Ask):
    owned = "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = current_user"
    assert ask(owned) == []
    assert ask("SELECT proname FROM pg_proc WHERE pg_get_userbyid(proowner) = current_user") == []


class Worked(NamedTuple):
    """What was said at work, and by the verification after it."""

    work: str
    verified: str


@pytest.fixture(scope="module")
def worked(environment: dict[str, str]) -> Worked:
    manage(environment, "register_model", "--shipped", "--activate-if-none")
    work = manage(environment, "shell", "-c", WORK)
    return Worked(work, manage(environment, "verify_audit"))


def test_the_application_works_with_it(worked):
    assert "events" in worked.work
    assert "Nothing was changed." in worked.verified


def test_it_can_be_prepared_again(environment, names, ask: Ask):
    with_owner = environment | {"DATABASE_OWNER_URL": _url(names, "owner")}
    manage(with_owner, "prepare_database")
    assert "No changes" in manage(with_owner, "makemigrations", "--check", "--dry-run")
    assert ask("SELECT count(*) FROM accounts_auditchain") == [(17,)]


def test_rights_that_are_written_anew_are_never_away(environment, names, ask: Ask):
    with_owner = environment | {"DATABASE_OWNER_URL": _url(names, "owner")}
    assert "interrupted" in manage(with_owner, "shell", "-c", INTERRUPTED)
    ask("SELECT count(*) FROM accounts_apikey")


def test_a_role_that_owns_the_tables_is_refused(environment, names):
    """The URLs the wrong way round: migrating fails, or the grants do."""
    other = _connected(dbname=names["dbname"])
    with other.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {names['app']}_second LOGIN SUPERUSER PASSWORD 'secret'")
    try:
        strong = dict(names, app=f"{names['app']}_second")
        urls = {
            "DATABASE_URL": _url(strong, "app"),
            "DATABASE_OWNER_URL": _url(names, "owner"),
        }
        assert "neither a superuser" in manage(environment | urls, "prepare_database", code=1)
    finally:
        with other.cursor() as cursor:
            cursor.execute(f"DROP ROLE {names['app']}_second")
        other.close()


# --- a backup, and back


@pytest.fixture(scope="module")
def restored(environment, names, worked, tmp_path_factory) -> str:
    """What was said when the desk was restored over itself, as the owner."""
    copy = str(tmp_path_factory.mktemp("backups") / "copy")
    with_owner = environment | {"DATABASE_OWNER_URL": _url(names, "owner")}
    manage(with_owner, "backup", copy, "--with-secrets")
    return manage(with_owner, "restore", copy, "--replace")


def test_a_restored_desk_is_verified_and_its_owner_is_the_same(restored, ask: Ask):
    assert "Everything is as recorded." in restored
    assert "Nothing was changed." in restored
    assert "before_restore_" in restored
    test_it_owns_nothing(ask)


def test_after_a_restore_the_applications_role_may_no_more_than_before(restored, names, ask: Ask):
    refused = connection.Database.errors.InsufficientPrivilege  # type: ignore[attr-defined]
    for statement in FORBIDDEN:
        with pytest.raises(refused):
            ask(statement.format(**names))
    test_it_cannot_give_itself_rights(ask)


def test_after_a_restore_not_even_the_owner_changes_an_event(restored, names):
    owner = _connected(user=names["owner"], password="secret", dbname=names["dbname"])
    with owner.cursor() as cursor, pytest.raises(connection.Database.Error, match="append-only"):
        cursor.execute("UPDATE accounts_auditevent SET action = 'x'")
    owner.close()


def test_after_a_restore_the_application_goes_on(restored, environment):
    assert "it goes on" in manage(environment, "shell", "-c", GOES_ON)
