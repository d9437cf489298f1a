"""Errors are reported where somebody asked for it, and nobody's data with them."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from celery import Celery
from django.db import IntegrityError, transaction
from django.test import Client
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from accounts.models import User
from deepfake_site import error_reports
from detection import history

ROOT = Path(__file__).parents[2]
MARKS = {
    "mail": "zoe.planted@example.org",
    "name": "planted-street-17.jpg",
    "bytes": "planted-bytes",
    "key": "umk_plantedplanted",
    "query": "planted-words",
    "header": "planted-agent",
    "cookie": "planted-cookie",
}


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__({})
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @property
    def text(self) -> str:
        return "".join(one.serialize().decode() for one in self.envelopes)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one.get_event() for one in self.envelopes]


@pytest.fixture
def sent(settings: Any) -> Iterator[Kept]:
    settings.SENTRY_DSN = "https://key@sentry.example.org/1"
    kept = Kept()
    error_reports.start(kept)
    yield kept
    sentry_sdk.get_global_scope().set_client(None)


def test_nothing_is_reported_where_no_service_is_named(settings):
    settings.SENTRY_DSN = ""
    error_reports.start(Kept())
    assert not sentry_sdk.is_initialized()


def _fails_with_everything(*_: object, **__: object) -> None:
    address, file_name, content = MARKS["mail"], MARKS["name"], MARKS["bytes"].encode() * 9
    raise ValueError(f"Key (email)=({address}) exists, {file_name}, {content!r}")


def test_a_request_that_breaks_is_reported_without_persons(alice, monkeypatch, sent):
    monkeypatch.setattr(history, "find", _fails_with_everything)
    browser = Client(raise_request_exception=False)
    browser.force_login(alice)
    browser.cookies["other"] = MARKS["cookie"]
    headers = {
        "User-Agent": MARKS["header"],
        "X-Key": MARKS["key"],
        "Referer": f"http://x/{MARKS['name']}",
    }
    answer = browser.get("/history", {"q": MARKS["query"]}, headers=headers)
    assert answer.status_code == 500
    [event] = sent.events
    [error] = event["exception"]["values"]
    assert error["type"] == "ValueError"
    assert error["stacktrace"]["frames"][-1]["function"] == "_fails_with_everything"
    assert event["transaction"] == "history"
    assert event["tags"] == {"request_id": answer["X-Request-ID"]}
    for mark in (*MARKS.values(), alice.email, browser.session.session_key, "127.0.0.1"):
        assert mark not in sent.text


def test_an_upload_that_breaks_is_reported_without_its_bytes(alice, key_of, monkeypatch, sent):
    client = Client(raise_request_exception=False)
    body = json.dumps({"image": MARKS["bytes"], "metadata": MARKS["name"]})
    monkeypatch.setattr("detection.api.detections.DetectionCollection.post", _fails_with_everything)
    client.post(
        "/api/v1/detections",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {key_of(alice)}"},
    )
    assert sent.events
    assert "planted" not in sent.text
    assert "umk_" not in sent.text


def test_what_chained_errors_say_is_left_out_too(sent):
    try:
        try:
            _fails_with_everything()
        except ValueError as error:
            raise KeyError(MARKS["mail"]) from error
    except KeyError:
        logging.getLogger("detection.tasks").exception("image %s broke", MARKS["name"])
    [event] = sent.events
    assert [one["type"] for one in event["exception"]["values"]] == ["ValueError", "KeyError"]
    assert event["logentry"] == {"message": "image %s broke"}
    assert "planted" not in sent.text


def test_others_messages_are_left_out(sent):
    logging.getLogger("some.library").error(f"cannot read {MARKS['name']}")
    assert [event["logger"] for event in sent.events] == ["some.library"]
    assert "planted" not in sent.text


@pytest.mark.django_db
def test_a_database_error_is_reported_without_its_row(alice, sent):
    try:
        with transaction.atomic():
            User(email=alice.email).save()
    except IntegrityError:
        logging.getLogger("accounts.people").exception("not made")
    assert sent.events[0]["exception"]["values"][-1]["type"] == "IntegrityError"
    assert alice.email not in sent.text


def test_a_task_that_breaks_is_reported_by_its_name(sent):
    app = Celery(broker="memory://", set_as_current=False)

    @app.task(name="tests.break_down")
    def break_down(_address: str) -> None:
        _fails_with_everything()

    break_down.apply(args=[MARKS["mail"]])
    [event] = sent.events
    assert event["transaction"] == "tests.break_down"
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert "planted" not in sent.text


def test_guesses_at_host_names_are_not_reported(sent):
    Client().get("/healthz", headers={"Host": "planted.example.org"})
    assert sent.events == []


def test_no_trace_is_carried_to_others(sent):
    assert sentry_sdk.get_client().options["traces_sample_rate"] is None
    assert set(sentry_sdk.get_client().integrations) == {"logging", "excepthook", "atexit"}


def _messages(path: Path) -> Iterator[tuple[str, ast.expr]]:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if "log." in text else ():
        is_log = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_log and ast.unparse(node.func) in {"log.error", "log.critical", "log.exception"}:
            yield f"{path.name}:{node.lineno}", node.args[0]


def test_our_own_messages_are_texts_without_what_is_filled_in():
    paths = [path for package in error_reports.OURS for path in (ROOT / package).rglob("*.py")]
    found = [one for path in paths for one in _messages(path)]
    assert found
    assert [where for where, text in found if not isinstance(text, ast.Constant)] == []
