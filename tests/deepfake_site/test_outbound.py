"""What the desk asks of other machines reaches the public internet and nothing beside it."""

import gzip
import ipaddress
import logging
import socket
import ssl
import time
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from deepfake_site import outbound
from tests.certificates import authority_and_server
from tests.hostile_addresses import HOSTILE_URLS, INSIDE, PUBLIC, Connections, Names
from tests.loopback import dripping, endless, saying, serving

BODY = b"x" * 1000
PATIENTLY = 60  # seconds: a busy machine may leave a test waiting


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch) -> Connections:
    return Connections(monkeypatch)


@pytest.fixture(autouse=True)
def _connecting_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "CONNECT_TIMEOUT_S", PATIENTLY)


@pytest.fixture
def loopback(settings: Any) -> None:
    """This machine counts as one to connect to."""
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]


def _get(url: str, **options: Any) -> httpx.Response:
    with outbound.client(**{"deadline_s": PATIENTLY} | options) as client:
        return client.get(url)


# --- where it does not go


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_address_opens_no_socket(connected, url):
    with pytest.raises((ValueError, httpx.TransportError)):
        _get(str(outbound.check_url(url)))
    assert connected == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://user@public.example/", "http://public.example:22/"]
)
def test_what_nobody_checked_opens_no_socket_either(connected, url):
    with pytest.raises(outbound.AddressRefused):
        _get(url)
    assert connected == []


def test_whatever_is_wrong_with_an_address_there_is_one_sentence():
    sentences = set()
    for url in HOSTILE_URLS:
        try:
            outbound.check_url(url)
        except ValueError as error:
            sentences.add(str(error))
    assert sentences == {"This desk does not use this address."}


@pytest.mark.parametrize(
    "url",
    [
        "https://public.example",
        "http://public.example:80/a?b=c",
        "https://public.example:8443/",
        "https://public.example/@name/photo.jpg",
        "https://public.example/?at=a@b",
        "https://xn--mnchen-3ya.example/",
        "https://münchen.example/ö.jpg",
        "https://under_score.example/",
        "HTTPS://PUBLIC.example/",
        f"http://{PUBLIC}/",
        "http://[2606:4700::1111]/",
    ],
)
def test_an_ordinary_address_is_taken(url):
    assert outbound.check_url(url).scheme in {"http", "https"}


@pytest.mark.parametrize("url", INSIDE)
def test_an_address_inside_is_told_from_its_text(names, url):
    with pytest.raises(outbound.NotPublic):
        outbound.check_url(url)
    assert names.asked == []


def test_what_the_operator_allows_is_taken_however_it_is_written(loopback):
    for url in ("http://127.0.0.1:8000/", "http://127.1/", "http://2130706433/"):
        assert outbound.check_url(url).scheme == "http"
    with pytest.raises(outbound.NotPublic):
        outbound.check_url("http://10.0.0.1/")


def test_a_name_is_not_asked_for_before_it_is_connected_to(names):
    assert outbound.check_url("http://localhost/").host == "localhost"
    assert names.asked == []


def test_an_address_that_grows_too_long_in_ascii_is_refused():
    with pytest.raises(ValueError, match="does not use"):
        outbound.check_url("https://public.example/" + "ö" * 1000)


@pytest.mark.parametrize(
    "answers", [[PUBLIC, "127.0.0.1"], [PUBLIC, "::1"], ["2606:4700::1111", "10.0.0.1"]]
)
def test_one_forbidden_answer_refuses_the_whole_name(names, connected, answers):
    names.say("mixed.example", answers)
    with pytest.raises(outbound.AddressRefused):
        _get("http://mixed.example/")
    assert connected == []


def test_a_name_that_changes_its_answer_is_asked_once_and_connected_as_checked(names, connected):
    names.say("rebinding.example", [PUBLIC], ["127.0.0.1"])
    with pytest.raises(httpx.ConnectError):
        _get("http://rebinding.example/")
    assert names.asked == ["rebinding.example"]
    assert connected == [(PUBLIC, 80)]


def test_the_next_address_of_a_name_is_tried(names, connected, loopback):
    with serving(saying(BODY)) as served:
        names.say("two.example", [PUBLIC, "127.0.0.1"])
        assert _get(f"http://two.example:{served.port}/").content == BODY
    assert [address for address, _ in connected] == [PUBLIC, "127.0.0.1"]


def test_a_connection_that_ended_elsewhere_is_not_used(monkeypatch, loopback):
    monkeypatch.setattr(socket.socket, "getpeername", lambda sock: ("127.0.0.2", 80))
    with serving(saying(BODY)) as served:
        with pytest.raises(outbound.AddressRefused):
            _get(served.url)
        assert served.requests in ([], [b""])


def test_a_redirect_is_given_back_and_not_followed(loopback):
    with serving(saying(b"", "302 Found", Location="http://10.0.0.1/")) as served:
        assert _get(served.url).status_code == 302
    assert len(served.requests) == 1


