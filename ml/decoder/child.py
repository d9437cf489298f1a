"""The decoder's child: `python -m ml.decoder.child SOCKET_FD PARENT_PID LIMITS_JSON`.

Imports the image libraries once, then gives each image to a fork of its own and watches it; the
next fork is made while nobody waits. It ends when its parent does: end of file on the socket, or
another parent. (PR_SET_PDEATHSIG would follow the parent's starting thread, which may end long
before the process.)
"""

import gc
import json
import os
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

from PIL import Image

from ml.decoder import libraries, pixels, sandbox, wire
from ml.decoder.facts import DecoderLimits
from ml.decoder.fork import Answer, Fork

PARENT_CHECK_S = 1.0
Prepare = Callable[[], dict[str, str]]
"""Gets ready before any fork; gives the versions of the libraries in use."""


def prepare() -> dict[str, str]:
    """Load the image libraries."""
    pixels.prepare()
    return libraries.installed()


def answer(stream: BinaryIO, request: dict[str, Any]) -> tuple[dict[str, Any], Image.Image]:
    """Decode the picture, or the thumbnail inside it where the request says so."""
    if request.get("part") == "thumbnail":
        image, facts = pixels.decode_thumbnail(stream)
    else:
        image, facts = pixels.decode(stream, request["min_side"])
    return {"shape": (image.height, image.width), "facts": asdict(facts)}, image


def serve(
    control: socket.socket,
    parent_pid: int,
    limits: DecoderLimits,
    answer: Answer,
    prepare: Prepare,
) -> None:
    """Answer requests until the parent is gone."""
    _prefer_death_when_memory_is_short()
    versions = prepare()
    gc.freeze()  # forks share pages as long as nobody touches the reference counts of garbage
    unfiltered = sandbox.filter_problem()
    wire.send(control, {"libraries": versions, "unfiltered": unfiltered})
    spare = Fork(limits, answer, filtered=not unfiltered)
    while _parent_lives(control, parent_pid):
        try:
            request, descriptors = wire.receive(control)
        except (EOFError, OSError):
            return
        if not spare.take(request, descriptors):  # it died while it waited
            spare = Fork(limits, answer, filtered=not unfiltered)
            spare.take(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        wire.send(control, spare.result(lambda: _parent_left(control, parent_pid)))
        spare = Fork(limits, answer, filtered=not unfiltered)


def _parent_lives(control: socket.socket, parent_pid: int) -> bool:
    """Wait for a request, or for the end of the parent."""
    while os.getppid() == parent_pid:
        if select.select([control], [], [], PARENT_CHECK_S)[0]:
            return True
    return False


def _parent_left(control: socket.socket, parent_pid: int) -> bool:
    """While an image is worked on: one request at a time, so anything to read is the end."""
    return os.getppid() != parent_pid or bool(select.select([control], [], [], 0)[0])


def _prefer_death_when_memory_is_short() -> None:
    """Ask Linux to end the decoder before the worker that waits for it."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")


def main(answer: Answer = answer, prepare: Prepare = prepare) -> None:
    """Serve the socket named on the command line; tests pass a decoder that misbehaves."""
    descriptor, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    limits = DecoderLimits(**json.loads(sys.argv[3]))
    os.set_inheritable(descriptor, False)
    with socket.socket(fileno=descriptor) as control, suppress(BrokenPipeError):
        serve(control, parent_pid, limits, answer, prepare)


if __name__ == "__main__":
    main()
