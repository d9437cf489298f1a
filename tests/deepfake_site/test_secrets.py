"""Every secret may lie in a file, and none is ever shown or logged."""

import ast
import io
import logging
import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.models import User
from detection import history

ROOT = Path(current.BASE_DIR)
SETTINGS = ROOT / "deepfake_site" / "settings.py"
MARK = "planted0marker"
# They sound like one: a public address, and a switch.
NO_SECRETS = {"UNMASK_OIDC_URL", "UNMASK_FETCH_URLS"}
# What a secret needs beside it.
BESIDE = {
    "DATABASE_OWNER_URL": {"DATABASE_URL": "postgres://app@127.0.0.1:1/unmask"},
    "UNMASK_S3_ACCESS_KEY": {"UNMASK_S3_SECRET_KEY": "x"},
    "UNMASK_S3_SECRET_KEY": {"UNMASK_S3_ACCESS_KEY": "x"},
}
# A value of each that the settings take, and what becomes of it; a new secret needs its row.
SECRETS = {
    "SECRET_KEY": (f"{MARK}-" * 5, "SECRET_KEY"),
    "SECRET_KEY_FALLBACKS": (f"{MARK}-" * 5, "SECRET_KEY_FALLBACKS"),
    "DATABASE_URL": (f"postgres://unmask:{MARK}@127.0.0.1:1/unmask", "DATABASE_URL"),
    "REDIS_URL": (f"redis://:{MARK}@127.0.0.1:1/0", "REDIS_URL"),
    "EMAIL_URL": (f"smtp://me:{MARK}@127.0.0.1:25", "EMAIL_URL"),
    "DATABASE_OWNER_URL": (f"postgres://owner:{MARK}@127.0.0.1:1/unmask", "DATABASE_OWNER_URL"),
    "AUDIT_KEY": ("ab" * 32, "AUDIT_KEY"),
    "REPORT_KEY": ("cd" * 32, "REPORT_KEY"),
    "UNMASK_OIDC_CLIENT_SECRET": (f"{MARK}", "OIDC_CLIENT_SECRET"),
    "UNMASK_S3_ACCESS_KEY": (f"{MARK}", "S3_ACCESS_KEY"),
    "UNMASK_S3_SECRET_KEY": (f"{MARK}", "S3_SECRET_KEY"),
    "UNMASK_METRICS_TOKEN": (f"{MARK}-" * 3, "METRICS_TOKEN"),
    "SENTRY_DSN": (f"https://{MARK}@127.0.0.1/1", "SENTRY_DSN"),
    "OTEL_EXPORTER_OTLP_HEADERS": (f"authorization=Bearer%20{MARK}", "OTLP_HEADERS"),
    "UNMASK_ADMIN_PASSWORD": (f"{MARK} phrase", "UNMASK_ADMIN_PASSWORD"),
}


def _read(function: str) -> set[str]:
    """Variables that a reader of the environment is called with."""
    found = set()
    for node in ast.walk(ast.parse(SETTINGS.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function:
            assert isinstance(node.args[0], ast.Constant)
            found.add(str(node.args[0].value))
    return found


def test_these_are_all_secrets():
    assert _read("env_secret") == set(SECRETS)


@pytest.mark.parametrize(
    "function", ["env_str", "env_list", "env_choice", "env_int", "env_bool", "env_networks"]
)
def test_nothing_that_sounds_like_a_secret_is_read_as_anything_else(function):
    secret = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|CREDENTIAL|_URL|DSN|PEPPER|SALT")
    assert [name for name in _read(function) - NO_SECRETS if secret.search(name)] == []


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_it_may_lie_in_a_file(name, monkeypatch, tmp_path):
    value, setting = SECRETS[name]
    (tmp_path / "file").write_text(f"{value}\n")
    environment = {"UNMASK_DATA": str(tmp_path), "SECRET_KEY": SECRETS["SECRET_KEY"][0]}
    environment.pop(name, None)
    environment |= BESIDE.get(name, {})
    monkeypatch.setattr(os, "environ", environment | {f"{name}_FILE": str(tmp_path / "file")})
    assert runpy.run_path(str(SETTINGS))[setting] in (value, [value])


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def _planted(settings: Any) -> None:
    for value, setting in SECRETS.values():
        setattr(settings, setting, value)
    settings.EMAIL_HOST_PASSWORD = settings.CELERY_BROKER_URL = f"redis://:{MARK}@127.0.0.1:1/0"


def _error_pages(alice: User, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such column")

    monkeypatch.setattr(history, "find", broken)
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(alice)
    answers = [
        browser.get("/healthz", headers={"Host": "evil.example.org"}),
        browser.get("/history"),
        browser.get("/api/v1/detections"),
        browser.get("/nowhere"),
        browser.post("/accounts/logout/"),
    ]
    return {answer.status_code: answer.content.decode() for answer in answers}


@pytest.mark.usefixtures("_planted")
def test_error_pages_and_logs_show_no_secret(alice, monkeypatch, logged):
    pages = _error_pages(alice, monkeypatch)
    assert set(pages) == {400, 403, 404, 500}
    text = "".join(pages.values()) + logged.getvalue()
    assert "no such column" in logged.getvalue()
    assert "no such column" not in "".join(pages.values())
    assert MARK not in text
    assert SECRETS["AUDIT_KEY"][0] not in text


@pytest.mark.usefixtures("_planted")
def test_not_even_debug_pages_show_one(alice, monkeypatch, settings):
    settings.DEBUG = True
    pages = _error_pages(alice, monkeypatch)
    assert "DATABASE_URL" in pages[500]
    assert MARK not in "".join(pages.values())
    assert SECRETS["AUDIT_KEY"][0] not in "".join(pages.values())


@pytest.mark.usefixtures("_planted")
@pytest.mark.django_db
def test_a_redis_that_is_away_is_named_without_its_password(logged):
    answer = Client().get("/api/v1/detections", headers={"Authorization": "Bearer umk_wrong"})
    assert answer.status_code == 401
    assert "Redis is away" in logged.getvalue()
    assert MARK not in logged.getvalue()


# Any text will do for these.
FREE = {"UNMASK_ADMIN_PASSWORD", "UNMASK_OIDC_CLIENT_SECRET"}


@pytest.mark.parametrize("name", sorted(set(SECRETS) - FREE))
def test_a_bad_secret_is_refused_by_its_name_alone(name, monkeypatch, tmp_path):
    bad = {"SECRET_KEY": MARK, "AUDIT_KEY": MARK}.get(name, f"nonsense://me:{MARK}@127.0.0.1/x")
    environment = {"UNMASK_DATA": str(tmp_path), "SECRET_KEY": "only-for-tests-" * 5}
    monkeypatch.setattr(os, "environ", environment | {name: bad})
    with pytest.raises(ImproperlyConfigured, match=name) as error:
        runpy.run_path(str(SETTINGS))
    assert MARK not in str(error.value)
