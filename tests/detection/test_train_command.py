"""manage.py train."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from detection.management.commands import train
from detection.models import TrainingRun
from tests.detection.training_data import run_row, snapshot_row

pytestmark = pytest.mark.django_db


def called(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("train", "desk_small", "--start", "scratch", *arguments, stdout=out, **options)
    return out.getvalue()


def test_it_orders_a_run_by_the_beginning_of_a_hash():
    snapshot = snapshot_row()
    said = called("--snapshot", snapshot.sha256[:12], "--epochs", "3", "--no-wait")
    run = TrainingRun.objects.get()
    assert (run.via, run.epochs, run.snapshot) == ("command", 3, snapshot)
    assert str(run.pk) in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--snapshot", "f00"], "No snapshots begin with f00"),
        (["--dataset", "nowhere"], "No data set is called nowhere"),
    ],
)
def test_what_is_not_there_is_named(arguments: list[str], sentence: str):
    with pytest.raises(CommandError, match=sentence):
        called(*arguments, "--no-wait")


def test_a_refusal_is_its_sentence():
    run_row()
    with pytest.raises(CommandError, match="One training runs at a time"):
        called("--snapshot", snapshot_row().sha256, "--no-wait")


def test_it_watches_to_the_end_and_says_why_a_run_failed(monkeypatch: pytest.MonkeyPatch):
    def end(_seconds: float) -> None:
        rows: models.QuerySet[TrainingRun] = TrainingRun.objects.all()
        rows.update(status="failed", failure_code="no_room_to_train")

    monkeypatch.setattr(train.time, "sleep", end)
    with pytest.raises(CommandError, match="too little room left"):
        called("--snapshot", snapshot_row().sha256)
