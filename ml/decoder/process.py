"""Decoder: the side that asks. The side that decodes is `ml.decoder.child`."""

import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

import ml
from ml.decoder import wire
from ml.decoder.facts import Decoded, DecoderLimits, ImageFacts
from ml.decoder.libraries import FLOORS, refuse_old
from ml.errors import DecoderUnavailable, UnreadableImage
from ml.header import MAX_PIXELS

log = logging.getLogger(__name__)

START_S = 30.0  # importing the libraries takes 0.2 s on a quiet machine
LIMITS = DecoderLimits()
GRACE_S = 2.0  # the child enforces the wall limit; past this much more, the child itself hangs


class Decoder:
    """Decodes images in a child process, one at a time; threads may share one.

    The child starts at the first decode, and again whenever it has died. A forked copy of this
    process starts its own.
    """

    floors: ClassVar[dict[str, str]] = FLOORS

    def __init__(self, limits: DecoderLimits = LIMITS, *, module: str = "ml.decoder.child") -> None:
        """Prepare a decoder without starting it.

        Args:
            limits: bounds on each decode.
            module: what the child runs; tests put a misbehaving decoder here.
        """
        self._limits = limits
        self._module = module
        self._lock = threading.Lock()
        self._child: _Child | None = None
        _decoders.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the child without waiting for it, so that it gets ready during other work."""
        with self._lock:
            self._spawn()

    def close(self) -> None:
        """End the child; a later decode starts another."""
        with self._lock:
            self._drop()

    def libraries(self) -> dict[str, str]:
        """Versions of the image libraries that decode.

        Raises:
            DecoderUnavailable: library_too_old, or decoder_not_started.
        """
        with self._lock:
            return self._ready().libraries

    def decode(self, path: Path, *, min_side: int | None = None) -> Decoded:
        """Decode the first image of a file.

        Args:
            path: opened here, read-only; the child gets the descriptor and never a path.
            min_side: lets a JPEG be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter
                side keeps this many pixels; the same file always gives the same pixels.
        Raises:
            UnreadableImage: with the code that says why.
            DecoderUnavailable: the child cannot start.
            OSError: the path cannot be opened.
        """
        with self._answered(path, {"min_side": min_side}) as output:
            return _result(output)

    def thumbnail(self, path: Path) -> Decoded:
        """Decode the thumbnail that a file embeds, turned like its picture.

        Raises:
            UnreadableImage: unsupported_format where there is none, or as `decode`.
            DecoderUnavailable, OSError: as `decode`.
        """
        with self._answered(path, {"part": "thumbnail"}) as output:
            return _result(output)

    @contextmanager
    def _answered(self, path: Path, request: dict[str, Any]) -> Iterator[int]:
        """Descriptor of what the child wrote about the file."""
        with _opened(path) as source, _closing(wire.anonymous_file()) as output:
            with self._lock:
                reply = self._ask(source, output, request)
            _raise_for(reply, self._limits)
            yield output

    def _ask(self, source: int, output: int, request: dict[str, Any]) -> dict[str, Any]:
        child = self._ready()
        reply = None
        try:
            child.socket.settimeout(self._limits.wall_s + GRACE_S)
            wire.send(child.socket, request, [source, output])
            reply, _ = wire.receive(child.socket)
            return reply
        except TimeoutError as error:
            raise UnreadableImage("decoder_timeout", "the decoder does not answer") from error
        except (OSError, EOFError) as error:
            raise UnreadableImage("decoder_crashed", "the decoder process ended") from error
        finally:
            # Also when a signal interrupts the wait (Ctrl-C, a soft time limit): the late answer
            # would be taken for that of the next image.
            if reply is None:
                self._drop()

    def _ready(self) -> "_Child":
        child = self._spawn()
        try:
            child.wait_until_ready()
            return child
        except DecoderUnavailable:
            self._drop()
            raise

    def _spawn(self) -> "_Child":
        if self._child is not None and self._child.process.poll() is not None:
            log.warning("the decoder process ended with %s", self._child.process.returncode)
            self._drop()
        if self._child is None:
            self._child = _Child(self._module, self._limits, self.floors)
        return self._child

    def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _forget(self) -> None:
        """In a forked copy of this process: the child belongs to the original."""
        self._lock = threading.Lock()
        if self._child is not None:
            self._child.socket.close()
            self._child.process.returncode = 0  # not ours to wait for
            self._child = None


class _Child:
    """The child process and the socket to it."""

    def __init__(self, module: str, limits: DecoderLimits, floors: dict[str, str]) -> None:
        self._floors = floors
        self.socket, theirs = socket.socketpair()
        arguments = (str(theirs.fileno()), str(os.getpid()), json.dumps(asdict(limits)))
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for its parent, which may want to finish
            )
        self.libraries: dict[str, str] = {}

    def wait_until_ready(self) -> None:
        if self.libraries:
            return
        try:
            self.socket.settimeout(START_S)
            hello, _ = wire.receive(self.socket)
        except (OSError, EOFError) as error:
            raise DecoderUnavailable("decoder_not_started", "its process ended early") from error
        refuse_old(hello["libraries"], self._floors)
        self.libraries = hello["libraries"]
        if hello["unfiltered"]:
            _warn_unfiltered(hello["unfiltered"])

    def end(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()


_decoders: "weakref.WeakSet[Decoder]" = weakref.WeakSet()
_warned: set[str] = set()


def _forget_all() -> None:
    for decoder in list(_decoders):
        decoder._forget()


os.register_at_fork(after_in_child=_forget_all)


def _warn_unfiltered(reason: str) -> None:
    """Once per process: the decoder runs, but with resource limits alone."""
    if reason not in _warned:
        _warned.add(reason)
        log.warning("the image decoder runs WITHOUT a system call filter: %s", reason)


def _environment() -> dict[str, str]:
    """No secret, no proxy, no locale; and one thread, since forks of several are unsafe."""
    return {
        "PYTHONPATH": str(Path(ml.__path__[0]).resolve().parent),
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # a third of the page faults for a photograph
    }


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Descriptor of a regular file; a pipe or device would hold the decoder for ever."""
    with _closing(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)) as descriptor:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadableImage("unsupported_format", "not a regular file")
        if facts.st_size == 0:
            raise UnreadableImage("empty_file", "the file has no bytes")
        yield descriptor


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _raise_for(reply: dict[str, Any], limits: DecoderLimits) -> None:
    """Turn the way the fork ended into an error; the exit status is the kernel's word."""
    if reply["timed_out"]:
        raise UnreadableImage("decoder_timeout", f"no result within {limits.wall_s:g} s")
    if reply["cpu_out"]:
        raise UnreadableImage("decoder_timeout", f"more than {limits.cpu_s} s of processor time")
    if reply["status"] != 0:
        raise UnreadableImage("decoder_crashed", f"the decoder ended with {reply['status']}")


