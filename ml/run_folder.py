"""The folder of one training run: what it was told, how far it is, what it kept."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml.errors import RunError

RUN_FILE, STATE_FILE, METRICS_FILE = "run.json", "state.json", "metrics.json"
BEST_CHECKPOINT = "best.keras"
LOCK_FILE = "lock"


@dataclass
class RunState:
    """Where a run stands; written after every epoch, so that a killed run loses one at most."""

    epoch: int = 0
    best_loss: float | None = None
    best_epoch: int = 0
    is_finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class RunFolder:
    """A run on disk."""

    path: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others out while this process works on the run; the lock ends with the process.

        Raises:
            RunError: another process works on it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK_FILE).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError("run_busy", f"another process works on {self.path}") from error
            yield

    def claim(self, description: dict[str, Any]) -> None:
        """Make the folder this run's, or find that it already is.

        Raises:
            RunError: it holds a run with another configuration or other data.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        # through JSON and back, so that tuples and lists compare equal
        wanted = json.loads(json.dumps(description))
        if (self.path / RUN_FILE).exists() and self.description() != wanted:
            raise RunError("run_mismatch", f"{self.path} holds another run; name another folder")
        write_json(self.path / RUN_FILE, wanted)

    def description(self) -> dict[str, Any]:
        """What the run was told to do, and on which data.

        Raises:
            RunError: the folder holds no run.
        """
        try:
            value: dict[str, Any] = json.loads((self.path / RUN_FILE).read_text())
        except OSError as error:
            raise RunError("run_missing", f"{self.path}: {error.strerror}") from error
        return value

    def told(self) -> dict[str, Any]:
        """Its description and how far it came, as an artifact says it of its training."""
        state = self.state()
        return {**self.description(), "epochs": state.epoch, "best_epoch": state.best_epoch}

    def state(self) -> RunState:
        path = self.path / STATE_FILE
        return RunState(**json.loads(path.read_text())) if path.exists() else RunState()

    def checkpoint(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch}.keras"

    def record(self, before: RunState, after: RunState) -> None:
        """Make a finished epoch the one a resumed run starts from; its checkpoint is written."""
        if after.best_epoch == after.epoch:
            copy = self.path / f"next-{BEST_CHECKPOINT}"
            shutil.copyfile(self.checkpoint(after.epoch), copy)
            copy.replace(self.path / BEST_CHECKPOINT)
        write_json(self.path / STATE_FILE, asdict(after))
        self.checkpoint(before.epoch).unlink(missing_ok=True)

    def result(self) -> Path:
        """The weights a finished run stands for.

        Raises:
            RunError: the run is not finished.
        """
        state = self.state()
        if not state.is_finished:
            raise RunError("run_unfinished", f"{self.path}: train again to finish it")
        is_best = self.description()["config"]["checkpoint"] == "best"
        return self.path / BEST_CHECKPOINT if is_best else self.checkpoint(state.epoch)


def write_json(path: Path, value: object) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("w") as stream:
        json.dump(value, stream, indent=1, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)
