"""Whether a worker still takes messages: a file that it touches, and what to do when it does not.

A process that runs is no sign that it works: it may be stopped, wait for a broker that has
forgotten it, or never take the next message. Whoever keeps a worker running reads its file: the
supervisor of `manage.py up`, and this file as a program of its own in a container's health check
(it imports nothing, since it starts every half minute).
"""

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "UNMASK_PULSE"
BEAT_S = 5.0
SILENT_AFTER_S = 45.0


def path() -> Path | None:
    """The file of this process, where somebody reads one."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def beat(file: Path) -> None:
    """Say that this process works; the file holds its number."""
    number = str(os.getpid())
    try:
        is_mine = file.read_text() == number
    except OSError:
        is_mine = False
    if is_mine:
        os.utime(file)
    else:
        file.write_text(number)


def last_at(file: Path) -> float:
    """When it was last touched, in seconds since the epoch; 0 where it never was."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def main(arguments: list[str]) -> int:
    """Exit status 1 for a worker that is silent; with --end, end it, so that it is started anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--end", action="store_true")
    does_end = parser.parse_args(arguments).end
    file = path()
    if file is None:
        parser.error(f"{VARIABLE} is not set")
    if time.time() - (at := last_at(file)) <= SILENT_AFTER_S:
        return 0
    print("the worker is silent", file=sys.stderr)  # noqa: T201 (a program)
    if does_end and at:
        with suppress(ValueError, ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGKILL)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
