"""Ends a process with the one that started it, where the kernel offers that."""

import ctypes
import os
import signal
import sys

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
