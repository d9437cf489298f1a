"""`client.server.Desk` against a desk in memory: what is sent, repeated, and given up."""

import io
import os
import ssl
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from client import uploads
from client.errors import DeskError
from client.server import LARGE_BYTES, Desk
from tests.client.stub_desk import KEY, StubDesk, problem

URL = "https://desk.example.org"
CUT = httpx.ReadError("connection reset")


@pytest.fixture
def stub() -> StubDesk:
    return StubDesk()


@pytest.fixture
def desk(stub: StubDesk) -> Iterator[Desk]:
    with Desk(URL, KEY, patience_s=600, transport=httpx.MockTransport(stub)) as desk:
        yield desk


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client slept: no time passes but by this."""
    taken: list[float] = []
    started = time.monotonic()
    monkeypatch.setattr(time, "sleep", taken.append)
    monkeypatch.setattr(time, "monotonic", lambda: started + sum(taken))
    return taken


def photo(data: bytes = b"a photo") -> io.BytesIO:
    return io.BytesIO(data)


def caught(desk: Desk) -> DeskError:
    with pytest.raises(DeskError) as error:
        desk.submit(photo())
    return error.value


def test_it_submits_a_file_under_its_name_with_its_terms(desk, stub, tmp_path):
    (tmp_path / "café.jpg").write_bytes(b"m")
    detection = desk.submit(
        tmp_path / "café.jpg", metadata={"story": 7}, priority="bulk", is_confidential=True
    )
    assert detection["verdict"] == "likely_manipulated"
    [sent] = stub.submissions
    assert sent == {
        "id": "d0",
        "file_name": "café.jpg",
        "data": b"m",
        "metadata": '{"story": 7}',
        "priority": "bulk",
        "is_confidential": "true",
    }


def test_a_name_that_is_not_text_does_not_keep_a_file_away(desk, stub):
    desk.submit(photo(), name=os.fsdecode(b"caf\xe9.jpg"))
    assert stub.submissions[0]["file_name"] == "caf?.jpg"


def test_a_repetition_carries_the_same_key_and_the_whole_file(desk, stub, naps):
    stub.faults = [httpx.ConnectError("refused"), problem(503, "no_active_model")]
    stub.after = [CUT]  # accepted, but the answer is lost
    assert desk.submit(photo())["status"] == "done"
    assert len(stub.requests) == 4
    assert len(set(stub.keys())) == 1
    assert [sent["data"] for sent in stub.submissions] == [b"a photo"]
    assert len(naps) == 3


def test_two_submissions_have_two_keys(desk, stub):
    desk.submit(photo())
    desk.submit(photo())
    assert len(set(stub.keys())) == 2


def test_a_key_of_ones_own_outlives_the_process(desk, stub):
    first = desk.submit(photo(), idempotency_key="article-7")
    assert desk.submit(photo(), idempotency_key="article-7") == first
    assert len(stub.submissions) == 1


@pytest.mark.parametrize("status", [409, 429, 502, 503, 504, 507])
def test_it_waits_as_long_as_the_desk_says(desk, stub, naps, status):
    stub.faults = [problem(status, "any", **{"Retry-After": "17"})]
    desk.submit(photo())
    assert naps == [pytest.approx(17.5, abs=0.5)]


def test_the_desk_may_say_it_as_a_date(desk, stub, naps):
    stub.faults = [problem(429, "throttled", **{"Retry-After": formatdate(time.time() + 30)})]
    desk.submit(photo())
    assert naps == [pytest.approx(30, abs=3)]


def test_without_a_word_it_waits_ever_longer(desk, stub, naps):
    stub.faults = [httpx.Response(502)] * 6
    desk.submit(photo())
    assert naps == sorted(naps)
    assert naps[-1] > 10
    assert all(nap <= 30 for nap in naps)


def test_an_address_that_never_answered_is_given_up_soon(desk, stub, naps):
    stub.faults = [httpx.ConnectError("[Errno 111] Connection refused")] * 99
    error = caught(desk)
    assert (error.code, error.is_hopeless) == ("server_unreachable", True)
    assert error.detail == f"{URL} does not answer: [Errno 111] Connection refused"
    assert 5 < sum(naps) < 20


def test_a_desk_that_was_there_gets_two_minutes(desk, stub, naps):
    stub.faults = [None, *[httpx.ConnectError("refused")] * 99]
    desk.submit(photo())
    assert caught(desk).code == "server_unreachable"
    assert 60 < sum(naps) < 120


def test_a_busy_desk_is_asked_until_the_patience_ends(desk, stub, naps):
    stub.faults = [problem(429, "throttled", "Later.", **{"Retry-After": "60"})] * 99
    error = caught(desk)
    assert (error.code, error.detail, error.is_hopeless) == ("throttled", "Later.", False)
    assert 500 < sum(naps) < 600


def test_a_pause_beyond_the_patience_is_not_begun(desk, stub, naps):
    stub.faults = [problem(429, "throttled", **{"Retry-After": "3600"})]
    assert caught(desk).code == "throttled"
    assert naps == []


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (problem(401, "authentication_failed"), "authentication_failed", "accept this key"),
        (problem(403, "permission_denied"), "permission_denied", "scope detections:write"),
        (httpx.Response(301, headers={"Location": "https://b/"}), "redirected", "https://b/"),
        (httpx.Response(404, text="<html>"), "not_a_desk", "no API of Unmask"),
        (httpx.Response(200, text="<html>"), "not_a_desk", "no API of Unmask"),
    ],
)
def test_what_every_file_would_meet_is_hopeless_and_not_repeated(desk, stub, answer, code, words):
    stub.faults = [answer]
    error = caught(desk)
    assert (error.code, error.is_hopeless) == (code, True)
    assert words in error.detail
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(413, "too_large", "The file is larger."), "too_large"),
        (httpx.Response(413, text="<html>a proxy's words</html>"), "too_large"),
        (problem(422, "key_reused"), "key_reused"),
        (httpx.Response(500), "http_error"),
    ],
)
def test_what_concerns_one_file_is_no_reason_to_end(desk, stub, answer, code):
    stub.faults = [answer]
    error = caught(desk)
    assert (error.code, error.is_hopeless) == (code, False)
    assert len(stub.requests) == 1


def test_what_is_wrong_with_a_field_is_said(desk, stub):
    body = {"code": "invalid", "detail": "Some fields are not valid.", "request_id": "r7"}
    body["errors"] = [{"field": "metadata", "code": "invalid", "detail": "No object."}]
    headers = {"Content-Type": "application/problem+json"}
    stub.faults = [httpx.Response(400, json=body, headers=headers)]
    error = caught(desk)
    assert error.detail == "Some fields are not valid. metadata: No object."
    assert error.problem["request_id"] == "r7"


def test_a_certificate_that_is_not_trusted_is_said_at_once(desk, stub, naps):
    failure = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]")
    failure.__cause__ = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED")
    failure.__cause__.verify_message = "self-signed certificate"
    stub.faults = [failure]
    error = caught(desk)
    assert error.code == "tls_error"
    assert "self-signed certificate" in error.detail
    assert "SSL_CERT_FILE" in error.detail
    assert naps == []


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadError])
def test_a_secure_line_that_ends_is_tried_again(desk, stub, error):
    failure = error("EOF occurred in violation of protocol")
    failure.__cause__ = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
    stub.faults = [failure]
    assert desk.submit(photo())["status"] == "done"


@pytest.mark.parametrize("key", ["", "secret", "umk_short", f"{KEY}\n", f"{KEY}é"])
def test_what_is_no_key_is_not_sent_and_not_repeated_in_the_error(key):
    with pytest.raises(DeskError) as error:
        Desk(URL, key)
    assert error.value.code == "key_malformed"
    assert not key or key not in str(error.value)


@pytest.mark.parametrize(
    "url", ["desk.example.org", "ftp://a.org", "https://", "https://desk:x", ""]
)
def test_what_is_no_address_is_named(url):
    with pytest.raises(DeskError, match="is no address"):
        Desk(url, KEY)


def test_an_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(DeskError) as error:
        Desk("https://me:hunter2@desk.example.org", KEY)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("tail", ["/", "/api/v1/", "?a=b"])
def test_whatever_follows_the_address_is_left_out(stub, tail):
    with Desk(f"{URL}{tail}", KEY, transport=httpx.MockTransport(stub)) as desk:
        desk.submit(photo())
    assert str(stub.requests[0].url) == f"{URL}/api/v1/detections"


# --- waiting


def test_it_asks_again_when_the_desk_says(stub, desk, naps):
    stub.polls = 3
    assert desk.judge(photo())["verdict"] == "likely_authentic"
    assert naps == [3.0, 3.0]
    assert [r.headers["Prefer"] for r in stub.requests] == ["wait=25"] * 4


def test_it_asks_at_once_where_the_answer_was_held(stub, desk, naps):
    stub.polls = 2
    held = {"status": "running"}
    stub.after = [None, httpx.Response(200, json=held, headers={"Preference-Applied": "wait=25"})]
    desk.judge(photo())
    assert sum(naps) == 0


def test_it_does_not_wait_for_ever(stub, desk, naps):
    stub.polls = 10**6
    with pytest.raises(DeskError) as error:
        desk.judge(photo(), timeout_s=60)
    assert error.value.code == "wait_timeout"
    assert 50 < sum(naps) < 60
    prefer = [r.headers.get("Prefer", "") for r in stub.requests]
    assert prefer[-1] == "wait=3"


def test_a_finished_detection_is_not_asked_for(stub, desk):
    desk.wait(desk.submit(photo()))
    assert stub.paths("GET") == []


# --- batches, lists, words of people


def test_a_batch_is_one_request(stub, desk, tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"a")
    stub.polls = 2
    batch = desk.submit_batch([tmp_path / "one.jpg", photo(b"x")], names=["one", "two"])
    first, second = batch["results"]
    assert (first["status"], first["file_name"]) == (202, "one")
    assert second["problem"]["code"] == "unsupported_format"
    [done] = desk.wait_for_batch(batch["id"])
    assert done["verdict"] == "likely_authentic"
    assert stub.paths("POST") == ["detections/batch"]


def test_a_list_goes_on_to_its_end(stub, desk):
    for _ in range(5):
        desk.submit(photo())
    found = list(desk.detections(verdict="likely_authentic"))
    assert [row["id"] for row in found] == ["d0", "d1", "d2", "d3", "d4"]
    cursors = [r.url.params.get("cursor") for r in stub.requests if r.method == "GET"]
    assert cursors == [None, "2", "4"]
    assert {r.url.params["verdict"] for r in stub.requests if r.method == "GET"} == {
        "likely_authentic"
    }


def test_feedback_is_sent_once(stub, desk):
    stub.after = [CUT]
    desk.feedback("d0", label="real", category="false_positive", comment="I was there")
    assert stub.feedback == [
        {
            "detection": "d0",
            "label": "real",
            "category": "false_positive",
            "comment": "I was there",
        }
    ]


# --- large files


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file of four pieces, the last of them short."""
    monkeypatch.setattr(uploads, "PIECE_BYTES", LARGE_BYTES // 3)
    return b"m" + os.urandom(LARGE_BYTES)


def test_a_large_file_goes_in_pieces(stub, desk, large):
    detection = desk.submit(photo(large), name="ü.png", metadata={"a": 1})
    assert detection["verdict"] == "likely_manipulated"
    [sent] = stub.submissions
    assert sent["data"] == large
    assert (sent["file_name"], sent["metadata"]) == ("ü.png", '{"a": 1}')
    assert stub.paths("PATCH") == ["uploads/u0"] * 4
    assert {r.headers["Tus-Resumable"] for r in stub.requests if r.method != "GET"} == {"1.0.0"}


def test_after_a_cut_it_goes_on_where_the_desk_stands(stub, desk, large):
    stub.faults = [None, None, CUT, None, CUT]  # before anything of the piece came
    assert desk.submit(photo(large))["status"] == "done"
    assert [sent["data"] for sent in stub.submissions] == [large]
    assert stub.paths("HEAD") == ["uploads/u0"] * 2


def test_a_piece_whose_answer_is_lost_is_not_sent_twice(stub, desk, large):
    stub.after = [None, CUT, None, None, CUT]  # the last one too
    assert desk.submit(photo(large))["status"] == "done"
    assert [sent["data"] for sent in stub.submissions] == [large]
    assert len(stub.paths("PATCH")) == 4


def test_a_line_that_brings_nothing_is_given_up(stub, desk, large, naps):
    stub.faults = [None, *[CUT, None] * 99]
    with pytest.raises(DeskError) as error:
        desk.submit(photo(large))
    assert error.value.code == "server_unreachable"
    assert 60 < sum(naps) < 120


def test_an_upload_that_the_desk_forgot_is_said(stub, desk, large):
    stub.faults = [None, CUT]
    stub.after = [None, httpx.Response(404)]
    with pytest.raises(DeskError) as error:
        desk.submit(photo(large))
    assert error.value.code == "upload_gone"


def test_the_key_is_not_taken_to_another_host(stub, desk, large):
    stub.after = [httpx.Response(201, headers={"Location": "https://other.example/u0"})]
    with pytest.raises(DeskError) as error:
        desk.submit(photo(large))
    assert error.value.code == "redirected"
    assert {r.url.host for r in stub.requests} == {"desk.example.org"}


def test_a_file_that_cannot_be_read_is_the_callers(desk, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        desk.submit(tmp_path / "gone.jpg")
