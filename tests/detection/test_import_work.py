"""Imports as work that the database owns: in slices, killed at any moment, nothing doubled."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import hashing, storage, tasks
from detection.errors import Refused
from detection.models import Dataset, DatasetImport, ImportedFile, LabelledImage
from detection.services import (
    dataset_imports,
    datasets,
    import_placing,
    import_reading,
    orphans,
    sweeping,
)
from ml.errors import DecoderUnavailable
from tests import archives
from tests.factories import files_below, in_parallel, stored_upload
from tests.labelled import WORKER, imported, worked

pytestmark = pytest.mark.django_db
Outcome = ImportedFile.Outcome


@pytest.fixture
def dataset(dora: User) -> Dataset:
    return datasets.create(by=dora, name="Portraits", licence="CC BY 4.0")


# --- work that the database owns


def test_an_archive_is_durable_before_its_row_and_goes_when_it_was_read(
    dataset: Dataset, bells: list[list[str]], django_capture_on_commit_callbacks: Any
):
    with (
        archives.zipped(archives.labelled(2)) as upload,
        django_capture_on_commit_callbacks(execute=True),
    ):
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    assert files_below("imports") == [storage.import_path(row.pk)]
    assert bells == [[str(row.pk)]]
    assert worked(row).status == "done"
    assert files_below("imports") == files_below("incoming") == []


@pytest.mark.parametrize("name", archives.HOSTILE)
def test_a_hostile_archive_leaves_nothing(name: str, dataset: Dataset):
    build, code = archives.HOSTILE[name]
    with stored_upload(build(), "set.zip") as upload, pytest.raises(Refused) as refusal:
        dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    assert refusal.value.code == code
    assert not DatasetImport.objects.exists()
    assert files_below("imports") == files_below("incoming") == []


def test_a_long_import_goes_on_slice_by_slice(dataset: Dataset, bells: list[list[str]]):
    with archives.zipped(archives.labelled(50)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    slices = 0
    while dataset_imports.work(row.pk, worker=WORKER, seconds=0):
        slices += 1
        row.refresh_from_db()
        assert row.status == "queued"
        assert row.attempt_limit > row.attempt
        assert bells[-1] == [str(row.pk)]
    row.refresh_from_db()
    assert slices >= 2
    assert row.outcome == {"added": 50}


class Killed(BaseException):
    """What no code catches: the process is gone."""


@pytest.mark.parametrize("seed", range(4))
def test_an_import_that_is_killed_at_random_goes_on_and_doubles_nothing(
    seed: int, dataset: Dataset, monkeypatch: Any
):
    draw = random.Random(seed)
    advance, kills = DatasetImport.advance, 0

    def killed_sometimes(self: DatasetImport, **fields: Any) -> None:
        advance(self, **fields)
        if draw.random() < 0.3:
            raise Killed

    monkeypatch.setattr(DatasetImport, "advance", killed_sometimes)
    monkeypatch.setattr(import_reading, "FILES_AT_ONCE", 7)
    monkeypatch.setattr(import_placing, "GROUPS_AT_ONCE", 5)
    files = archives.labelled(40) | {
        f"Fake/copy-{at}.jpg": archives.resaved(at) for at in range(0, 8, 2)
    }
    with archives.zipped(files) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    while row.status != "done":
        try:
            dataset_imports.work(row.pk, worker=WORKER)
        except Killed:
            kills += 1
            ago = timezone.now() - timedelta(seconds=1)
            DatasetImport.objects.filter(pk=row.pk).update(lease_until=ago, attempt_limit=999)
        row.refresh_from_db()
        assert kills < 300
    assert kills > 3
    assert row.outcome == {"added": 44}
    assert LabelledImage.objects.count() == len(files_below("labelled")) == 44
    assert len(set(LabelledImage.objects.values_list("group", flat=True))) == 40
    assert AuditEvent.objects.filter(action="dataset_import.completed").count() == 1


def test_attempts_that_come_no_further_are_counted(dataset: Dataset, monkeypatch: Any):
    def away(*_: Any, **__: Any) -> None:
        raise DecoderUnavailable("decoder_not_started", "")

    with archives.zipped(archives.labelled(2)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    monkeypatch.setattr(hashing, "size_and_hashes", away)
    assert worked(row).failure_code == "attempts_exhausted"
    assert row.attempt < 8
    assert files_below("imports") == []


def test_a_slice_whose_lease_was_lost_writes_nothing(dataset: Dataset, monkeypatch: Any):
    with archives.zipped(archives.labelled(4)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    look = hashing.size_and_hashes

    def slow(path: Path) -> Any:
        DatasetImport.objects.filter(pk=row.pk).update(attempt=7)  # another worker took it
        return look(path)

    monkeypatch.setattr(hashing, "size_and_hashes", slow)
    assert not dataset_imports.work(row.pk, worker=WORKER)
    assert set(row.files.values_list("outcome", flat=True)) == {Outcome.WAITING}


def test_the_task_works_a_slice_and_a_repeated_message_nothing(dataset: Dataset):
    with archives.zipped(archives.labelled(4)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    tasks.import_labelled(str(row.pk))
    tasks.import_labelled(str(row.pk))
    assert LabelledImage.objects.count() == 4
    assert AuditEvent.objects.filter(action="dataset_import.completed").count() == 1


def test_the_sweeper_rings_for_what_nobody_works_on(dataset: Dataset, bells: list[list[str]]):
    with archives.zipped(archives.labelled(2)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    assert sweeping.sweep()["rung_for_imports"] == 1
    assert bells[-1] == [str(row.pk)]
    assert sweeping.sweep()["rung_for_imports"] == 0


def test_the_sweeper_ends_the_hopeless(dataset: Dataset):
    row = DatasetImport.objects.create(
        dataset=dataset,
        path="/nowhere",
        status="running",
        attempt=3,
        lease_until=timezone.now() - timedelta(minutes=1),
    )
    assert sweeping.fail_exhausted() == 1
    row.refresh_from_db()
    assert (row.status, row.failure_code) == ("failed", "attempts_exhausted")


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_near_copies_at_once_tear_no_group_apart(dora: User):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite writes one after the other")
    names = ["One", "Other"]
    for name, copy in zip(names, (False, True), strict=True):
        into = datasets.create(by=dora, name=name, licence="CC0")
        files = {
            f"Real/{at}.jpg": archives.resaved(at) if copy else archives.pictures(1, start=at)[0]
            for at in range(20)
        }
        with archives.zipped(files) as upload:
            dataset_imports.order_archive(by=dora, dataset=into, upload=upload)
    waiting = list(DatasetImport.objects.values_list("pk", flat=True))
    in_parallel(lambda: dataset_imports.work(waiting.pop(), worker=WORKER), times=2)
    groups = set(LabelledImage.objects.values_list("group", "split"))
    assert LabelledImage.objects.count() == 40
    assert len(groups) == len({group for group, _ in groups}) == 20


def test_files_that_no_dataset_took_are_removed_after_a_day(dataset: Dataset, monkeypatch: Any):
    row = imported(dataset, {"Real/a.jpg": archives.pictures(1)[0], "Fake/b.jpg": b"no picture"})
    torn = archives.pictures(1, start=9)[0]
    imported(dataset, {"Real/c.jpg": torn, "Fake/d.jpg": torn})
    assert row.outcome == {"added": 1, "unreadable": 1}
    assert len(files_below("labelled")) == 2
    monkeypatch.setattr("detection.services.installation.is_ours", lambda: True)
    assert orphans.remove_unused_labelled() == 0
    monkeypatch.setattr(orphans, "ORPHAN_AGE_S", -1)
    assert orphans.remove_unused_labelled() == 1
    assert len(files_below("labelled")) == 1


def test_archives_of_ended_imports_are_removed_after_a_day(dataset: Dataset, monkeypatch: Any):
    with archives.zipped(archives.labelled(2)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    monkeypatch.setattr(orphans, "ORPHAN_AGE_S", -1)
    assert orphans.remove_ended_archives() == 0
    DatasetImport.objects.filter(pk=row.pk).update(status="failed")
    assert orphans.remove_ended_archives() == 1
