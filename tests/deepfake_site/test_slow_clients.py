"""Clients that send hardly anything keep no thread, and nobody out."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deepfake_site import gunicorn_conf, slow_clients
from deepfake_site.slow_clients import (
    BYTES_PER_S,
    FIRST_S,
    MOST_S,
    Patience,
    PatientSocket,
    PatientUnreader,
)
from tests.integration.installation import free_port

SITE = """
import tempfile
LARGE = 16 * 1024 * 1024
def site(environ, start_response):
    if environ["PATH_INFO"] in ("/bytes", "/file"):
        start_response("200 OK", [("Content-Length", str(LARGE))])
        if environ["PATH_INFO"] == "/bytes":
            return [b"x" * LARGE]
        file = tempfile.TemporaryFile()
        file.write(b"x" * LARGE)
        file.seek(0)
        return environ["wsgi.file_wrapper"](file)
    if environ["PATH_INFO"] == "/refused":
        start_response("400 Bad Request", [("Content-Length", "0")])
        return []
    text = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
"""
CONFIG = """
import os
from deepfake_site import slow_clients
slow_clients.FIRST_S = float(os.environ.get("FIRST_S", "1"))
slow_clients.MOST_S = 3
max_requests = int(os.environ.get("MAX_REQUESTS", "0"))
worker_class = "deepfake_site.slow_clients.Worker"
workers, threads, keepalive = 1, 2, 5
"""
SLOW = 6
LARGE = 16 * 1024 * 1024  # more than the system keeps for a client


@pytest.fixture
def settings_of_it() -> dict[str, str]:
    """Of the process: `FIRST_S` of a slow client, a second otherwise, and `MAX_REQUESTS`."""
    return {}


@pytest.fixture
def process(tmp_path: Path, settings_of_it: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Two threads; its `args` end in its port."""
    (tmp_path / "site_of_test.py").write_text(SITE)
    (tmp_path / "config.py").write_text(CONFIG)
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "gunicorn", "--config", str(tmp_path / "config.py")]
    places = ["--chdir", str(tmp_path), "--pythonpath", root, "site_of_test:site"]
    bind = ["--bind", f"127.0.0.1:{free_port()}"]
    started = subprocess.Popen(
        [*command, *places, *bind], cwd=root, env={**os.environ, **settings_of_it}
    )
    yield started
    started.terminate()
    started.wait(30)


@pytest.fixture
def served(process: subprocess.Popen[bytes]) -> int:
    """Its port, once it answers."""
    assert isinstance(process.args, list)
    port = int(str(process.args[-1]).rpartition(":")[2])
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/")
            return port
        time.sleep(0.05)
    raise AssertionError("it does not answer")


HEAD = b"GET / HTTP/1.1\r\nX-Slow: "
BODY = b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("begun", [HEAD, BODY], ids=["head", "body"])
def test_more_slow_clients_than_threads_keep_nobody_out(served: int, begun: bytes):
    slow = [socket.create_connection(("127.0.0.1", served), timeout=30) for _ in range(SLOW)]
    for one in slow:
        one.sendall(begun)
    # two threads, a second for each pair of them; before, it was until they gave up
    assert httpx.get(f"http://127.0.0.1:{served}/", timeout=30).status_code == 200
    for one in slow:
        with contextlib.suppress(ConnectionResetError):
            while one.recv(4096):
                pass
        one.close()


@pytest.mark.parametrize("settings_of_it", [{"FIRST_S": "20"}])
def test_a_hundred_slow_heads_cost_nobody_anything(served: int):
    slow = [socket.create_connection(("127.0.0.1", served), timeout=30) for _ in range(100)]
    for one in slow:
        one.sendall(HEAD)
    began = [one for one in slow if not _is_over(one)]
    assert httpx.get(f"http://127.0.0.1:{served}/", timeout=30).status_code == 200
    # it was served while they still waited, not after them
    assert sum(not _is_over(one) for one in slow) == len(began) == len(slow)
    for one in slow:
        one.close()


