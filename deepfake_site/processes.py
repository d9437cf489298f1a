"""Ends a process with the one that started it, where the kernel offers that."""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when its parent dies; does nothing but on Linux.

    Args:
        parent: its process id, where it is known from before the fork: a parent that died before
            this call is then noticed as well.
    """
    if _libc is None:
        return
    parent = parent or os.getppid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def in_the_background(command: Sequence[str], niceness: int) -> list[str]:
    """A command that gives way to others, and ends with the process that asks for it.

    By way of this file as a program of its own: a function between fork and exec could wait for a
    lock that another thread held at that moment.
    """
    return [sys.executable, "-I", __file__, str(os.getpid()), str(niceness), *command]


def _become(parent: int, niceness: int, command: Sequence[str]) -> NoReturn:
    os.nice(niceness)
    die_with_parent(parent)
    os.execv(command[0], list(command))  # noqa: S606 (what our own caller said) # nosec B606


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
