"""Receivers of webhooks on loopback: each answers as told, and keeps what came."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Message:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """`answers` are given in turn, the last one for ever: a status, or one of the words below.

    `hang`: no answer until it is over. `reset`: the connection is cut. `drip`: a byte now and then.
    """

    answers: list[int | str]
    url: str = ""
    messages: list[Message] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> int | str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiver(*answers: int | str) -> Iterator[Receiver]:
    it = Receiver(list(answers) or [204])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            it.messages.append(Message(headers, body))
            self._answer(it.next_answer())

        def _answer(self, answer: int | str) -> None:
            if answer == "hang":
                it.over.wait(20)
            elif answer == "reset":
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
            elif answer == "drip":
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
                    self.connection.send(bytes([byte]))
                    if it.over.wait(0.05):
                        return
            else:
                self.send_response(int(answer))
                self.send_header("Location", f"{it.url}/elsewhere")
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"secret")

        def handle(self) -> None:
            with suppress(OSError):  # the other side had enough
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it.url = f"http://127.0.0.1:{server.server_port}/hook?token=planted0marker"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield it
    finally:
        it.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def until(condition: Any, *, within_s: float = 20) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
