"""One trace from an upload to its verdict, without anybody's data; nothing at all by default."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from deepfake_site import celery_app, traces
from detection import doorbell
from detection.models import Detection
from tests import images

ROOT = Path(__file__).parents[2]
CLAIMED = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def spans(settings: Any) -> Iterator[InMemorySpanExporter]:
    settings.OTLP_ENDPOINT = "http://127.0.0.1:1"
    settings.MIDDLEWARE = list(settings.MIDDLEWARE)
    exporter = InMemorySpanExporter()
    traces.start(exporter)
    yield exporter
    traces.stop()


def _named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def _said(exporter: InMemorySpanExporter) -> str:
    return "".join(span.to_json() for span in exporter.get_finished_spans())


@pytest.mark.usefixtures("real_doorbell", "fake_judgement", "model_version", "valkey")
@pytest.mark.django_db(transaction=True)
def test_an_upload_and_its_verdict_are_one_trace(alice, key_of, settings, spans, monkeypatch):
    monkeypatch.setattr(celery_app.conf, "broker_url", settings.REDIS_URL)
    monkeypatch.setattr(doorbell, "_mine", doorbell.local())  # another test's leads elsewhere
    upload = SimpleUploadedFile("planted-name.jpg", images.jpeg_bytes(), "image/jpeg")
    headers = {"Authorization": f"Bearer {key_of(alice)}", "User-Agent": "planted-agent"}
    assert Client().get("/api/v1/detections?q=planted", headers=headers).status_code == 200
    answer = Client().post("/api/v1/detections", {"image": upload}, headers=headers)
    assert answer.status_code == 202
    with start_worker(celery_app, pool="solo", perform_ping_check=False, queues="detect"):
        deadline = time.monotonic() + 20
        while Detection.objects.get().status != Detection.Status.DONE:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    found = _named(spans)
    request = found["POST api/v1/detections"]
    message = found["apply_async/detection.tasks.run_detection"]
    task = found["run/detection.tasks.run_detection"]
    assert message.parent.span_id == request.context.span_id
    assert task.parent.span_id == message.context.span_id
    for stage in ("claim", "judge", "record", "describe"):
        assert found[stage].parent.span_id == task.context.span_id
    assert (request.kind, task.kind) == (SpanKind.SERVER, SpanKind.CONSUMER)
    assert request.attributes["unmask.request_id"] == answer["X-Request-ID"]
    assert task.attributes["unmask.another_image"] is False
    for mark in ("planted", "umk_", alice.email, "127.0.0.1", "testserver", upload.name):
        assert mark not in _said(spans)


def test_a_failing_request_says_its_error_and_not_its_words(alice, client_of, spans, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise ValueError("planted@example.org")

    monkeypatch.setattr("detection.history.find", fails)
    browser = client_of(alice)
    browser.raise_request_exception = False
    browser.get("/history?q=planted")
    span = _named(spans)["GET history"]
    assert [event.attributes for event in span.events] == [{"exception.type": "ValueError"}]
    assert span.attributes["http.status_code"] == 500
    assert "planted" not in _said(spans)


@pytest.mark.django_db
def test_a_client_cannot_begin_or_silence_a_trace(spans):
    Client().get("/", headers={"traceparent": CLAIMED, "tracestate": "x=planted"})
    [span] = [one for one in spans.get_finished_spans() if one.kind == SpanKind.SERVER]
    assert f"{span.context.trace_id:032x}" not in CLAIMED
    assert span.parent is None
    assert "planted" not in _said(spans)


def test_literals_in_statements_are_left_out(spans):
    said = "SELECT 1 WHERE a = 'it''s planted' AND b = %s"
    with traces.stage("SELECT") as span:
        span.set_attributes({"db.statement": said, "db.user": "planted"})
    [span] = spans.get_finished_spans()
    assert dict(span.attributes) == {"db.statement": "SELECT 1 WHERE a = '?' AND b = %s"}


def test_what_nobody_asked_for_is_not_traced(client, spans):
    client.get("/healthz")
    assert spans.get_finished_spans() == ()


# The client of Redis imports more of OpenTelemetry by itself, where it is installed.
WATCHERS = (
    "sentry_sdk",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation",
    "opentelemetry.sdk.trace",
)


def _imported(**environment: str) -> set[str]:
    """Of the watchers' packages, by a web process and a worker that have started."""
    code = (
        "import sys, deepfake_site.wsgi, deepfake_site.celery as c; c.report();"
        f"print(*set({WATCHERS!r}) & set(sys.modules))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"} | environment
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return set(ran.stdout.strip().rpartition("\n")[2].split())


def test_by_default_neither_service_is_imported():
    assert _imported() == set()


def test_both_are_where_they_are_asked_for():
    endpoint, dsn = "http://127.0.0.1:1", "http://key@127.0.0.1:1/1"
    found = _imported(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, SENTRY_DSN=dsn)
    assert found == set(WATCHERS)
