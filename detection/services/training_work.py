"""Carries a training run out: claims it, watches its process, writes what became of it."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.utils import timezone

from detection import labelled_files, storage, trainable
from detection.errors import Refused, StorageAway
from detection.models import ModelVersion, TrainingRun
from detection.services import comparisons, registry, snapshots, training
from detection.services.training_process import TrainingProcess, end_leftovers
from ml.errors import ArtifactError

log = logging.getLogger(__name__)

POLL_S = 0.5
BEAT_IMAGES = 50  # brought from a bucket between two beats
BEAT_S = 2.0
# Codes that say nothing of the run: another process still had its folder.
NOT_ITS_FAULT = {"run_busy"}


class Ended(Exception):  # noqa: N818 (it names what happened)
    """This attempt is over before its work is done."""


class Lost(Ended):
    """Another process has the run, or it has ended: nothing may be written any more."""


class Stopped(Ended):
    """The trainer is asked to stop; the run waits for the next one."""


class CalledOff(Ended):
    """Somebody cancelled the run."""


class Killed(Ended):
    """The process was ended from outside; the next attempt resumes."""


class Failed(Ended):
    """The run cannot succeed.

    Attributes:
        code: of `detection.training_words.FAILURES`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def carry_out(
    run_id: uuid.UUID | str, *, worker: str, is_stopping: Callable[[], bool] = lambda: False
) -> None:
    """Claim a run and see it to its end; a repeated message finds nothing to claim and returns."""
    claim = TrainingRun.objects.claim(run_id, worker=worker)
    if claim is None:
        return
    if settings.S3_BUCKET:  # no common folder: the sweeper, elsewhere, cannot clear up here
        for ended in training.ended_with_files():
            training.clear(ended)
    work = _Work(claim, is_stopping)
    try:
        work.do()
    except Lost:
        log.warning("training %s: the lease was lost", claim.pk)
    except Stopped:
        claim.release()
    except Killed:
        _try_again(claim)
    except CalledOff:
        end_cancelled(claim)
    except Failed as failure:
        end_failed(claim, failure.code)


def end_cancelled(run: TrainingRun, *, is_held: bool = True) -> bool:
    """End a run that somebody called off; False where another process has it."""
    with transaction.atomic():
        if not (run.cancel() if is_held else run.cancel_unheld()):
            return False
        training.clear_later(run)
        training.record_end("training_run.cancelled", run)
    return True


def end_failed(run: TrainingRun, code: str, *, is_held: bool = True) -> bool:
    """End a run that cannot succeed; False where another process has it."""
    with transaction.atomic():
        if not (run.fail(code) if is_held else run.fail_unheld(code)):
            return False
        training.clear_later(run)
        training.record_end("training_run.failed", run, failure_code=code)
    log.error("training %s failed: %s", run.pk, code)
    return True


def compare(run: TrainingRun) -> None:
    """Have the candidate of a run measured beside the active model."""
    if run.candidate is None:
        return
    try:
        comparisons.order(run.candidate, run.snapshot, by=run.by)
    except Refused as refusal:
        log.warning("training %s: its candidate is not compared: %s", run.pk, refusal.code)


def _try_again(run: TrainingRun) -> None:
    if run.give_up_attempt():
        training.ring(run)
    else:
        end_failed(run, "attempts_exhausted")


