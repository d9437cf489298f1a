"""No client keeps a thread of a web process for as long as it likes to send or to read."""

import errno
import io
import math
import selectors
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.errors import ConfigError
from gunicorn.http import get_parser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import ThreadWorker

# As Apache's mod_reqtimeout does it: so long at first, longer for what has come, and at most so
# long at a time: who uploads from a train is silent for a while.
FIRST_S = 10.0
MOST_S = 30.0
BYTES_PER_S = 500
# A longer head is read on by a thread: a thousand of them are not to fill the memory.
LONGEST_HEAD = 64 * 1024
STOPPING_S = 1.0  # for heads that are under way when the process is told to end
END_OF_HEAD = b"\r\n\r\n"
# The system takes no more until a third of what it holds has gone: of larger pieces a client of
# `BYTES_PER_S` would be waited for longer than `MOST_S`.
SENT_AT_ONCE = 8 * 1024
READ_AT_ONCE = 64 * 1024
LEFT_OVER_S, LEFT_OVER_BYTES = 5.0, 64 * 1024 * 1024


class Patience:
    """How long a client may be waited for yet, to send its request or to take its answer.

    What comes or goes at `BYTES_PER_S` or faster is waited for to its end; what is slower, until
    the first seconds are used up. Only waiting counts, not what the application does between.
    """

    def __init__(self) -> None:
        self.left_s = FIRST_S

    def waited(self, seconds: float, got_bytes: int) -> None:
        """So long for so many bytes."""
        self.left_s = min(MOST_S, self.left_s - seconds + got_bytes / BYTES_PER_S)

    def end(self) -> None:
        """Once it has ended it does not begin again."""
        self.left_s = 0.0


