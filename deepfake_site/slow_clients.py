"""No client keeps a thread of a web process for as long as it likes to send its request."""

import time
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import ThreadWorker

# As Apache's mod_reqtimeout: at first and at most so long, and longer for what has come.
FIRST_S = 10.0
MOST_S = 20.0
BYTES_PER_S = 500


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
    """Threads that serve, and one that accepts; neither waits for slow clients."""

    def enqueue_req(self, conn: Any) -> None:
        if conn.parser is None:  # or `conn.init` would make one; TLS ends before this desk
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = PatientUnreader(conn.sock)
        conn.parser.unreader.begin()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        kept = super().handle(conn)
        if not kept:
            # A client may take two seconds to see that it is over. Done by whoever accepts, as
            # gthread has it, fifty of them would keep everybody else out.
            conn.close(graceful=not conn.parser.unreader.is_given_up)
            conn.close = _closed_already
        return kept


def _closed_already(graceful: bool = False) -> None:
    """Instead of closing it once more."""