def _is_over(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize("path", ["/bytes", "/file"])
def test_more_clients_that_read_nothing_than_threads_keep_nobody_out(served: int, path: str):
    slow = [socket.create_connection(("127.0.0.1", served), timeout=30) for _ in range(SLOW)]
    for one in slow:
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: desk\r\n\r\n".encode())
    # two threads, some seconds for each pair of them; before, until they went away
    assert httpx.get(f"http://127.0.0.1:{served}/", timeout=60).status_code == 200
    for one in slow:
        one.close()


@pytest.mark.parametrize("path", ["/bytes", "/file"])
def test_a_large_answer_comes_whole(served: int, path: str):
    with httpx.Client(base_url=f"http://127.0.0.1:{served}") as client:
        answers = [client.get(path).content for _ in range(2)]
    assert [set(one) for one in answers] == [{ord("x")}] * 2
    assert [len(one) for one in answers] == [LARGE] * 2


def test_what_comes_of_a_body_that_was_given_up_is_no_request(served: int):
    with socket.create_connection(("127.0.0.1", served), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 4000\r\n\r\nabc")
        answer = connection.recv(4096)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /smuggled HTTP/1.1\r\nHost: desk\r\n\r\n")
            answer += b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("settings_of_it", [{"FIRST_S": "20"}])
def test_a_kept_connection_that_begins_slowly_keeps_no_thread(served: int):
    kept = [socket.create_connection(("127.0.0.1", served), timeout=10) for _ in range(4)]
    for one in kept:
        one.sendall(b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n")
        assert b"200 OK" in one.recv(4096)
        one.sendall(HEAD)
    assert httpx.get(f"http://127.0.0.1:{served}/", timeout=8).status_code == 200
    assert not any(_is_over(one) for one in kept)  # served beside them, not after them
    for one in kept:
        one.close()


def test_many_requests_at_once_are_answered_in_turn():
    """And no more is read ahead than one head may have."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    unreader = PatientUnreader(ours)
    theirs.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 1000)
    assert unreader.take_what_came()
    theirs.sendall(b"y" * 1000)
    assert unreader.take_what_came()
    assert len(unreader.buf.getvalue()) == 18 + 1000


def test_the_end_of_a_head_is_found_where_it_was_cut():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    unreader = PatientUnreader(ours)
    for part in (b"", b"GET / HTTP/1.1\r", b"\nHost: desk\r\n", b"\r"):
        if part:
            theirs.sendall(part)
        assert not unreader.take_what_came()
    theirs.sendall(b"\n")
    assert unreader.take_what_came()


@pytest.mark.parametrize("settings_of_it", [{"FIRST_S": "20", "MAX_REQUESTS": "3"}])
def test_a_process_that_has_served_enough_is_followed_soon(served: int):
    with socket.create_connection(("127.0.0.1", served), timeout=10) as ahead:
        ahead.sendall(HEAD)
        for _ in range(8):
            assert httpx.get(f"http://127.0.0.1:{served}/", timeout=8).status_code == 200


def test_a_head_in_parts_is_one_and_what_follows_it_is_the_next(served: int):
    one = b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 3\r\n\r\nabc"
    two = b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served), timeout=10) as connection:
        for part in (one[:20], one[20:60], one[60:] + two):
            connection.sendall(part)
            time.sleep(0.1)
        answers = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert (b"\r\n\r\n3" in answers, answers.endswith(b"\r\n\r\n0")) == (True, True)


def test_a_head_that_never_ends_is_refused(served: int):
    with socket.create_connection(("127.0.0.1", served), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 830_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("settings_of_it", [{"FIRST_S": "20"}])
def test_it_ends_soon_although_somebody_has_begun(served: int, process: subprocess.Popen[bytes]):
    with socket.create_connection(("127.0.0.1", served), timeout=10) as connection:
        connection.sendall(HEAD)
        time.sleep(0.2)
        process.terminate()
        assert process.wait(8) == 0


def test_what_comes_steadily_is_read_to_its_end(served: int):
    def parts() -> Iterator[bytes]:
        for _ in range(8):
            time.sleep(0.25)  # two seconds in all, twice what a silent client gets
            yield b"x" * BYTES_PER_S

    answer = httpx.post(f"http://127.0.0.1:{served}/", content=parts(), timeout=30)
    assert answer.text == str(8 * BYTES_PER_S)


def test_a_connection_serves_again_and_again(served: int):
    with httpx.Client(base_url=f"http://127.0.0.1:{served}") as client:
        answers = [client.post("/", content=b"x" * n).text for n in range(5)]
    assert answers == ["0", "1", "2", "3", "4"]


def test_a_connection_goes_on_after_a_large_body_that_was_refused(served: int):
    client = http.client.HTTPConnection("127.0.0.1", served, timeout=10)
    with contextlib.closing(client):
        for _ in range(3):
            client.request("POST", "/refused", b"x" * 12_000_000)
            answer = client.getresponse()
            assert (answer.status, answer.headers["connection"]) == (400, "keep-alive")
            answer.read()
            time.sleep(0.2)  # a connection that is being closed would be taken for an open one
        client.request("GET", "/")
        assert client.getresponse().read() == b"0"


def test_patience_ends_with_silence_and_grows_with_what_comes():
    patience = Patience()
    patience.waited(FIRST_S - 1, 0)
    assert patience.left_s == pytest.approx(1)
    patience.waited(0.5, BYTES_PER_S)
    assert patience.left_s == pytest.approx(1.5)
    patience.waited(0, 10**9)
    assert patience.left_s == MOST_S
    patience.waited(MOST_S, 1)
    assert patience.left_s < 0.1


def test_a_byte_a_second_uses_it_up():
    patience, seconds = Patience(), 0
    while patience.left_s > 0:
        patience.waited(1, 1)
        seconds += 1
    assert seconds == pytest.approx(FIRST_S, abs=1)


def test_patience_that_has_ended_stays_so():
    ours, theirs = socket.socketpair()
    unreader = PatientUnreader(ours)
    unreader._patience.left_s = 0.05
    assert unreader.chunk() == b""
    theirs.sendall(b"late")
    assert unreader.chunk() == b""
    assert unreader.is_given_up
    unreader.begin()
    assert unreader.chunk() == b"late"


def test_who_waits_for_less_than_that_hears_of_it():
    """gthread reads on for a moment, to keep a connection, and gives up by itself."""
    ours, _theirs = socket.socketpair()
    unreader = PatientUnreader(ours)
    ours.settimeout(0.05)
    with pytest.raises(TimeoutError):
        unreader.chunk()
    assert ours.gettimeout() == 0.05


def _small_pair() -> tuple[PatientSocket, socket.socket]:
    """A socket whose other end is read by nobody, and which holds little."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return PatientSocket(fileno=ours.detach()), theirs


def test_who_reads_too_slowly_has_hung_up():
    ours, theirs = _small_pair()
    ours._patience.left_s = 0.05
    with ours, theirs, pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 10**6)
    assert ours.is_given_up


def test_so_has_who_does_not_take_a_hundred_and_continue():
    """gunicorn sends that by itself, and without a limit of its own."""
    ours, theirs = _small_pair()
    with ours, theirs:
        ours._patience.left_s = 0.05
        with pytest.raises(BrokenPipeError):
            deque(ours.send(b"HTTP/1.1 100 Continue\r\n\r\n") for _ in range(10_000))


def test_pieces_are_small_enough_for_the_slowest_that_is_waited_for():
    assert slow_clients.SENT_AT_ONCE < MOST_S * BYTES_PER_S


def test_nothing_more_is_sent_to_who_was_given_up(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"file")
    ours, theirs = _small_pair()
    with ours, theirs:
        ours._patience.end()
        with pytest.raises(BrokenPipeError):
            ours.sendall(b"late")
        with (tmp_path / "file").open("rb") as file, pytest.raises(BrokenPipeError):
            ours.sendfile(file)
        ours.begin()
        ours.sendall(b"next")
        assert theirs.recv(100) == b"next"


def test_who_reads_steadily_gets_all_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slow_clients, "FIRST_S", 0.3)
    monkeypatch.setattr(slow_clients, "BYTES_PER_S", 10_000)
    ours, theirs = _small_pair()
    got = bytearray()

    def read() -> None:
        while part := theirs.recv(4096):
            got.extend(part)
            time.sleep(0.05)  # a second in all, three times what a silent client gets

    reader = threading.Thread(target=read)
    with theirs:
        reader.start()
        with ours:
            ours.sendall(b"x" * 80_000)
            assert ours.gettimeout() is None
        reader.join(30)
    assert len(got) == 80_000


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [(0, None, 200_000), (10, None, 199_990), (0, 70_000, 70_000), (199_999, 5, 1), (5, 0, 0)],
)
def test_as_much_of_a_file_as_was_asked_for(
    tmp_path: Path, offset: int, count: int | None, expected: int
):
    (tmp_path / "file").write_bytes(bytes(range(200)) * 1000)
    ours, theirs = socket.socketpair()
    with theirs, PatientSocket(fileno=ours.detach()) as sender:
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.extend(iter(lambda: theirs.recv(65536), b"")))
        reader.start()
        with (tmp_path / "file").open("rb") as file:
            assert sender.sendfile(file, offset, count) == expected
        sender.shutdown(socket.SHUT_WR)
        reader.join(30)
    assert b"".join(got) == (bytes(range(200)) * 1000)[offset : offset + expected]


def test_the_desk_is_served_so():
    assert gunicorn_conf.worker_class == "deepfake_site.slow_clients.Worker"