class PatientSocket(socket.socket):
    """Sends as fast as the client reads; one that is too slow has hung up.

    Raises:
        BrokenPipeError: from whatever sends, then and ever after.
    """

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        self.begin()

    def begin(self) -> None:
        """Another answer of the same connection."""
        self._patience = Patience()

    @property
    def is_given_up(self) -> bool:
        """Whether the client was too slow."""
        return self._patience.left_s <= 0

    def send(self, data: Any, flags: int = 0) -> int:
        """As much as is taken at once; see `socket.socket.send`."""
        return self._waited_for(partial(super().send, data, flags))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """All of it; see `socket.socket.sendall`."""
        with memoryview(data).cast("B") as view:
            at = 0
            while at < len(view):
                at += self.send(view[at : at + SENT_AT_ONCE], flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """A file, or as much of it as there is; see `socket.socket.sendfile`."""
        file.seek(offset)
        sent = 0
        while part := file.read(READ_AT_ONCE if count is None else min(READ_AT_ONCE, count - sent)):
            self.sendall(part)
            sent += len(part)
        return sent

    def _waited_for(self, send: Callable[[], int]) -> int:
        """How many bytes went, for as long as there is patience."""
        others_s, left_s, began = self.gettimeout(), self._patience.left_s, time.monotonic()
        if left_s <= 0:
            raise BrokenPipeError(errno.EPIPE, "the client reads too slowly")
        self.settimeout(left_s)
        try:
            sent = send()
            self._patience.waited(time.monotonic() - began, sent)
        except TimeoutError:
            self._patience.end()
            raise BrokenPipeError(errno.EPIPE, "the client reads too slowly") from None
        finally:
            self.settimeout(others_s)
        return sent


class PatientUnreader(SocketUnreader):
    """Reads head and body of a request; a client that is too slow has hung up."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.begin()

    def begin(self) -> None:
        """Another request of the same connection."""
        self._patience = Patience()

    def take_what_came(self) -> bool:
        """Read without waiting, unless a head is there; whether a thread can go on from here.

        It can with a whole head, with one too long to be kept, and where nothing more will come.
        """
        if self._has_head(0):
            return True
        try:
            came = self.sock.recv(LONGEST_HEAD)
        except BlockingIOError:
            return False
        except OSError:
            return True
        known = self.buf.seek(0, io.SEEK_END)
        self.buf.write(came)
        self._patience.waited(0, len(came))
        return not came or self._has_head(known)

    def _has_head(self, known: int) -> bool:
        """Whether there is one, in whose first bytes none was."""
        self.buf.seek(max(0, known + 1 - len(END_OF_HEAD)))
        return END_OF_HEAD in self.buf.read() or self.buf.tell() >= LONGEST_HEAD

    @property
    def is_given_up(self) -> bool:
        """Whether the client was too slow."""
        return self._patience.left_s <= 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        left_s, others_s = self._patience.left_s, self.sock.gettimeout()
        if self.is_given_up:
            return b""
        is_others = others_s is not None and others_s < left_s
        began, data = time.monotonic(), b""
        self.sock.settimeout(others_s if is_others else left_s)
        try:
            data = super().chunk(size_hint)  # type: ignore[call-arg]  # the stubs know an older one
            self._patience.waited(time.monotonic() - began, len(data))
        except TimeoutError:
            if is_others:
                self._patience.waited(time.monotonic() - began, 0)
                raise
            self._patience.end()
        finally:
            self.sock.settimeout(others_s)
        return data


class Worker(ThreadWorker):
    """Threads that serve requests whose head is there, and one that accepts and reads heads.

    Neither waits for a slow client: a head of up to `LONGEST_HEAD` takes no thread before its end
    has come, bodies and answers are waited for as `Patience` has it, and connections are closed by
    threads.
    """

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl or cfg.http2_cleartext != "off" or cfg.protocol != "http":
            raise ConfigError("plain HTTP/1.1 alone: TLS and HTTP/2 are a proxy's")

    def enqueue_req(self, conn: Any) -> None:
        """A connection that is new, or has something to say again."""
        if conn.parser is None:  # or `conn.init` would make one
            conn.sock = PatientSocket(fileno=conn.sock.detach())
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = PatientUnreader(conn.sock)
        conn.parser.unreader.begin()
        conn.sock.begin()
        conn.timeout = time.monotonic() + FIRST_S
        conn.data_ready = True  # gthread need not look for it
        conn.sock.setblocking(False)
        if conn.parser.unreader.take_what_came():
            super().enqueue_req(conn)
        else:
            # gthread keeps there what has said nothing yet, and ends what waits beyond its time
            more = partial(self._on_more, conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, more)
            self.pending_conns.append(conn)

    def murder_pending(self) -> None:
        """When it is to end, it waits no longer for who connected ahead and says nothing."""
        soon = math.inf if self.alive else time.monotonic() + STOPPING_S
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout or 0.0, soon)
        super().murder_pending()

    def handle(self, conn: Any) -> Any:
        """In a thread of its own; see gthread."""
        kept = super().handle(conn)
        if not kept:
            # A client may take two seconds to see that it is over. Done by whoever accepts, as
            # gthread has it, fifty of them would keep everybody else out.
            if conn.sock.is_given_up:  # or what it does not read would lie with the system for long
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.close(graceful=not _is_given_up(conn))
            conn.close = _closed_already
        return kept

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        # The answer said that the connection goes on, and gunicorn would end it if the application
        # had left more than 64 KiB of a body that it refused.
        until = time.monotonic() + LEFT_OVER_S
        if keepalive and not conn.parser.finish_body(until, LEFT_OVER_BYTES):
            return False
        # what else comes of a body that was given up would be taken for the next request
        kept = super()._keepalive_after(conn, keepalive)  # type: ignore[misc]  # as above
        return bool(kept) and not _is_given_up(conn)

    def _on_more(self, conn: Any, _sock: Any) -> None:
        if conn.parser.unreader.take_what_came():
            self.poller.unregister(conn.sock)
            self.pending_conns.remove(conn)
            super().enqueue_req(conn)


def _is_given_up(conn: Any) -> bool:
    return bool(conn.parser.unreader.is_given_up or conn.sock.is_given_up)


def _closed_already(graceful: bool = False) -> None:
    """Instead of closing it once more."""
