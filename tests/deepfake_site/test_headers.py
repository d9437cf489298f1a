"""What every answer forbids a browser, whoever asks for whatever."""

import os
import re
import runpy
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client
from gunicorn import SERVER_SOFTWARE
from gunicorn.http import wsgi

from accounts.models import User
from detection import history
from detection.models import Detection
from detection.sandbox import FOR_TEN_MINUTES, SANDBOX
from tests.conftest import PASSWORD
from tests.deepfake_site import test_authorization as table
from tests.deepfake_site.test_authorization import DECLARED, EVERYBODY, OPERATORS, _address

ask, image = table.ask, table.image  # its fixtures
pytestmark = pytest.mark.django_db
PICTURE = re.compile(r"/heatmap|/preview/|/thumbnail|/layers/|/evidence/|^/shared/.*/pictures/")
# The address itself is the secret.
SHARED = {"Referrer-Policy": "no-referrer"}
TELLING = {"Access-Control-Allow-Origin", "Server", "X-Powered-By"}
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _lacking(answer: HttpResponseBase, address: str = "") -> list[str]:
    """Names of headers that do not say what they should."""
    expected = ALWAYS | (SHARED if address.startswith("/shared/") else {})
    wrong = [name for name, value in expected.items() if answer.get(name) != value]
    policy = answer.get("Content-Security-Policy", "")
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    is_strict = directives.get("default-src") == "'none'" and "unsafe" not in policy
    is_framed = directives.get("frame-ancestors") != "'none'" and policy != SANDBOX
    if not is_strict or is_framed or "*" in policy or "http" in policy:
        wrong.append("Content-Security-Policy")
    caching = answer.get("Cache-Control", "")
    is_picture = PICTURE.search(address) and answer.status_code == 200
    if "no-store" not in caching and not (is_picture and caching == FOR_TEN_MINUTES):
        wrong.append("Cache-Control")
    for feature in ("camera", "geolocation", "microphone"):
        if f"{feature}=()" not in answer.get("Permissions-Policy", ""):
            wrong.append("Permissions-Policy")
    return [
        *wrong,
        *({"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & set(answer.headers)),
    ]


def _walk(
    ask: Callable[..., HttpResponseBase], address: str, methods: Iterable[str]
) -> dict[tuple[str, str], list[str]]:
    found = {
        (role, method): _lacking(ask(role, method, address), address)
        for role in sorted(EVERYBODY)
        for method in methods
    }
    return {who: wrong for who, wrong in found.items() if wrong}


@pytest.mark.parametrize("route", sorted(DECLARED))
def test_every_address_answers_every_role_with_them(route, ask, image):
    address = _address(route, Detection.objects.get(image=image).pk, image.pk, 1)
    assert _walk(ask, address, ("GET", "POST")) == {}


@pytest.mark.parametrize("route", OPERATORS)
def test_the_operators_site_answers_with_them(route, ask, image):
    address = _address(route, "1", "1")
    assert {role: _lacking(ask(role, "GET", address)) for role in ("admin", "nobody")} == {
        "admin": [],
        "nobody": [],
    }


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
    assert {
        status: _lacking(answer) for status, answer in answers.items() if _lacking(answer)
    } == {}
    for path in ("/api/v1/nowhere", "/api/v1/detections"):
        assert _lacking(browser.get(path)) == []


def test_style_and_script_may_be_kept_and_have_the_rest(client):
    answer = client.get("/static/css/base.css")
    assert answer.status_code == 200
    assert "max-age" in answer["Cache-Control"]
    assert _lacking(answer) == ["Cache-Control"]


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
