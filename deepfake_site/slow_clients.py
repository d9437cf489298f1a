"""No client keeps a thread of a web process for as long as it likes to send its request."""

import selectors
import time
from functools import partial
from typing import Any

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


class Patience:
    """How long a request may be waited for yet.

    What comes at `BYTES_PER_S` or faster is waited for to its end; what comes more slowly, until
    the first seconds are used up. Only waiting counts, not what the application does between.
    """

    def __init__(self) -> None:
        self.left_s = FIRST_S

    def waited(self, seconds: float, got_bytes: int) -> None:
        """So long for so many bytes."""
        self.left_s = min(MOST_S, self.left_s - seconds + got_bytes / BYTES_PER_S)


class PatientUnreader(SocketUnreader):
    """Reads head and body of a request; a client that is too slow has hung up."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.begin()

    def begin(self) -> None:
        """Another request of the same connection."""
        self._patience = Patience()

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
        except TimeoutError:
            if is_others:
                raise
        finally:
            self.sock.settimeout(others_s)
            self._patience.waited(time.monotonic() - began, len(data))
        return data


class Worker(ThreadWorker):
    """Threads that serve requests whose head is there, and one that accepts and reads heads.

    Neither waits for a slow client: a head takes no thread before its end has come, and
    connections are closed by threads.
    """

    def enqueue_req(self, conn: Any) -> None:
        """A connection that is new, or has something to say again."""
        if conn.parser is None:  # or `conn.init` would make one; TLS ends before this desk
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = PatientUnreader(conn.sock)
        conn.parser.unreader.begin()
        conn.timeout = time.monotonic() + FIRST_S
        conn.data_ready = True  # gthread need not look for it
        if self._has_head(conn):
            super().enqueue_req(conn)
        else:
            self._wait_for_head(conn)

    def handle(self, conn: Any) -> Any:
        """In a thread of its own; see gthread."""
        kept = super().handle(conn)
        if not kept:
            # A client may take two seconds to see that it is over. Done by whoever accepts, as
            # gthread has it, fifty of them would keep everybody else out.
            conn.close(graceful=not conn.parser.unreader.is_given_up)
            conn.close = _closed_already
        return kept

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._wait_no_longer)

    def _wait_no_longer(self) -> None:
        for conn in self.pending_conns:  # browsers connect ahead, and then say nothing
            conn.timeout = min(conn.timeout or 0.0, time.monotonic() + STOPPING_S)

    def _wait_for_head(self, conn: Any) -> None:
        # where gthread keeps what has said nothing yet; it ends what waits beyond its time
        self.pending_conns.append(conn)
        more = partial(self._on_more, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, more)

    def _on_more(self, conn: Any, _sock: Any) -> None:
        if self._has_head(conn):
            self.poller.unregister(conn.sock)
            self.pending_conns.remove(conn)
            super().enqueue_req(conn)

    @staticmethod
    def _has_head(conn: Any) -> bool:
        """Reads what has come; whether a thread can go on from there, be it to find the end."""
        conn.sock.setblocking(False)
        try:
            came = conn.sock.recv(LONGEST_HEAD)
        except BlockingIOError:
            came = None
        except OSError:
            came = b""
        buffer = conn.parser.unreader.buf
        buffer.seek(0, 2)
        buffer.write(came or b"")
        head = buffer.getvalue()
        return came == b"" or END_OF_HEAD in head or len(head) >= LONGEST_HEAD


def _closed_already(graceful: bool = False) -> None:
    """Instead of closing it once more."""
