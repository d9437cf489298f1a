"""What the logs say, and what they never say."""

import io
import json
import logging
import logging.config
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as current
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from gunicorn.config import Config

from accounts.models import User
from deepfake_site import gunicorn_conf
from deepfake_site.gunicorn_logger import OurLogger
from deepfake_site.logging import OneLineFormatter, OneObjectFormatter, without_persons
from detection import history
from detection.models import Detection
from detection.tasks import finish_erasures, run_detection, sweep, tidy, tidy_files
from tests import images
from tests.conftest import PASSWORD

EMAIL = "planted.person@example.org"
FILE = "planted-file-name"
GUESS = "planted-password-guess"
ADDRESS = "203.0.113.77"
NAME = "Planted Fullname"


@pytest.fixture(params=["line", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that is logged at any level, as this format writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    configured = current.LOGGING["formatters"][request.param]
    factory = logging.config.DictConfigurator({}).resolve(configured["()"])  # type: ignore[attr-defined]
    arguments = [configured["format"], None, "{"] if request.param == "line" else []
    handler.setFormatter(factory(*arguments))
    for name in current.LOGGING["handlers"]["console"]["filters"]:
        filters = logging.config.DictConfigurator({})  # type: ignore[attr-defined]
        handler.addFilter(filters.resolve(current.LOGGING["filters"][name]["()"])())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def _walk(alice: User, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through pages and API, well-behaved and not, as somebody who may be recognised."""
    page = Client(REMOTE_ADDR=ADDRESS, raise_request_exception=False)
    for password in (GUESS, PASSWORD):
        page.post("/accounts/login/", {"login": EMAIL, "password": password})
    for name, content in ((f"{FILE}.jpg", images.jpeg_bytes()), (f"{FILE}.txt", b"no image")):
        page.post("/", {"image": SimpleUploadedFile(name, content)})
    api = Client(
        REMOTE_ADDR=ADDRESS,
        raise_request_exception=False,
        headers={"Authorization": f"Bearer {key}"},
    )
    for name, content in ((f"{FILE}.png", images.png_bytes()), (f"{FILE}.gif", b"GIF89a")):
        api.post("/api/v1/detections", {"image": SimpleUploadedFile(name, content), "metadata": ""})
    for bad in (key + "x", f"{EMAIL}:{GUESS}"):
        api.get("/api/v1/detections", headers={"Authorization": f"Bearer {bad}"})
    detection = Detection.objects.first()
    assert detection is not None
    for client in (page, api):
        for path in (
            "/history",
            f"/history?q={EMAIL}",
            f"/detections/{detection.pk}",
            f"/images/{detection.image_id}/original",
            f"/nowhere?key={key}&person={EMAIL}",
            f"/api/v1/detections/{key}",
            f"/api/v1/detections?cursor={FILE}&key={key}",
            f"/nowhere/{EMAIL}/",
            "/accounts/password/reset/key/1-planted-link/",
        ):
            client.get(path)
            client.post(path, {"name": NAME, "password": GUESS})
    page.post("/keys", {"name": NAME, "scopes": "detections:read"})
    Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": EMAIL, "password": GUESS})
    page.get("/", headers={"Host": "evil.example.org"})
    Client(REMOTE_ADDR=ADDRESS).post("/accounts/password/reset/", {"email": EMAIL})
    link = re.search(r"https?://[^/]+(/\S+)", mail.outbox[-1].body)
    assert link
    page.get(link[1], follow=True)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"no row for {EMAIL} with {key} at /x?key={GUESS}")

    monkeypatch.setattr(history, "find", broken)
    for path in (f"/history?person={EMAIL}", f"/api/v1/detections?person={EMAIL}"):
        assert page.get(path).status_code == 500


def _work(monkeypatch: pytest.MonkeyPatch) -> None:
    for pk in Detection.objects.values_list("pk", flat=True):
        run_detection.delay(str(pk))
    sweep.delay()
    for task in (tidy, finish_erasures, tidy_files):
        task.delay()

    def broken() -> None:
        raise RuntimeError(f"duplicate key: ({EMAIL})")

    monkeypatch.setattr("detection.services.sweeping.sweep", broken)
    sweep.delay()


@pytest.fixture
def _eager() -> Iterator[None]:
    from deepfake_site.celery import app

    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.mark.usefixtures("_eager", "model_version", "fake_judgement")
def test_no_personal_datum_is_in_any_log(db, written, key_of, monkeypatch, settings):
    settings.HAS_MAIL = True
    alice = User.objects.create_user(EMAIL, PASSWORD, name=NAME)
    key = key_of(alice)
    _walk(alice, key, monkeypatch)
    _work(monkeypatch)
    text = written.getvalue()
    assert "Not Found" in text
    assert "RuntimeError" in text
    assert "detection.tasks.sweep" in text
    planted = [EMAIL, FILE, GUESS, PASSWORD, NAME, ADDRESS, key.split("_")[2], "planted-link"]
    reset = re.search(r"reset/key/([\w-]+)", mail.outbox[-1].body)
    assert reset
    assert [word for word in [*planted, reset[1]] if word in text] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Not Found: /a/me@example.org/b", "Not Found: /a/***/b"),
        ("key umk_abcdefgh_xyz_00", "key umk_***"),
        ("GET /x?person=1&b=2 failed", "GET /x?*** failed"),
        ("Invalid request from ip=2001:db8::1 bad", "Invalid request from ip=*** bad"),
        ("/accounts/password/reset/key/1-abc-def/", "/accounts/password/reset/key/***/"),
        ("ready; leases freed 3, at 12:30?", "ready; leases freed 3, at 12:30?"),
    ],
)
def test_what_others_quote_of_a_request_is_left_out(text, told):
    assert without_persons(text) == told


def _record(message: str, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("a.logger", logging.ERROR, __file__, 1, message, (), None)
    record.__dict__ |= more
    return record


def test_a_json_line_has_these_fields_and_no_others():
    record = _record("two\nlines", request_id="number-1", request="a whole request", data={"a": 1})
    line = OneObjectFormatter().format(record)
    found = json.loads(line)
    assert list(found) == ["time", "level", "logger", "request_id", "message"]
    assert found["message"] == "two\nlines"
    assert (found["level"], found["logger"]) == ("ERROR", "a.logger")
    assert found["request_id"] == "number-1"
    assert found["time"].endswith("+00:00")
    assert line.isprintable()


@pytest.mark.parametrize("make", [OneLineFormatter, OneObjectFormatter])
def test_a_traceback_is_kept_without_what_it_quotes(make: Callable[[], logging.Formatter]):
    try:
        raise LookupError("me@example.org")
    except LookupError as error:
        record = _record("failed", exc_info=(LookupError, error, error.__traceback__))
    text = make().format(record)
    assert "LookupError: ***" in text
    assert "me@" not in text


def test_gunicorn_keeps_no_access_log_and_its_errors_name_no_address(written):
    config = Config()
    for name in ("accesslog", "loglevel", "logger_class"):
        config.set(name, getattr(gunicorn_conf, name))
    logger = config.logger_class(config)
    assert isinstance(logger, OurLogger)
    assert not logger.access_log_enabled
    logger.warning("Invalid request from ip=%s: %s", ADDRESS, "no method")
    logger.error("Error handling request %s %s", "GET", f"/history?q={EMAIL}")
    request = SimpleNamespace(method="GET", uri=f"/?q={EMAIL}", headers=[], version=(1, 1))
    logger.access(SimpleNamespace(status="200 OK", headers=[]), request, {}, None)
    text = written.getvalue()
    assert "Invalid request from ip=***" in text
    assert "/history?***" in text
    assert EMAIL not in text
    assert ADDRESS not in text
