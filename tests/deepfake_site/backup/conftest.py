"""A desk with rows and files of every kind, and ways to look at it and to lose it."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from accounts.models import AuditDetail, AuditEvent, User
from detection import storage
from detection.models import Detection, Image, ModelVersion, Submission
from detection.services import installation
from detection.services.erasure import erase_image
from detection.tasks import run_detection
from tests.factories import files_below, report_row, submitted
from tests.images import jpeg_bytes

RECORDED = (Image, Detection, Submission, AuditEvent, AuditDetail)
Desk = list[Submission]


@pytest.fixture
def desk(alice: User, model_version: ModelVersion, fake_judgement: object, data_dir: Path) -> Desk:
    """Three judged images, one of them erased, a report, a model's file, a kept log."""
    installation.bind()
    artifact = storage.artifact_dir(model_version.artifact_sha256)
    for path in (artifact / "model.onnx", data_dir / "training" / "a-run" / "log.txt"):
        path.parent.mkdir(parents=True)
        path.write_bytes(path.name.encode())
    rows = [submitted(alice, jpeg_bytes(seed=seed)) for seed in range(3)]
    for row in rows:
        run_detection(str(row.detection_id))
    report_row(rows[0].detection, alice)
    erase_image(by=None, image=rows[2].image, because="command")
    return rows


@pytest.fixture
def wipe(data_dir: Path) -> Callable[[], None]:
    """Lose everything, rows and files; the tables stay, empty."""

    def lose() -> None:
        call_command("flush", interactive=False, verbosity=0)
        shutil.rmtree(data_dir)
        data_dir.mkdir()

    return lose


def rows_digest(events: int) -> str:
    """SHA-256 of what the desk has recorded, in order; of the trail the first so many events."""
    digest = hashlib.sha256()
    for model in RECORDED:
        rows = model._default_manager.order_by("pk")
        if model is AuditEvent:
            rows = rows[:events]
        elif model is AuditDetail:
            rows = rows.filter(event__in=AuditEvent.objects.order_by("pk")[:events])
        for row in rows.values_list():
            digest.update(repr([_plain(value) for value in row]).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def files_digest() -> dict[str, str]:
    """SHA-256 of every file that a backup must hold, by its name."""
    paths = [
        p for name in ("originals", "reports", "artifacts", "training") for p in files_below(name)
    ]
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def refuses_changes() -> bool:
    """Whether the audit trail's triggers are in place."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_auditevent SET action = 'x'")
    except DatabaseError as error:
        return "append-only" in str(error)
    return False