def test_no_proxy_of_the_environment_is_asked(monkeypatch, loopback):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with serving(saying(BODY)) as served:
        assert _get(served.url).content == BODY
    assert served.requests[0].startswith(b"GET / HTTP/1.1\r\n")


def test_a_name_that_is_not_resolved_in_time_is_given_up(monkeypatch):
    def asked(*_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror
        time.sleep(2)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    with pytest.raises(httpx.ConnectTimeout):
        _get("http://public.example/", deadline_s=0.2)


# --- what it says and takes


def test_it_says_who_asks_and_wants_no_compression(loopback, settings):
    with serving(saying(BODY)) as served:
        _get(served.url)
    head = served.requests[0].lower()
    assert f"user-agent: unmask/{settings.VERSION}\r\n".encode() in head
    assert b"accept-encoding: identity\r\n" in head
    assert f"host: 127.0.0.1:{served.port}\r\n".encode() in head


def test_no_cookie_is_kept(loopback):
    with (
        serving(saying(BODY, Set_Cookie="who=me; Path=/")) as served,
        outbound.client(deadline_s=PATIENTLY) as client,
    ):
        client.get(served.url)
        client.get(served.url)
    assert len(served.requests) == 2
    assert b"cookie" not in served.requests[1].lower()


def test_what_is_compressed_stays_so(loopback):
    bomb = gzip.compress(bytes(10 * 1024**2))
    with serving(saying(bomb, Content_Encoding="gzip")) as served:
        assert _get(served.url).content == bomb


def test_an_endless_body_is_cut_at_the_limit(loopback):
    with serving(endless) as served, pytest.raises(outbound.BodyTooLarge):
        _get(served.url, max_body_bytes=1024**2)
    assert served.sent < 64 * 1024**2


def test_a_body_at_the_limit_is_taken(loopback):
    with serving(saying(BODY)) as served:
        assert _get(served.url, max_body_bytes=len(BODY)).content == BODY


@pytest.mark.parametrize(
    "drops",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: yes\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 40,
    ],
    ids=["head", "body"],
)
def test_drop_by_drop_ends_at_the_deadline(loopback, drops):
    with serving(dripping(drops)) as served, pytest.raises(httpx.TimeoutException):
        _get(served.url, deadline_s=0.8)


def test_a_receiver_that_does_not_read_ends_at_the_deadline(loopback):
    def deaf(sock: Any, served: Any) -> None:
        time.sleep(1.5)

    with (
        serving(deaf) as served,
        outbound.client(deadline_s=0.5) as client,
        pytest.raises(httpx.TimeoutException),
    ):
        client.post(served.url, content=bytes(64 * 1024**2))


def test_the_deadline_is_that_of_all_requests_together(loopback, monkeypatch):
    later = time.monotonic() + 3600
    with serving(saying(BODY)) as served, outbound.client(deadline_s=PATIENTLY) as client:
        client.get(served.url)
        monkeypatch.setattr(outbound, "time", SimpleNamespace(monotonic=lambda: later))
        with pytest.raises(httpx.TimeoutException):
            client.get(served.url)


def test_a_head_without_end_is_refused(loopback):
    with (
        serving(saying(BODY, X_Bomb="x" * 1024**2)) as served,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        _get(served.url)


def test_what_breaks_off_is_an_error(loopback):
    with (
        serving(saying(b"half", Content_Length="8")) as served,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        _get(served.url)


def test_no_address_is_logged(loopback, caplog):
    assert logging.getLogger("httpx").level == logging.WARNING
    assert logging.getLogger("httpcore").level == logging.WARNING
    with serving(saying(BODY)) as served, caplog.at_level(logging.DEBUG):
        _get(f"{served.url}photo?token=secret")
    assert caplog.records == []


# --- TLS


def test_the_name_is_kept_in_tls_and_in_the_host(names, loopback, monkeypatch):
    trusted, server = authority_and_server("photos.example")
    asked: list[str] = []
    server.sni_callback = lambda sock, name, context: asked.append(name)
    monkeypatch.setattr(outbound, "_tls_context", lambda: trusted)
    names.say("photos.example", ["127.0.0.1"])
    with serving(saying(BODY), tls=server) as served:
        assert _get(f"https://photos.example:{served.port}/").content == BODY
    assert asked == ["photos.example"]
    assert f"Host: photos.example:{served.port}\r\n".encode() in served.requests[0]


def test_a_certificate_of_another_name_is_refused(names, loopback, monkeypatch):
    trusted, server = authority_and_server("photos.example")
    monkeypatch.setattr(outbound, "_tls_context", lambda: trusted)
    names.say("other.example", ["127.0.0.1"])
    with serving(saying(BODY), tls=server) as served:
        with pytest.raises(httpx.ConnectError):
            _get(f"https://other.example:{served.port}/")
        assert served.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(names, loopback):
    _, server = authority_and_server("photos.example")
    names.say("photos.example", ["127.0.0.1"])
    with serving(saying(BODY), tls=server) as served, pytest.raises(httpx.ConnectError):
        _get(f"https://photos.example:{served.port}/")


def test_certificates_are_checked_in_earnest():
    context = outbound._tls_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
