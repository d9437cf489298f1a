"""Settings: safe by default, and a bad value is refused by the name of its variable."""

import ast
import itertools
import os
import re
import runpy
import secrets
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper

from accounts.models import User
from deepfake_site import pulse

ROOT = Path(current.BASE_DIR)
SITE = ROOT / "deepfake_site"
KEY = "only-for-tests-" * 5
READERS = {
    "env_certificates",
    "env_str",
    "env_bool",
    "env_int",
    "env_list",
    "env_choice",
    "env_choices",
    "env_networks",
    "env_secret",
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Loads the real settings in an environment of these variables alone."""

    def run(**environment: str) -> dict[str, Any]:
        base = {"UNMASK_DATA": str(tmp_path), "SECRET_KEY": KEY}
        monkeypatch.setattr(os, "environ", base | environment)
        return runpy.run_path(str(SITE / "settings.py"))

    return run


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("UNMASK_S3_BUCKET", "No Bucket"),
        ("UNMASK_S3_ENDPOINT", "s3.example.org/path"),
        ("UNMASK_S3_ENCRYPTION", "rot13"),
        ("UNMASK_S3_ACCESS_KEY", "without-its-secret"),
        ("UNMASK_S3_KMS_ID", "without-kms"),
        ("UNMASK_S3_TIMEOUT_S", "0"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("UNMASK_DEBUG", "perhaps"),
        ("UNMASK_SIGNUP", "perhaps"),
        ("UNMASK_ORIGIN", "unmask.example.org"),
        ("UNMASK_ORIGIN", "ftp://unmask.example.org"),
        ("UNMASK_ORIGIN", "https://unmask.example.org/desk"),
        ("UNMASK_ORIGIN", "https://unmask.example.org:port"),
        ("UNMASK_MAX_UPLOAD_MB", "0"),
        ("UNMASK_TRUSTED_PROXIES", "-1"),
        ("UNMASK_WORKERS", "many"),
        ("UNMASK_WEB_WORKERS", "0"),
        ("UNMASK_LOG_LEVEL", "LOUD"),
        ("UNMASK_REQUIRE_SECOND_FACTOR", "moderator,boss"),
        ("UNMASK_SESSION_IDLE_MINUTES", "4"),
        ("UNMASK_SESSION_HOURS", "0"),
        ("UNMASK_OIDC_URL", "http://id.example.org"),
        ("UNMASK_OIDC_URL", "https://id.example.org"),  # without UNMASK_OIDC_CLIENT_ID
        ("DATABASE_URL", "mysql://127.0.0.1/unmask"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_OWNER_URL", "postgres://owner@127.0.0.1/another"),
        ("UNMASK_AUDIT_EXPORT_EVENTS", "0"),
        ("EMAIL_URL", "nonsense"),
        ("REDIS_URL", "nonsense"),
        ("AUDIT_KEY", "too short"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY_FALLBACKS", "short"),
        ("SECRET_KEY_FALLBACKS", f"{KEY},short"),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "abcd" * 20),
        ("SECRET_KEY", "django-insecure-" + KEY),
        ("UNMASK_HOSTS", "*"),
        ("UNMASK_HOSTS", "desk.example.org, *"),
        ("UNMASK_LOG_FORMAT", "xml"),
        ("UNMASK_API_REQUESTS_PER_MINUTE", "0"),
        ("UNMASK_OUTBOUND_ALLOW", "10.0.0.5/8"),
        ("UNMASK_OUTBOUND_ALLOW", "10.0.0.0/8, intranet"),
        ("UNMASK_FETCH_URLS", "perhaps"),
        ("SECRET_KEY_FILE", "/nowhere/at/all"),
        ("UNMASK_METRICS_TOKEN", "short"),
        ("SENTRY_DSN", "https://sentry.example.org/1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:secret@collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer token"),
        ("UNMASK_METRICS_TOKEN", "with spaces " * 4),
    ],
)
def test_a_bad_value_stops_the_start_and_names_its_variable(load, variable, value):
    environment = {"SECRET_KEY": ""} if variable == "SECRET_KEY_FILE" else {}
    with pytest.raises(ImproperlyConfigured, match=variable):
        load(**environment | {variable: value})


@pytest.mark.parametrize(
    "origin",
    ["https://unmask.example.org", "http://10.0.0.5:8000", "http://localhost.example.org"],
)
def test_debug_pages_are_refused_where_others_could_reach_them(load, origin):
    with pytest.raises(ImproperlyConfigured, match=r"UNMASK_DEBUG.*UNMASK_ORIGIN"):
        load(UNMASK_DEBUG="1", UNMASK_ORIGIN=origin)


@pytest.mark.parametrize(
    "origin", ["", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:1"]
)
def test_debug_pages_may_be_had_on_ones_own_machine(load, origin):
    assert load(UNMASK_DEBUG="1", UNMASK_ORIGIN=origin)["DEBUG"] is True


def test_no_message_shows_the_secret_key(load):
    with pytest.raises(ImproperlyConfigured) as error:
        load(SECRET_KEY="django-insecure-" + KEY)
    assert KEY not in str(error.value)


def test_djangos_own_deployment_check_finds_nothing(tmp_path):
    production = {
        "PATH": os.environ["PATH"],
        "UNMASK_DATA": str(tmp_path),
        "UNMASK_ORIGIN": "https://unmask.example.org",
        "UNMASK_TRUSTED_PROXIES": "1",
        "SECRET_KEY": secrets.token_urlsafe(64),
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    run = subprocess.run(
        command, cwd=ROOT, env=production, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "no issues" in run.stdout


def test_it_is_safe_by_default(load):
    found = load()
    assert found["DEBUG"] is False
    assert found["UNMASK_SIGNUP"] is False
    assert found["HAS_MAIL"] is False
    assert set(found["ALLOWED_HOSTS"]) == {"127.0.0.1", "localhost", "[::1]"}
    assert found["SECURE_PROXY_SSL_HEADER"] is None


def test_a_public_address_that_is_https_hardens_the_cookies(load):
    found = load(UNMASK_ORIGIN="https://unmask.example.org")
    assert found["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert "unmask.example.org" in found["ALLOWED_HOSTS"]


def test_a_slash_after_the_public_address_changes_nothing(load):
    found = load(UNMASK_ORIGIN="https://unmask.example.org/")
    assert found["UNMASK_ORIGIN"] == "https://unmask.example.org"
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://unmask.example.org"]


def test_plain_http_still_lets_one_sign_in(load):
    found = load(UNMASK_ORIGIN="http://10.0.0.5:8000")
    assert found["SESSION_COOKIE_SECURE"] is False
    assert not found["SESSION_COOKIE_NAME"].startswith("__Host-")


def test_the_secret_key_may_come_from_a_file(load, tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    load(SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "key"))


def test_the_secret_key_may_lie_in_the_data_folder(load, tmp_path):
    (tmp_path / "secret_key").write_text(KEY)
    load(SECRET_KEY="")


def test_the_limit_is_given_in_megabytes(load):
    assert load(UNMASK_MAX_UPLOAD_MB="3")["MAX_UPLOAD_BYTES"] == 3 * 1024**2


def test_mail_is_used_where_it_is_configured(load):
    found = load(EMAIL_URL="smtp://user:password@mail.example.org:25")
    assert found["HAS_MAIL"] is True
    assert found["EMAIL_BACKEND"].endswith("smtp.EmailBackend")


def test_roles_that_need_a_second_factor_are_named_with_commas(load):
    assert load()["REQUIRE_SECOND_FACTOR"] == set()
    found = load(UNMASK_REQUIRE_SECOND_FACTOR="moderator, admin")
    assert found["REQUIRE_SECOND_FACTOR"] == {"moderator", "admin"}
    assert set(load(UNMASK_REQUIRE_SECOND_FACTOR=",".join(User.Role))["REQUIRE_SECOND_FACTOR"])


@pytest.mark.parametrize(
    ("origin", "has_keys"),
    [
        ("https://unmask.example.org", True),
        ("http://localhost:8000", True),
        ("http://unmask.example.org", False),
        ("http://127.0.0.1:8000", False),
        ("https://192.0.2.7", False),
        ("https://[2001:db8::1]", False),
    ],
)
def test_security_keys_are_offered_where_browsers_allow_them(load, origin, has_keys):
    assert ("webauthn" in load(UNMASK_ORIGIN=origin)["MFA_SUPPORTED_TYPES"]) is has_keys


def test_no_address_is_fetched_and_no_inner_network_reached_unless_one_says_so(load):
    assert load()["FETCH_URLS"] is False
    assert load()["OUTBOUND_ALLOW"] == []
    found = load(UNMASK_OUTBOUND_ALLOW="10.1.2.0/24, fd00:1::/64")["OUTBOUND_ALLOW"]
    assert [str(network) for network in found] == ["10.1.2.0/24", "fd00:1::/64"]


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == current.VERSION


# --- the database


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's own settings")
@pytest.mark.parametrize(
    ("pragma", "expected"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)],
)
def test_sqlite_loses_nothing_when_the_power_goes(db, tmp_path, pragma, expected):
    assert _pragma(tmp_path, pragma) == expected


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's own settings")
def test_sqlite_waits_for_its_turn_and_takes_it_at_once():
    options = current.DATABASES["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] >= 20


def _pragma(tmp_path: Path, pragma: str) -> object:
    """Asked of a database in a file, as installations have; tests may have it in memory."""
    own = current.DATABASES["default"] | {"NAME": str(tmp_path / "own.sqlite3")}
    wrapper = DatabaseWrapper(connection.settings_dict | own, alias="own")
    try:
        with wrapper.cursor() as cursor:
            cursor.execute(f"PRAGMA {pragma}")
            return cursor.fetchone()[0]
    finally:
        wrapper.close()


def test_behind_a_pooler_no_cursor_outlives_a_statement(load):
    url = "postgres://app@127.0.0.1:6432/unmask?DISABLE_SERVER_SIDE_CURSORS=true"
    found = load(DATABASE_URL=url)["DATABASES"]["default"]
    assert found["DISABLE_SERVER_SIDE_CURSORS"]
    assert found["OPTIONS"] == {}


def test_an_owner_of_the_tables_is_another_user_of_the_same_database(load):
    place = "127.0.0.1:5432/unmask"
    found = load(
        DATABASE_URL=f"postgres://app@{place}", DATABASE_OWNER_URL=f"postgres://owner@{place}"
    )
    assert found["DATABASES"]["owner"]["USER"] == "owner"
    with pytest.raises(ImproperlyConfigured, match="DATABASE_OWNER_URL"):
        load(DATABASE_URL=f"postgres://app@{place}", DATABASE_OWNER_URL=f"postgres://app@{place}")
    assert set(load()["DATABASES"]) == {"default"}


# --- .env.example


def _variables_read() -> set[str]:
    found = set()
    for path in SITE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in READERS:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    found.add(name.value)
                    if node.func.id == "env_secret":  # type: ignore[attr-defined]
                        found.add(f"{name.value}_FILE")
    return found


def test_every_variable_is_in_the_example_and_nothing_else():
    text = (ROOT / ".env.example").read_text()
    listed = re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", text, re.M)
    assert len(listed) == len(set(listed))
    # one is read by a program that imports nothing
    assert set(listed) == _variables_read() | {pulse.VARIABLE}


def test_every_variable_of_the_example_has_a_comment():
    lines = (ROOT / ".env.example").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"#?\s?[A-Z][A-Z0-9_]+=", line):
            assert before.startswith("#"), line


def test_the_search_for_variables_finds_some():
    assert {"SECRET_KEY", "SECRET_KEY_FILE", "PORT", "UNMASK_DATA"} <= _variables_read()