def _result(output: int) -> Decoded:
    """Read what the fork wrote, which may be anything if the image captured it."""
    try:
        message, start = _message(output)
        height, width = map(int, message["shape"])
        return Decoded(
            pixels=_pixels(output, start, height, width), facts=ImageFacts(**message["facts"])
        )
    except (ValueError, TypeError, LookupError) as error:
        raise UnreadableImage("decoder_crashed", "the decoder wrote nonsense") from error


def message_of(output: int) -> dict[str, Any]:
    """What the fork wrote where no pixels follow.

    Raises:
        UnreadableImage: it says why there is nothing, or it is nonsense.
    """
    try:
        return _message(output)[0]
    except (ValueError, TypeError, LookupError) as error:
        raise UnreadableImage("decoder_crashed", "the decoder wrote nonsense") from error


def _message(output: int) -> tuple[dict[str, Any], int]:
    """The message, and where it ends; an error in it is raised."""
    message, start = _head(output)
    if "code" in message:
        raise UnreadableImage(str(message["code"]), str(message["detail"]))
    return message, start


def _head(output: int) -> tuple[dict[str, Any], int]:
    """The message, and where it ends."""
    (length,) = wire.HEAD.unpack(os.pread(output, wire.HEAD.size, 0).ljust(wire.HEAD.size, b"\0"))
    if length > wire.MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {length} bytes")
    message = json.loads(os.pread(output, length, wire.HEAD.size))
    if not isinstance(message, dict):
        raise TypeError("a message is an object")
    return message, wire.HEAD.size + length


def _pixels(output: int, start: int, height: int, width: int) -> np.ndarray:
    start += len(f"P6\n{width} {height}\n255\n")
    bytes_left = os.fstat(output).st_size - start
    most = max(MAX_PIXELS.values())
    if min(height, width) < 1 or height * width > most or bytes_left != height * width * 3:
        raise ValueError(f"{bytes_left} bytes for {width} × {height} pixels")
    pixels = np.empty((height, width, 3), np.uint8)
    _fill(pixels.data.cast("B"), output, start)
    return pixels


def _fill(buffer: memoryview, source: int, start: int) -> None:
    """Copy, since a mapping would hold a descriptor open for each image kept."""
    done = 0
    while done < len(buffer):
        count = os.preadv(source, [buffer[done:]], start + done)
        if count == 0:
            raise ValueError("the pixels broke off")
        done += count
