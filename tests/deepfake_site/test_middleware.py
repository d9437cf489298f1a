"""A request's id in answers and log lines, and log lines that stay lines."""

import logging

import pytest

from accounts.audit import context_var
from deepfake_site.logging import OneLineFormatter
from deepfake_site.middleware import RequestIdFilter, RequestIdMiddleware, request_id_var


def _record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("a.logger", logging.WARNING, __file__, 1, message, args, None)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/", "/api/v1/detections"])
def test_every_answer_carries_an_id(client, db, path):
    assert len(client.get(path)["X-Request-ID"]) == 32


def test_two_requests_have_two_ids(client):
    assert client.get("/healthz")["X-Request-ID"] != client.get("/healthz")["X-Request-ID"]


def test_the_id_is_known_while_the_request_lasts(rf):
    seen = []

    def view(request):
        seen.append(request_id_var.get())
        return {}

    answer = RequestIdMiddleware(view)(rf.get("/", headers={"X-Request-ID": "chosen-by-client"}))
    assert seen == ["chosen-by-client"] == [answer["X-Request-ID"]]
    assert request_id_var.get() == "-"


def test_the_id_is_forgotten_after_an_error(rf):
    def view(request):
        raise LookupError

    with pytest.raises(LookupError):
        RequestIdMiddleware(view)(rf.get("/"))
    assert request_id_var.get() == "-"


def test_a_log_record_gets_the_id():
    token = request_id_var.set("request-1")
    record = _record("x")
    RequestIdFilter().filter(record)
    request_id_var.reset(token)
    assert record.request_id == "request-1"


@pytest.mark.parametrize("char", ["\n", "\r", "\x0b", "\x1b", "\x85", "\u2028", "\u202e", "\x00"])
def test_a_client_cannot_start_a_line_of_its_own(char):
    line = OneLineFormatter("{message}", style="{").format(_record("name %s", f"a{char}b"))
    assert line.isprintable()
    assert line.startswith("name a\\")


def test_plain_text_of_any_language_stays_readable():
    line = OneLineFormatter("{message}", style="{").format(_record("صورة 照片 é"))
    assert line == "صورة 照片 é"


def test_nothing_of_a_request_stays_behind_for_the_next(client, db):
    client.get("/", REMOTE_ADDR="192.0.2.1")
    assert context_var.get().address == ""


def test_a_page_that_does_not_exist_is_a_plain_404(client, db):
    response = client.get("/nowhere")
    assert response.status_code == 404
    assert "X-Request-ID" in response
    assert "Traceback" not in response.content.decode()


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1.evil.example.org"])
def test_another_host_name_is_refused(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 400


def test_headers_of_every_page(client, db):
    response = client.get("/", follow=True)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = response["Content-Security-Policy"]
    for directive in ("default-src 'none'", "object-src 'none'", "frame-ancestors 'none'"):
        assert directive in policy
    assert "unsafe" not in policy
