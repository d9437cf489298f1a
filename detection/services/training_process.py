"""One command of `python -m ml` in a process group of its own, watched through a file.

It gets nothing of this process's environment, so no secrets; it gives way to everything else; and
on Linux it ends with the process that started it. TensorFlow is loaded there and nowhere else.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from deepfake_site.processes import in_the_background

NICENESS = 19  # the processor time that nobody else wants
LOG_LIMIT = 1_000_000
LOG_KEPT = 200_000
MARK = "UNMASK_TRAINING_RUN"


class TrainingProcess:
    """A started command; its output goes to the log, its progress to a file.

    Attributes:
        folder: of the run; what the process writes is below it.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], *, log: Path) -> None:
        self._progress = folder / "progress.json"
        self._progress.unlink(missing_ok=True)
        self._log = log
        command = [sys.executable, "-m", "ml", *arguments, "--progress", str(self._progress)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # our own program # nosec B603
                in_the_background(command, NICENESS),
                cwd=settings.BASE_DIR,
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self, wait_s: float) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        try:
            return self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None

    def progress(self) -> dict[str, Any]:
        """What it last said of itself."""
        bound_log(self._log)
        try:
            said: dict[str, Any] = json.loads(self._progress.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return said

    def end(self) -> None:
        """End it and whatever it started; what it has checkpointed stays."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def end_leftovers(folder: Path) -> None:
    """End what an earlier attempt at the same run left behind on this host."""
    mark = f"{MARK}={folder.name}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            is_ours = mark in path.read_bytes().split(b"\0")
        except OSError:  # gone meanwhile, or another user's
            continue
        if is_ours:
            try:
                os.kill(int(path.parent.name), signal.SIGKILL)
            except ProcessLookupError:
                continue


def bound_log(log: Path) -> None:
    """Keep the end of a log that has grown too long; whoever appends to it goes on."""
    if not log.exists() or log.stat().st_size <= LOG_LIMIT:
        return
    kept = log.read_bytes()[-LOG_KEPT:]
    log.write_bytes(kept[kept.find(b"\n") + 1 :])


def shown_log(log: Path, lines: int = 200) -> str:
    """The end of a log without the paths of this machine."""
    try:
        text = log.read_bytes()[-LOG_KEPT:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    for folder in (settings.DATA_DIR, settings.BASE_DIR, sys.prefix, sys.base_prefix):
        text = text.replace(str(folder), "…")
    return "\n".join(text.replace("\0", "").splitlines()[-lines:])


def _environment(folder: Path) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "COLUMNS": "140",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(settings.BASE_DIR),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        MARK: folder.name,
    }
