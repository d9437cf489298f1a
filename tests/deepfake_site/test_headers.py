"""What every answer forbids a browser; `test_authorization` looks at those of every address."""

import os
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from gunicorn import SERVER_SOFTWARE
from gunicorn.http import wsgi

from accounts.models import User
from detection import history
from tests.conftest import PASSWORD
from tests.deepfake_site.answers import lacking

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(history, "find", fail)


@pytest.mark.usefixtures("broken")
def test_refusals_and_failures_answer_with_them(alice: User, client_of):
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(alice)
    answers = {
        400: browser.get("/healthz", headers={"Host": "evil.example.org"}),
        403: browser.post("/accounts/logout/"),
        404: browser.get("/nowhere"),
        405: Client().post("/healthz"),
        500: browser.get("/history"),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {
        status: status for status in answers
    }
    assert {status: lacking(answer) for status, answer in answers.items() if lacking(answer)} == {}
    for path in ("/api/v1/nowhere", "/api/v1/detections"):
        assert lacking(browser.get(path)) == []


def test_style_and_script_may_be_kept_and_have_the_rest(client):
    answer = client.get("/static/css/base.css")
    assert answer.status_code == 200
    assert "max-age" in answer["Cache-Control"]
    assert lacking(answer) == ["Cache-Control"]


def test_the_web_server_does_not_tell_its_version():
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
    answer = wsgi.Response(request, None, None)
    answer.status, answer.status_code = "200 OK", 200
    sent = "".join(answer.default_headers())
    assert "Server: gunicorn\r\n" in sent
    assert SERVER_SOFTWARE not in sent


# --- where the public address is https


@pytest.fixture
def production(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    """A browser, behind our proxy, of a desk whose settings were read for https."""
    environment = {
        "UNMASK_DATA": str(tmp_path),
        "SECRET_KEY": settings.SECRET_KEY,
        "UNMASK_ORIGIN": "https://unmask.example.org",
        "UNMASK_TRUSTED_PROXIES": "1",
    }
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", environment)
        found = runpy.run_path(str(settings.BASE_DIR / "deepfake_site" / "settings.py"))
    for name, value in found.items():
        if name.startswith(("SECURE_", "SESSION_", "CSRF_", "LANGUAGE_COOKIE")) or name in {
            "ALLOWED_HOSTS",
            "TRUSTED_PROXIES",
            "X_FRAME_OPTIONS",
        }:
            setattr(settings, name, value)
    headers = {"Host": "unmask.example.org", "X-Forwarded-Proto": "https"}
    return Client(headers=headers)


def test_https_is_remembered_for_a_year(production):
    for path in ("/accounts/login/", "/nowhere", "/healthz", "/static/css/base.css"):
        answer = production.get(path)
        seconds = int(answer["Strict-Transport-Security"].removeprefix("max-age=").split(";")[0])
        assert seconds >= 31_536_000


def test_plain_http_promises_nothing(client):
    assert "Strict-Transport-Security" not in client.get("/accounts/login/")


def test_cookies_of_https_are_this_hosts_alone_and_no_scripts(production, alice: User):
    production.get("/accounts/login/")
    production.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    production.post("/language/setlang/", {"language": "ar"})
    cookies = production.cookies
    assert set(cookies) == {"__Host-session", "__Host-csrf", "__Host-language"}
    for cookie in cookies.values():
        assert cookie["secure"] is True
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["domain"] == ""


def test_cookies_of_plain_http_are_no_scripts_either(client, alice: User):
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    client.post("/language/setlang/", {"language": "ar"})
    assert len(client.cookies) == 3
    for cookie in client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")
