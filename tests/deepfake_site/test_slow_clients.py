"""Clients that send hardly anything keep no thread, and nobody out."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deepfake_site import gunicorn_conf
from deepfake_site.slow_clients import BYTES_PER_S, FIRST_S, MOST_S, Patience, PatientUnreader
from tests.integration.installation import free_port

SITE = """
def site(environ, start_response):
    length = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(length).encode()]
"""
CONFIG = """
from deepfake_site import slow_clients
slow_clients.FIRST_S = 1.0
worker_class = "deepfake_site.slow_clients.Worker"
workers, threads, keepalive = 1, 2, 5
"""
SLOW = 6


@pytest.fixture
def served(tmp_path: Path) -> Iterator[int]:
    """The port of a web process of two threads that gives a slow client a second."""
    (tmp_path / "site_of_test.py").write_text(SITE)
    (tmp_path / "config.py").write_text(CONFIG)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", str(tmp_path / "config.py")]
    address = ["--bind", f"127.0.0.1:{port}", "--chdir", str(tmp_path), "site_of_test:site"]
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen([*command, "--pythonpath", root, *address], cwd=root)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


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


def test_who_waits_for_less_than_that_hears_of_it():
    """gthread reads on for a moment, to keep a connection, and gives up by itself."""
    ours, _theirs = socket.socketpair()
    unreader = PatientUnreader(ours)
    ours.settimeout(0.05)
    with pytest.raises(TimeoutError):
        unreader.chunk()
    assert ours.gettimeout() == 0.05


def test_the_desk_is_served_so():
    assert gunicorn_conf.worker_class == "deepfake_site.slow_clients.Worker"
