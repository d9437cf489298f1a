"""Progress bars on a terminal, plain lines in a log."""

from typing import Protocol

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
