"""Keeps a set of child processes running under one command, and leaves none behind.

A child is either a program or a function run in a fork of this process, which has Django loaded
already: five processes then start in the time of one. Forking is safe because this process has one
thread. Each child leads its own process group, so that ending it ends what it started; on Linux the
kernel also ends it when this process dies without a chance to say so.
"""

import contextlib
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from deepfake_site import pulse
from deepfake_site.processes import die_with_parent

STOP_PATIENCE_S = 10.0
RESTART_PAUSES_S = (0.5, 1, 2, 5, 10)  # a child that keeps dying is restarted ever more slowly
CALM_S = 60.0  # after so long alive, an old crash is forgotten
POLL_S = 0.1
COLOURS = (36, 32, 33, 35, 34, 96)
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Service:
    """One child: its name in the log, and what it runs.

    Attributes:
        run: a program with its arguments, or a function that is called in a fork.
        is_leaned_on: others need it to end in order, so it is stopped after them.
        pulse: a file that it touches while it works; without, it works while it runs.
    """

    name: str
    run: Sequence[str] | Callable[[], None]
    is_leaned_on: bool = False
    pulse: Path | None = None


class Supervisor:
    """Starts services, prefixes their output, restarts those that die, stops all at the end."""

    def __init__(self, services: Sequence[Service], *, output: TextIO = sys.stdout) -> None:
        width = max(len(service.name) for service in services)
        is_coloured = output.isatty()
        self._selector = selectors.DefaultSelector()
        self._children = [
            _Child(
                service,
                _prefix(service.name, width, index if is_coloured else None),
                output,
                self._selector,
            )
            for index, service in enumerate(services)
        ]
        self.is_stopping = False

    def request_stop(self, *_signal: object) -> None:
        """Make `watch` return; safe in a signal handler."""
        self.is_stopping = True

    def start(self) -> None:
        for number in HANDLED:
            signal.signal(number, self.request_stop)
        for child in self._children:
            child.start()

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Restart what dies, until a stop is requested or the condition holds."""
        while not self.is_stopping and not until():
            self._pump(POLL_S)
            for child in self._children:
                child.tend()

    def stop(self) -> None:
        """End all children at once, those that others lean on after them."""
        for is_last_round in (False, True):
            round_ = [c for c in self._children if c.service.is_leaned_on is is_last_round]
            for child in round_:
                child.ask_to_end()
            deadline = time.monotonic() + STOP_PATIENCE_S
            while any(child.is_alive() for child in round_) and time.monotonic() < deadline:
                self._pump(POLL_S)
            for child in round_:
                child.end()

    def _pump(self, timeout_s: float) -> None:
        for key, _events in self._selector.select(timeout_s):
            key.data()


class _Child:
    def __init__(
        self, service: Service, prefix: str, output: TextIO, selector: selectors.BaseSelector
    ) -> None:
        self.service = service
        self.pid = 0
        self._prefix = prefix
        self._output = output
        self._selector = selector
        self._pipe = -1
        self._unfinished = b""
        self._crashes = 0
        self._started_at = 0.0
        self._due_at = 0.0
        self._touched, self._touched_at = 0.0, 0.0

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._pipe, theirs = os.pipe()
        self._output.flush()  # or the fork would hold, and print, a copy
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(self.service, theirs, parent)
        self.pid = pid
        os.close(theirs)
        os.set_blocking(self._pipe, False)
        self._selector.register(self._pipe, selectors.EVENT_READ, self._read)
        self._say_line(f"pid {pid}")

    def is_alive(self) -> bool:
        """Whether it runs; reaps it, once, if it has ended."""
        return self.pid > 0 and self._reap() is None

    def tend(self) -> None:
        """Start again, after a pause, what was started and has died."""
        if self._due_at:
            if time.monotonic() >= self._due_at:
                self._due_at = 0.0
                self.start()
        elif self.pid > 0 and (code := self._reap()) is not None:
            self._schedule(code)
        elif self.pid > 0 and self._is_silent():
            self._say(f"has given no sign for {pulse.SILENT_AFTER_S:g} s; ending it")
            self._signal(os.killpg, signal.SIGKILL)

    def _is_silent(self) -> bool:
        """By a clock that stands still while the machine sleeps."""
        if self.service.pulse is None:
            return False
        now = time.monotonic()
        if (touched := pulse.last_at(self.service.pulse)) != self._touched:
            self._touched, self._touched_at = touched, now
        return now - max(self._touched_at, self._started_at) > pulse.SILENT_AFTER_S

    def ask_to_end(self) -> None:
        self._due_at = 0.0
        if self.pid > 0:
            self._signal(os.kill, signal.SIGTERM)

    def end(self) -> None:
        """End for certain a child that was asked to."""
        if self.pid > 0:
            self._say("does not stop; ending it")
            self._signal(os.killpg, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        self._close_pipe()

    def _reap(self) -> int | None:
        """Exit code of a child that ended, negative for a signal; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self._signal(os.killpg, signal.SIGKILL)  # whatever it started must not outlive it
        self._read()
        self._close_pipe()
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def _schedule(self, code: int) -> None:
        if time.monotonic() - self._started_at > CALM_S:
            self._crashes = 0
        pause = RESTART_PAUSES_S[min(self._crashes, len(RESTART_PAUSES_S) - 1)]
        self._crashes += 1
        self._due_at = time.monotonic() + pause
        how = f"signal {-code}" if code < 0 else f"status {code}"
        self._say(f"ended with {how}; starting it again in {pause:g} s")

    def _signal(self, send: Callable[[int, int], None], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(self.pid, number)

    def _read(self) -> None:
        """Copy what the child wrote, whole lines only."""
        if self._pipe < 0:
            return
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._pipe, 65536):
                *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
                for line in lines:
                    self._say_line(line.decode(errors="replace"))
            self._close_pipe()  # end of file

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._selector.unregister(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _say(self, text: str) -> None:
        self._say_line(f"({text})")

    def _say_line(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal may be gone
            self._output.write(f"{self._prefix} {line}\n")
            self._output.flush()


def _become(service: Service, output: int, parent: int) -> NoReturn:
    """In the fork: cut what ties it to the supervisor, then be the service."""
    code = 1
    try:
        os.setsid()
        if service.pulse:
            os.environ[pulse.VARIABLE] = str(service.pulse)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(parent)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.closerange(3, 1024)
        if not callable(service.run):
            os.execv(service.run[0], list(service.run))  # noqa: S606 (our own constant) # nosec B606
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        service.run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 (nothing may return into the supervisor's own loop)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _prefix(name: str, width: int, colour: int | None) -> str:
    text = f"{name:<{width}} |"
    return text if colour is None else f"\x1b[{COLOURS[colour % len(COLOURS)]}m{text}\x1b[0m"
