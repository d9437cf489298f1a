"""A server on this machine that answers as a test says, down to the byte."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[Any, "Served"], None]  # writes to a socket


@dataclass
class Served:
    """What a server was asked, and how many bytes of an endless body it got rid of."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Answer each connection's first request, then close it."""
    served = Served()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                sock = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                served.requests.append(_head(sock))
                answer(sock, served)
            except OSError:  # the client went away
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        served.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield served
        finally:
            server.shutdown()


def _head(sock: Any) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and (part := sock.recv(65536)):
        head += part
    return head


def saying(body: bytes = b"", status: str = "200 OK", **headers: str) -> Answer:
    """One whole answer; `content_encoding="gzip"` is the header Content-Encoding."""
    named = {"Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    message = "\r\n".join([*lines, "", ""]).encode() + body

    def answer(sock: Any, served: Served) -> None:
        sock.sendall(message)

    return answer


def endless(sock: Any, served: Served) -> None:
    """Ten gigabytes, or what of it the client takes."""
    size = 10 * 1024**3
    sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    block = bytes(64 * 1024)
    while served.sent < size:
        sock.sendall(block)
        served.sent += len(block)


def dripping(text: bytes, *, every_s: float = 0.1) -> Answer:
    """These bytes, one at a time."""

    def answer(sock: Any, served: Served) -> None:
        for byte in text:
            sock.sendall(bytes([byte]))
            threading.Event().wait(every_s)

    return answer