@dataclass
class _Work:
    """One attempt at one run."""

    run: TrainingRun
    is_stopping: Callable[[], bool]
    held_until: float = field(default_factory=lambda: _in(settings.LEASE))

    def __post_init__(self) -> None:
        self.folder = storage.training_dir(self.run.pk)
        self.log = self.folder / training.LOG_FILE
        self.artifact = self.folder / "artifact"

    def do(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        end_leftovers(self.folder)
        self._beat({"stage": "starting"})
        if not self.artifact.is_dir():
            data = self._manifest()
            self._call("train", self.run.config, *self._train_options(data))
            self._call("export", str(self.folder / "run"), *self._export_options(data))
        self._register()

    def _train_options(self, data: Path) -> list[str]:
        run = self.run
        options = _options(
            data=data,
            run=self.folder / "run",
            cache=self.folder / "cache",
            epochs=run.epochs,
            seed=run.seed,
        )
        if run.started_from is not None:
            start = trainable.start_of(run.started_from)
            if start is None:
                raise Failed("no_start_weights")
            learnt = self._learnt(run.started_from)
            options += _options(start=start.folder, learnt=learnt)
        return options

    def _export_options(self, data: Path) -> list[str]:
        return _options(data=data, out=self.artifact, version=training.version_of(self.run))

    def _manifest(self) -> Path:
        try:
            manifest = snapshots.manifest_of(self.run.snapshot)
            if storage.in_bucket(manifest):
                return self._brought(manifest)
        except StorageAway:
            raise Stopped from None  # given back as it is, without costing an attempt
        except (Refused, FileNotFoundError):
            raise Failed("snapshot_broken") from None
        return manifest

    def _brought(self, manifest: Path) -> Path:
        """The manifest of copies on this machine, which go with what else the run works with."""
        folder = self.folder / "images"
        folder.mkdir(exist_ok=True, mode=0o700)
        rows = labelled_files.rows_of_manifest(manifest)
        for number, row in enumerate(rows):
            if number % BEAT_IMAGES == 0:
                self._beat({"stage": "starting"})
            copy = folder / row["sha256"]
            if not copy.exists():
                storage.write_atomically(copy, storage.read(Path(row["path"])))
            row["path"] = str(copy.resolve())
        here = self.folder / "manifest.csv"
        storage.write_atomically(here, labelled_files.manifest_csv(rows))
        return here

    def _learnt(self, version: ModelVersion) -> Path:
        """What the first weights know, as it was at the first attempt."""
        path = self.folder / "learnt.txt"
        if not path.exists():
            known = training.learnt_before(version, self.run.snapshot)
            storage.write_atomically(path, "\n".join(sorted(known)).encode())
        return path

    def _call(self, command: str, *arguments: str) -> None:
        """Run one command to its end, holding the lease all the while."""
        process = TrainingProcess(self.folder, [command, *arguments], log=self.log)
        try:
            code = self._watched(process)
        finally:
            process.end()
        said = process.progress()
        if code == 0:
            self._beat(said)
            return
        failed = str(said.get("failed", ""))
        if code < 0 or failed in NOT_ITS_FAULT:
            raise Killed
        raise Failed(failed or "training_crashed")

    def _watched(self, process: TrainingProcess) -> int:
        beat_at = 0.0
        while (code := process.exit_code(POLL_S)) is None:
            if self.is_stopping():
                raise Stopped
            if time.monotonic() >= beat_at:
                self._beat(process.progress())
                beat_at = time.monotonic() + BEAT_S
        return code

    def _beat(self, said: dict[str, Any]) -> None:
        """Hold the lease, write progress, and see whether the run is still wanted.

        Raises:
            Ended: it is not, or the lease is gone; a database that is away is waited for as long
                as the lease lasts.
        """
        close_old_connections()
        try:
            if not self.run.beat(**_columns(said)):
                raise Lost
            now = TrainingRun.objects.select_related("snapshot").get(pk=self.run.pk)
        except (OperationalError, InterfaceError) as error:
            log.warning("training %s: the database is away: %s", self.run.pk, type(error).__name__)
            if time.monotonic() >= self.held_until:
                raise Lost from error
            return
        self.held_until = _in(settings.LEASE)
        if now.cancel_asked_at is not None:
            raise CalledOff
        if not now.snapshot.is_whole:
            raise Failed("snapshot_broken")
        if not training.has_room():
            raise Failed("no_room_to_train")

    def _register(self) -> None:
        """Make the artifact a candidate; from here on the run can no longer be called off."""
        self._beat({})
        if not self.run.close_door(training.REGISTERING):
            raise CalledOff
        try:
            sha256 = trainable.sha256_of(self.artifact)
            version = registry.register_artifact(self.artifact, by=self.run.by, sha256=sha256)
        except ArtifactError:
            log.exception("training %s: its artifact is not registered", self.run.pk)
            raise Failed("artifact_invalid") from None
        except registry.VersionTaken:
            raise Failed("version_taken") from None
        with transaction.atomic():
            if not self.run.complete(version):
                raise Lost
            self.run.candidate = version
            training.clear_later(self.run)
            training.record_end("training_run.completed", self.run, candidate=sha256)
        compare(self.run)


def _columns(said: dict[str, Any]) -> dict[str, Any]:
    """Progress as columns of the run; what was not said stays."""
    columns: dict[str, Any] = {
        name: said[name] for name in ("stage", "done", "total") if name in said
    }
    if said.get("history"):
        columns["history"] = said["history"]
    if "stage" in said:
        left = said.get("remaining_s")
        end = None if left is None else timezone.now() + timedelta(seconds=left)
        columns["expected_end_at"] = end
    return columns


def _options(**values: object) -> list[str]:
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def _in(life: timedelta) -> float:
    return time.monotonic() + life.total_seconds()
