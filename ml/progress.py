"""Progress bars on a terminal, plain lines in a log, and a file for whoever watches a process."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeRemainingColumn as Remaining


class Report(Protocol):
    """Told how far a named stage has come."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


class ProgressBars:
    """One bar per stage; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        note = TextColumn("{task.fields[note]}")
        self._progress = Progress(
            *columns, Remaining(), note, console=console, disable=not console.is_terminal
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "ProgressBars":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, note=note)
        self._progress.update(self._tasks[stage], completed=done, total=total, note=note)
        if done == total and not self._console.is_terminal:
            self._console.print(f"{stage}: {note or total}", highlight=False, soft_wrap=True)


class ProgressFile:
    """Says in a small JSON file how far a process is; written at most twice a second.

    `stage`, `done`, `total`; `remaining_s` of all epochs, once a first batch tells what one costs;
    `history`, one dict an epoch; and `failed`, the code of what ended it.
    """

    EPOCH = re.compile(r"epoch (\d+)/(\d+)")

    def __init__(self, path: Path, history: Callable[[], list[dict[str, float]]]) -> None:
        self._path, self._history = path, history
        self._said: dict[str, Any] = {}
        self._written_at = 0.0
        self._first: tuple[float, float] | None = None  # when, and which step of all epochs

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        is_new = stage != self._said.get("stage")
        self._said = {"stage": stage, "done": done, "total": total}
        if epoch := self.EPOCH.fullmatch(stage):
            self._said["remaining_s"] = self._remaining_s(int(epoch[1]), int(epoch[2]), done, total)
        if is_new or done == total or time.monotonic() - self._written_at > 0.5:
            self._write()

    def fail(self, code: str) -> None:
        """Say with which code the process ends."""
        self._said = {**self._said, "failed": code}
        self._write()

    def _remaining_s(self, epoch: int, epochs: int, done: int, total: int) -> float | None:
        now, at = time.monotonic(), (epoch - 1) * total + done
        if self._first is None:
            self._first = (now, at)
        since, step = self._first
        return None if at <= step else (now - since) / (at - step) * (epochs * total - at)

    def _write(self) -> None:
        """Whole or not at all; what a power cut takes is said anew."""
        unfinished = self._path.with_name(f".{self._path.name}.unfinished")
        unfinished.write_text(json.dumps({**self._said, "history": self._history()}))
        unfinished.replace(self._path)
        self._written_at = time.monotonic()


def told_both(*reports: Report) -> Report:
    """One report that tells all of them."""

    def tell(stage: str, done: int, total: int, note: str = "") -> None:
        for report in reports:
            report(stage, done, total, note)

    return tell
