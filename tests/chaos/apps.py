"""Puts the steps at which faults may be armed into a desk that runs with `faulty_settings`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.core.handlers.wsgi import WSGIHandler

from tests.chaos import faults
from tests.chaos.faults import ENDS, FOLDER, reached


class Faults(AppConfig):
    """Wraps what a desk calls at each step; unarmed, a step looks for four files and goes on."""

    name = "tests.chaos"
    label = "faults"

    def ready(self) -> None:
        _steps_of_an_upload()
        _steps_of_a_judgement()
        _signs_of_a_worker()


def _signs_of_a_worker() -> None:
    from celery.signals import worker_init

    from deepfake_site import pulse

    beat = pulse.beat

    def beat_in_steps(file: Path) -> None:
        reached(f"a sign of {file.stem}")
        beat(file)

    pulse.beat = beat_in_steps
    worker_init.connect(_remember, weak=False)


def _remember(sender: Any, **_: Any) -> None:
    faults.worker = sender


def _steps_of_an_upload() -> None:
    from detection import storage
    from detection.api import idempotency
    from detection.services import waiting
    from detection.uploads import UploadWriter

    _after(UploadWriter, "finish", "written")
    _after(storage, "_ready_to_name", "synced")
    _after(os, "link", "linked")
    _after(storage, "keep_original", "kept")
    _after(idempotency, "keep", "recorded")
    _before(waiting, "ring", "committed")
    _after(waiting, "ring", "rung")
    _after(WSGIHandler, "__call__", "answered", only=_is_upload)


def _steps_of_a_judgement() -> None:
    """Of one image, by the SHA-256 that whoever sent it knows."""
    from detection import detector
    from detection.models import Detection

    judge, complete = detector.judge, Detection.complete

    def judge_in_steps(image: Any, version: Any) -> Any:
        reached(f"judging {image.sha256}")
        judgement = judge(image, version)
        reached(f"judged {image.sha256}")
        return judgement

    def complete_and_tell(self: Any, **named: Any) -> bool:
        is_recorded = complete(self, **named)
        with (FOLDER / ENDS).open("a", encoding="ascii") as ends:
            ends.write(f"{os.getpid()} {self.attempt} {is_recorded}\n")
        return is_recorded

    detector.judge, Detection.complete = judge_in_steps, complete_and_tell


def _is_upload(_handler: object, environ: dict[str, Any], *_: object) -> bool:
    return environ["REQUEST_METHOD"] == "POST"


def _any(*_: object, **__: object) -> bool:
    return True


def _after(owner: Any, name: str, step: str, only: Callable[..., bool] = _any) -> None:
    real = getattr(owner, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        result = real(*args, **named)
        if only(*args, **named):
            reached(step)
        return result

    setattr(owner, name, wrapped)


def _before(owner: Any, name: str, step: str) -> None:
    real = getattr(owner, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        reached(step)
        return real(*args, **named)

    setattr(owner, name, wrapped)
