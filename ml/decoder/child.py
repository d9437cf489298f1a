"""The decoder's child: `python -m ml.decoder.child SOCKET_FD PARENT_PID`.

Imports the image libraries once, then forks for each image. The fork lays the limits on itself,
writes facts and pixels into the descriptor it was given, and ends; this process only watches it.
It ends when its parent does: end of file on the socket, or another parent. (PR_SET_PDEATHSIG would
follow the parent's starting thread, which may end long before the process.)
"""

import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, NoReturn

from PIL import Image

from ml.decoder import libraries, pixels, sandbox, wire
from ml.decoder.facts import DecoderLimits, ImageFacts
from ml.errors import UnreadableImage

PARENT_CHECK_S = 1.0
BAND_ROWS = 256
MAX_DESCRIPTORS = 256  # this process opens about ten
Decode = Callable[[BinaryIO, int | None], tuple[Image.Image, ImageFacts]]


@dataclass(frozen=True)
class Job:
    """One image: what to read, where to write, within what."""

    source: int
    output: int
    min_side: int | None
    limits: DecoderLimits
    filtered: bool


def serve(control: socket.socket, parent_pid: int, decode: Decode) -> None:
    """Answer requests until the parent is gone."""
    _prefer_death_when_memory_is_short()
    pixels.prepare()
    gc.freeze()  # forks share pages as long as nobody touches the reference counts of garbage
    unfiltered = sandbox.filter_problem()
    wire.send(control, {"libraries": libraries.installed(), "unfiltered": unfiltered})
    while _parent_lives(control, parent_pid):
        try:
            request, descriptors = wire.receive(control)
        except (EOFError, OSError):
            return
        try:
            source, output = descriptors
            limits = DecoderLimits(**request["limits"])
            job = Job(source, output, request["min_side"], limits, filtered=not unfiltered)
            reply = _supervise(control, parent_pid, job, decode)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        wire.send(control, reply)


def _parent_lives(control: socket.socket, parent_pid: int) -> bool:
    """Wait for a request, or for the end of the parent."""
    while os.getppid() == parent_pid:
        if select.select([control], [], [], PARENT_CHECK_S)[0]:
            return True
    return False


def _supervise(control: socket.socket, parent_pid: int, job: Job, decode: Decode) -> dict[str, Any]:
    """Fork for one image and wait for the end of it, at most the wall limit."""
    ended, alive = os.pipe()
    own_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        _work_and_exit(own_pid, job, alive, decode)
    os.close(alive)
    timed_out = not _wait(ended, control, parent_pid, job.limits.wall_s)
    os.close(ended)
    if timed_out:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"status": status, "timed_out": timed_out, "cpu_out": status == -signal.SIGXCPU}


def _wait(ended: int, control: socket.socket, parent_pid: int, wall_s: float) -> bool:
    """True when the fork ended by itself: its copy of the pipe closes with it."""
    deadline = time.monotonic() + wall_s
    while (left := deadline - time.monotonic()) > 0:
        wait_s = min(left, PARENT_CHECK_S)
        readable = select.select([ended, control.fileno()], [], [], wait_s)[0]
        if ended in readable:
            return True
        if readable or os.getppid() != parent_pid:
            return False  # nobody waits for the answer: one request at a time, so this is the end
    return False


def _work_and_exit(parent_pid: int, job: Job, alive: int, decode: Decode) -> NoReturn:
    """Whatever is not foreseen ends with status 70, which is a crash to the parent."""
    status = 70
    try:
        sandbox.die_with_parent(parent_pid)
        _close_all_but({job.source, job.output, alive})
        sandbox.limit(job.limits, filtered=job.filtered)
        with open(job.source, "rb", closefd=False) as stream:
            _write_result(job.output, stream, job.min_side, decode)
        status = 0
    finally:
        os._exit(status)


def _write_result(output: int, stream: BinaryIO, min_side: int | None, decode: Decode) -> None:
    """Length, JSON and pixels; or length and JSON of the error."""
    try:
        _write_image(output, *decode(stream, min_side))
    except UnreadableImage as error:
        _write_error(output, error.code, error.detail)
    except MemoryError:
        _write_error(output, "decoder_memory", "decoding needs more than allowed")


def _write_image(output: int, image: Image.Image, facts: ImageFacts) -> None:
    shape = (image.height, image.width)
    _write(output, wire.framed({"shape": shape, "facts": asdict(facts)}))
    for top in range(0, image.height, BAND_ROWS):  # in bands: a whole copy would be 192 MB
        band = image.crop((0, top, image.width, min(top + BAND_ROWS, image.height)))
        _write(output, band.tobytes())


def _write_error(output: int, code: str, detail: str) -> None:
    """Replaces whatever part of a result is already there."""
    os.ftruncate(output, 0)
    os.lseek(output, 0, os.SEEK_SET)
    _write(output, wire.framed({"code": code, "detail": detail}))


def _write(output: int, data: bytes) -> None:
    while data:
        data = data[os.write(output, data) :]


def _close_all_but(kept: set[int]) -> None:
    """The control socket above all: a captured fork must not speak for this process."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    low = 3
    for descriptor in (*sorted(kept), MAX_DESCRIPTORS):
        os.closerange(low, descriptor)
        low = descriptor + 1


def _prefer_death_when_memory_is_short() -> None:
    """Ask Linux to end the decoder before the worker that waits for it."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")


def main(decode: Decode = pixels.decode) -> None:
    """Serve the socket named on the command line; tests pass a decoder that misbehaves."""
    descriptor, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    with socket.socket(fileno=descriptor) as control, suppress(BrokenPipeError):
        serve(control, parent_pid, decode)


if __name__ == "__main__":
    main()
