"""Requests that lie about their length, never end, or come one byte a second."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests import images
from tests.chaos.ledger import Ledger
from tests.chaos.rows import seeds, sized
from tests.integration.installation import Installation

MEGABYTE = 1 << 20
MAX_UPLOAD = 50 * MEGABYTE
SLOW, MORE_THAN_THREADS = 50, 80
HEAD = b"GET / HTTP/1.1\r\nX-Slow: "
# A file of 1.5 MB that nobody has to sign in for, asked for until the system keeps no more of it.
BUNDLE = b"/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
ANSWER = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % BUNDLE * 8
PART = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


def _begun(desk: Installation, client: httpx.Client, *headers: str) -> socket.socket:
    """A connection on which an upload's headers were sent."""
    connection = socket.create_connection(("127.0.0.1", desk.port), timeout=20)
    lines = [
        "POST /api/v1/detections HTTP/1.1",
        f"Host: 127.0.0.1:{desk.port}",
        f"Authorization: {client.headers['Authorization']}",
        "Content-Type: multipart/form-data; boundary=b",
        *headers,
    ]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    return connection


def _poured(connection: socket.socket, block: bytes, times: int) -> int:
    """How many blocks were taken before the desk cut the connection."""
    for number in range(times):
        try:
            connection.sendall(block)
        except OSError:
            return number
    return times


def _status(connection: socket.socket) -> int:
    """What was answered, or 0 where the connection was cut."""
    with suppress(OSError):
        return int(connection.recv(4096).split()[1])
    return 0


@pytest.fixture
def left_before(desk: Installation) -> set[Path]:
    """What earlier rows left in `incoming/`: a process that is killed clears up nothing."""
    return set(desk.data.glob("incoming/*"))


def _leaves_nothing(desk: Installation, left_before: set[Path]) -> None:
    desk.wait_until(lambda: set(desk.data.glob("incoming/*")) <= left_before, 10)


def _cpu_s(desk: Installation) -> float:
    web = desk.service("web").children()
    return sum(sum(one.cpu_times()[:2]) for one in web)


@pytest.mark.by_command
def test_a_body_without_a_length_is_not_read(
    desk: Installation, client: httpx.Client, left_before: set[Path]
) -> None:
    before_s, size = _cpu_s(desk), sized(2000, 200)
    with closing(_begun(desk, client, "Transfer-Encoding: chunked")) as connection:
        connection.sendall(b"%x\r\n%s\r\n" % (len(PART), PART))
        chunk = b"%x\r\n%s\r\n" % (MEGABYTE, bytes(MEGABYTE))
        taken = _poured(connection, chunk, size)
        assert _status(connection) in {0, 400, 411, 413}
    print(f"\n{taken} of {size} MB taken, {_cpu_s(desk) - before_s:.2f} s of processor time")
    assert taken < MAX_UPLOAD / MEGABYTE
    _leaves_nothing(desk, left_before)


@pytest.mark.by_command
def test_what_is_far_too_long_is_cut_at_the_limit(
    desk: Installation, client: httpx.Client, left_before: set[Path]
) -> None:
    before_s = _cpu_s(desk)
    with closing(_begun(desk, client, f"Content-Length: {2000 * MEGABYTE}")) as connection:
        connection.sendall(PART)
        taken = _poured(connection, bytes(MEGABYTE), 2000)
        assert _status(connection) in {0, 413}
    print(f"\n{taken} of 2000 MB taken, {_cpu_s(desk) - before_s:.2f} s of processor time")
    assert taken < 2 * MAX_UPLOAD / MEGABYTE
    _leaves_nothing(desk, left_before)


@pytest.mark.integration
@pytest.mark.parametrize(("said", "sent"), [(200, 60), (300 * MEGABYTE, 5)])
def test_a_length_that_lies_leaves_nothing(
    desk: Installation, client: httpx.Client, left_before: set[Path], said: int, sent: int
) -> None:
    """More than was said, and less, by a client that then goes away."""
    with closing(_begun(desk, client, f"Content-Length: {said}")) as connection:
        connection.sendall(PART)
        assert _poured(connection, bytes(MEGABYTE), sent) <= sent
        if said < sent * MEGABYTE:
            assert _status(connection) in {0, 400}
    _leaves_nothing(desk, left_before)


@pytest.mark.integration
def test_a_thousand_fields_are_refused(
    desk: Installation, client: httpx.Client, left_before: set[Path]
) -> None:
    one = ("a.jpg", images.jpeg_bytes(), "image/jpeg")
    fields = {f"field-{number}": "x" for number in range(1000)}
    answers = [
        client.post("/api/v1/detections", data=fields, files={"image": one}),
        client.post("/api/v1/detections", files=[("image", one)] * 1000),
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    _leaves_nothing(desk, left_before)


@pytest.mark.by_command
@pytest.mark.parametrize("where", ["head", "body", "answer"])
def test_clients_of_one_byte_a_second_keep_nobody_out(
    desk: Installation, client: httpx.Client, left_before: set[Path], where: str
) -> None:
    ledger, took = Ledger(), list[float]()
    with _dripping(desk, client, where):
        until = time.monotonic() + sized(60, 5)
        while time.monotonic() < until:
            started = time.monotonic()
            with httpx.Client(
                base_url=desk.origin,
                headers=client.headers,
                timeout=20 if where != "answer" else 120,
            ) as somebody:  # a connection of its own, which either process may take
                assert somebody.get("/api/v1/detections").status_code == 200
                assert ledger.submit(somebody, next(seeds)) is not None
            took.append(time.monotonic() - started)
    print(f"\nserved {len(took)} times, the slowest in {max(took):.2f} s")
    desk.wait_until(lambda: set(desk.data.glob("incoming/*")) <= left_before, 30)


def _asked(desk: Installation, request: bytes) -> socket.socket:
    """A connection that takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", desk.port))
    connection.sendall(request)
    return connection


@contextmanager
def _dripping(desk: Installation, client: httpx.Client, where: str) -> Iterator[None]:
    if where == "body":
        slow = [_begun(desk, client, "Content-Length: 100000") for _ in range(SLOW)]
    elif where == "answer":
        slow = [_asked(desk, ANSWER) for _ in range(MORE_THAN_THREADS)]
    else:
        slow = [_asked(desk, HEAD) for _ in range(SLOW)]
    is_over = threading.Event()

    def drip() -> None:
        while not is_over.wait(1):
            for connection in slow:
                with suppress(OSError):
                    connection.recv(
                        1, socket.MSG_DONTWAIT
                    ) if where == "answer" else connection.sendall(b"-")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        for connection in slow:
            connection.close()
