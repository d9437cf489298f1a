"""Files that runs prepare and share: whichever comes first writes them, and the others wait."""

import fcntl
from collections.abc import Callable
from pathlib import Path


def prepare_once(path: Path, prepare: Callable[[], None]) -> None:
    """Have a file written unless it is there.

    Args:
        path: appears when all is written; its folder is made.
        prepare: writes it. One process at a time does; should it die, the next begins anew.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        # it ends with its process
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            prepare()
