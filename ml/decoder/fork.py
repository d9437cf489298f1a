"""One process for one image: it limits itself, waits for the image, writes the result, and ends."""

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn

from PIL import Image, PpmImagePlugin

from ml.decoder import sandbox, wire
from ml.decoder.facts import DecoderLimits
from ml.errors import UnreadableImage

CHECK_S = 0.5
MAX_DESCRIPTORS = 256  # the process that forks opens about ten
UNFORESEEN = 70
PIXEL_FORMAT = PpmImagePlugin.PpmImageFile.format  # raw RGB behind a line, written without a copy
Answer = Callable[[BinaryIO, dict[str, Any]], tuple[dict[str, Any], Image.Image | None]]
"""From a file and a request to a message, and the pixels beside it."""


class Fork:
    """A fork that waits for its image."""

    def __init__(self, limits: DecoderLimits, answer: Answer, *, filtered: bool) -> None:
        self._limits = limits
        self._job, theirs = socket.socketpair()
        self._ended, alive = os.pipe()  # closes when the fork ends, whatever ends it
        parent_pid = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _live(theirs, alive, limits, answer, parent_pid, filtered=filtered)
        theirs.close()
        os.close(alive)

    def take(self, request: dict[str, Any], descriptors: Sequence[int]) -> bool:
        """Hand over the image: descriptors of the file and of the result. False if it is dead."""
        try:
            wire.send(self._job, request, descriptors)
        except OSError:
            self._reap()
            return False
        return True

    def result(self, is_abandoned: Callable[[], bool]) -> dict[str, Any]:
        """Wait for the end, at most the wall limit or until nobody wants it any more."""
        timed_out = not self._wait(is_abandoned)
        if timed_out:
            os.kill(self._pid, signal.SIGKILL)
        status = self._reap()
        return {"status": status, "timed_out": timed_out, "cpu_out": status == -signal.SIGXCPU}

    def _wait(self, is_abandoned: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self._limits.wall_s
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._ended], [], [], min(left, CHECK_S))[0]:
                return True
            if is_abandoned():
                return False
        return False

    def _reap(self) -> int:
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._job.close()
        os.close(self._ended)
        return status


def _live(
    job: socket.socket,
    alive: int,
    limits: DecoderLimits,
    answer: Answer,
    parent_pid: int,
    *,
    filtered: bool,
) -> NoReturn:
    """Whatever is not foreseen ends with a status that is a crash to the parent."""
    status = UNFORESEEN
    try:
        sandbox.die_with_parent(parent_pid)
        _close_all_but({job.fileno(), alive})
        sandbox.limit(limits, filtered=filtered)
        with suppress(EOFError):  # the parent ended first: there is nobody to tell
            request, (source, output) = wire.receive(job)
            with open(source, "rb") as stream, open(output, "wb", buffering=0) as result:
                _write_result(result, stream, request, answer)
            status = 0
    finally:
        os._exit(status)


def _write_result(
    result: BinaryIO, stream: BinaryIO, request: dict[str, Any], answer: Answer
) -> None:
    """Length, JSON and pixels; or length and JSON of the error."""
    try:
        message, image = answer(stream, request)
        _write(result, message)
        if image is not None:
            image.save(result, PIXEL_FORMAT)
    except UnreadableImage as error:
        _write_error(result, error.code, error.detail)
    except MemoryError:
        _write_error(result, "decoder_memory", "decoding needs more than allowed")


def _write_error(result: BinaryIO, code: str, detail: str) -> None:
    """Replaces whatever part of a result is already there."""
    result.seek(0)
    result.truncate()
    _write(result, {"code": code, "detail": detail})


def _write(result: BinaryIO, message: dict[str, Any]) -> None:
    data = wire.framed(message)
    while data:
        data = data[result.write(data) :]


def _close_all_but(kept: set[int]) -> None:
    """The control socket above all: a captured fork must not speak for its parent."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    low = 3
    for descriptor in (*sorted(kept), MAX_DESCRIPTORS):
        os.closerange(low, descriptor)
        low = descriptor + 1
