"""A decoder's child that obeys commands hidden in the image: for tests of the limits alone.

`Decoder(module="tests.ml.misbehaving_decoder")` runs it; nothing in the product can.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from PIL import Image

from ml.decoder import child

COMMAND = b"\nCOMMAND:"


def commanded(data: bytes, command: str) -> bytes:
    """The image with a command after its end."""
    return data + COMMAND + command.encode()


def answer(stream: BinaryIO, request: dict[str, Any]) -> tuple[dict[str, Any], Image.Image]:
    data = stream.read()
    if COMMAND in data:
        COMMANDS[data.rpartition(COMMAND)[2].decode()]()
    return child.answer(stream, request)


def _memory() -> None:
    blocks = []
    while True:
        blocks.append(bytearray(64 << 20))


def _spin() -> None:
    while True:
        pass


def _attempt(action: Callable[[], object]) -> None:
    """Succeed only if the system refuses the action."""
    try:
        action()
    except OSError:
        return
    os._exit(99)


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _escape() -> None:
    _attempt(lambda: open("/etc/passwd", "rb"))  # noqa: SIM115
    _attempt(lambda: os.open("/tmp/escaped", os.O_CREAT | os.O_WRONLY))
    _attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    _attempt(lambda: socket.socket(socket.AF_UNIX))
    _attempt(lambda: os.execv("/bin/true", ["true"]))
    _attempt(lambda: os.kill(os.getppid(), 0))
    _attempt(_fork)
    if set(os.environ) - ALLOWED_ENVIRONMENT:
        os._exit(98)


ALLOWED_ENVIRONMENT = {
    "PYTHONPATH",
    "LC_ALL",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "GLIBC_TUNABLES",
}
COMMANDS: dict[str, Callable[[], object]] = {
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "segfault": lambda: __import__("ctypes").string_at(0),
    "vanish": lambda: os._exit(0),
    "memory": _memory,
    "spin": _spin,
    "sleep": lambda: time.sleep(60),
    "nap": lambda: time.sleep(0.5),
    "escape": _escape,
    "surprise": lambda: {}["unforeseen"],  # type: ignore[index]
}


if __name__ == "__main__":
    child.main(answer)
