"""Imports of labelled files: every file becomes an image or is listed with a reason, once."""

import hashlib
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import detector, storage, tasks
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
from ml.datasets.splits import SHARES
from ml.errors import DecoderUnavailable
from tests import archives, images
from tests.factories import files_below, in_parallel, stored_upload

pytestmark = pytest.mark.django_db
WORKER = "test:1:1"
Outcome = ImportedFile.Outcome


@pytest.fixture
def dataset(dora: User) -> Dataset:
    return datasets.create(by=dora, name="Portraits", licence="CC BY 4.0")


def worked(row: DatasetImport) -> DatasetImport:
    while dataset_imports.work(row.pk, worker=WORKER):
        pass
    row.refresh_from_db()
    return row


def imported(dataset: Dataset, files: dict[str, bytes], name: str = "set.zip") -> DatasetImport:
    with archives.zipped(files, name) as upload:
        row = dataset_imports.order_archive(by=dataset.by, dataset=dataset, upload=upload)
    return worked(row)


def became(row: DatasetImport) -> dict[str, str]:
    return dict(row.files.values_list("name", "outcome"))


def manifest(*rows: str) -> bytes:
    head = "path,label,source,method,group,split,sha256,licence"
    return "\n".join([head, *rows]).encode()


# --- what is imported


def test_the_papers_own_layout_in_any_case(dataset: Dataset):
    one, other, third = archives.pictures(3)
    row = imported(dataset, {"REAL/deep/er/a.jpg": one, "fake/b.jpg": other, "Fake/c.png": third})
    assert (row.status, row.outcome) == ("done", {"added": 3})
    found = LabelledImage.objects.filter(dataset=dataset)
    assert sorted(found.values_list("label", "source")) == [
        (0, "Portraits"),
        (1, "Portraits"),
        (1, "Portraits"),
    ]
    for image in found:
        kept = storage.labelled_path(image.sha256).read_bytes()
        assert hashlib.sha256(kept).hexdigest() == image.sha256
        assert len(image.perceptual_hash) == len(image.mirrored_hash) == 16


def test_folders_above_the_label_name_the_source(dataset: Dataset):
    one, other, third = archives.pictures(3)
    imported(dataset, {"a/real/1.jpg": one, "a/fake/1.jpg": other, "b/fake/2.jpg": third})
    found = LabelledImage.objects.order_by("source", "label").values_list("source", "label")
    assert list(found) == [("a", 0), ("a", 1), ("b", 1)]


def test_what_systems_put_into_archives_is_no_data(dataset: Dataset):
    files = {"__MACOSX/Real/._a.jpg": b"x", "Real/.DS_Store": b"x", "Real/Thumbs.db": b"x"}
    row = imported(dataset, {**files, "Real/a.jpg": archives.pictures(1)[0]})
    assert became(row) == {"Real/a.jpg": Outcome.ADDED}


def test_a_manifest_says_everything(dataset: Dataset):
    one, other = archives.pictures(2)
    rows = manifest(
        "x/1.jpg,fake,studio,swap,video 7,test,,CC BY 4.0",
        f"2.jpg,real,street,,,,{hashlib.sha256(other).hexdigest()},",
    )
    row = imported(dataset, {"top/manifest.csv": rows, "top/x/1.jpg": one, "top/2.jpg": other})
    assert row.outcome == {"added": 2}
    fake = LabelledImage.objects.get(label=1)
    assert (fake.source, fake.method, fake.split) == ("studio", "swap", "test")
    assert fake.group.endswith(" video 7")
    assert LabelledImage.objects.get(label=0).source == "street"


def test_a_manifests_group_stays_together_across_imports(dataset: Dataset):
    first, second, third = archives.pictures(3)
    said = "{}.jpg,fake,studio,swap,video 7,{},,"
    imported(dataset, {"manifest.csv": manifest(said.format(1, "test")), "1.jpg": first})
    imported(dataset, {"manifest.csv": manifest(said.format(2, "")), "2.jpg": second})
    row = imported(dataset, {"manifest.csv": manifest(said.format(3, "train")), "3.jpg": third})
    assert became(row) == {"3.jpg": Outcome.OTHER_SPLIT}
    found = LabelledImage.objects.values_list("split", "group").distinct()
    assert [split for split, _ in found] == ["test"]


def test_a_group_of_another_dataset_is_another_group(dataset: Dataset, dora: User):
    other = datasets.create(by=dora, name="Other", licence="CC0")
    for at, into in enumerate((dataset, other)):
        rows = manifest(f"1.jpg,fake,studio,,video 7,{('test', 'train')[at]},,")
        row = imported(into, {"manifest.csv": rows, "1.jpg": archives.pictures(2)[at]})
        assert row.outcome == {"added": 1}


# --- what is listed with a reason


def test_every_file_that_is_not_added_is_listed_with_its_reason(
    dataset: Dataset, dora: User, settings: Any
):
    settings.MAX_UPLOAD_BYTES = 60_000
    other = datasets.create(by=dora, name="Other", licence="CC0")
    known, twice, torn, fresh, wrong, strict = archives.pictures(6)
    imported(other, {"Real/known.jpg": known})
    rows = manifest(
        "a/fresh.jpg,real,s,,,,,",
        "a/again.jpg,real,s,,,,,",
        "a/known.jpg,fake,s,,,,,",
        "a/broken.jpg,real,s,,,,,",
        "a/tiny.png,real,s,,,,,",
        "a/large.png,real,s,,,,,",
        "a/none.jpg,real,s,,,,,",
        "a/torn.jpg,real,s,,,,,",
        "a/torn2.jpg,fake,s,,,,,",
        f"a/wrong.jpg,real,s,,,,{'0' * 64},",
        "a/label.jpg,genuine,s,,,,,",
        "a/split.jpg,real,s,,,external,,",
        "a/strict.jpg,real,s,,,,,All rights reserved",
        "../out.jpg,real,s,,,,,",
        f"a/{'n' * 600}.jpg,real,s,,,,,",
    )
    noise = images.encode(images.Image.effect_noise((400, 400), 90), "PNG")
    row = imported(
        dataset,
        {
            "manifest.csv": rows,
            "a/fresh.jpg": fresh,
            "a/again.jpg": fresh,
            "a/known.jpg": known,
            "a/broken.jpg": twice[:400],
            "a/tiny.png": images.png_bytes(40, 30),
            "a/large.png": noise,
            "a/torn.jpg": torn,
            "a/torn2.jpg": torn,
            "a/wrong.jpg": wrong,
            "a/label.jpg": strict,
            "a/split.jpg": strict,
            "a/strict.jpg": strict,
        },
    )
    assert {name[2:12]: outcome for name, outcome in became(row).items()} == {
        "fresh.jpg": Outcome.ADDED,
        "again.jpg": Outcome.ALREADY_THERE,
        "known.jpg": Outcome.CONTRADICTS,
        "broken.jpg": Outcome.UNREADABLE,
        "tiny.png": Outcome.TOO_SMALL,
        "large.png": Outcome.TOO_LARGE,
        "none.jpg": Outcome.MISSING,
        "torn.jpg": Outcome.BOTH_LABELS,
        "torn2.jpg": Outcome.BOTH_LABELS,
        "wrong.jpg": Outcome.OTHER_BYTES,
        "label.jpg": Outcome.WRONG_ROW,
        "split.jpg": Outcome.WRONG_ROW,
        "strict.jpg": Outcome.OTHER_LICENCE,
        "/out.jpg": Outcome.MISSING,
        "n" * 10: Outcome.WRONG_ROW,
    }
    assert sum(row.outcome.values()) == row.total == 15


def test_a_file_in_no_folder_of_a_label_is_listed(dataset: Dataset):
    files = dict(zip(("a.jpg", "real/fake/b.jpg", "Real/c.jpg"), archives.pictures(3), strict=True))
    row = imported(dataset, files)
    assert became(row) == {
        "a.jpg": Outcome.NO_LABEL,
        "real/fake/b.jpg": Outcome.NO_LABEL,
        "Real/c.jpg": Outcome.ADDED,
    }


def test_a_damaged_member_is_listed_and_the_rest_goes_on(dataset: Dataset):
    files = archives.labelled(3)
    content = bytearray(archives.zip_bytes(files))
    at = content.find(files["Fake/0000.jpg"])
    content[at + 200] ^= 0xFF  # its checksum no longer fits
    with stored_upload(bytes(content), "set.zip") as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    assert worked(row).outcome == {"added": 2, "unreadable": 1}


def test_importing_twice_adds_nothing(dataset: Dataset):
    files = archives.labelled(6)
    assert imported(dataset, files).outcome == {"added": 6}
    assert imported(dataset, files).outcome == {"already_there": 6}
    assert LabelledImage.objects.count() == 6
    assert len(files_below("labelled")) == 6


def test_another_dataset_may_hold_the_same_file_in_the_same_split(dataset: Dataset, dora: User):
    other = datasets.create(by=dora, name="Other", licence="CC0")
    files = archives.labelled(12)
    imported(dataset, files)
    assert imported(other, files).outcome == {"added": 12}
    both = LabelledImage.objects.values_list("sha256", "split", "group")
    assert len(both) == 24
    assert len(set(both)) == 12


# --- splits


def test_splits_have_their_shares_of_each_label(dataset: Dataset):
    row = imported(dataset, archives.labelled(300, side=64))
    assert row.outcome == {"added": 300}
    assert row.done == row.total == 300
    for one in datasets.counts(dataset):
        wanted = 150 * SHARES[LabelledImage.Split.values.index(one.split)]
        assert abs(one.real - wanted) <= 2
        assert abs(one.fake - wanted) <= 2
    assert [one.split for one in datasets.counts(dataset)] == ["train", "val", "test"]


def test_near_copies_of_one_import_are_one_group(dataset: Dataset):
    files = archives.labelled(40)
    copies = {f"Fake/copy-{at:04}.jpg": archives.resaved(at) for at in range(0, 40, 2)}
    copies["Real/mirror.jpg"] = archives.mirrored(1)
    assert imported(dataset, {**files, **copies}).outcome == {"added": 61}
    groups = LabelledImage.objects.values_list("group", "split")
    assert len(set(groups)) == 40
    assert len({group for group, _ in groups}) == 40


def test_near_copies_join_the_split_of_what_is_there(dataset: Dataset, dora: User):
    other = datasets.create(by=dora, name="Other", licence="CC0")
    imported(dataset, archives.labelled(20))
    row = imported(other, {f"Fake/{at}.jpg": archives.resaved(at) for at in range(20)})
    assert row.outcome == {"added": 20}
    found = set(LabelledImage.objects.values_list("group", "split"))
    assert len(found) == 20


def test_a_manifests_split_is_refused_where_a_near_copy_is_in_another(dataset: Dataset):
    first = {"manifest.csv": manifest("0.jpg,real,s,,,test,,"), "0.jpg": archives.pictures(1)[0]}
    imported(dataset, first)
    rows = manifest("1.jpg,real,s,,,train,,", "2.jpg,real,s,,,test,,")
    row = imported(
        dataset,
        {
            "manifest.csv": rows,
            "1.jpg": archives.resaved(0),
            "2.jpg": archives.resaved(0, quality=80),
        },
    )
    assert became(row) == {"1.jpg": Outcome.OTHER_SPLIT, "2.jpg": Outcome.ADDED}
    assert " test" in row.files.get(name="1.jpg").note


def test_near_copies_that_one_manifest_tears_apart_keep_the_first(dataset: Dataset):
    rows = manifest("a.jpg,real,s,,,val,,", "b.jpg,real,s,,,train,,", "c.jpg,real,s,,,,,")
    row = imported(
        dataset,
        {
            "manifest.csv": rows,
            "a.jpg": archives.pictures(1)[0],
            "b.jpg": archives.resaved(0),
            "c.jpg": archives.resaved(0, quality=80),
        },
    )
    assert became(row) == {
        "a.jpg": Outcome.ADDED,
        "b.jpg": Outcome.OTHER_SPLIT,
        "c.jpg": Outcome.ADDED,
    }
    assert set(LabelledImage.objects.values_list("split", flat=True)) == {"val"}


def test_a_picture_between_two_splits_is_refused(dataset: Dataset, monkeypatch: Any):
    rows = manifest("1.jpg,real,s,,,train,,", "2.jpg,real,s,,,test,,")
    first, second, third = archives.pictures(3)
    imported(dataset, {"manifest.csv": rows, "1.jpg": first, "2.jpg": second})
    monkeypatch.setattr(import_placing, "near_pairs", lambda new, known: {(0, 0), (0, 1)})
    row = imported(dataset, {"Real/3.jpg": third})
    assert became(row) == {"Real/3.jpg": Outcome.OTHER_SPLIT}


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
    monkeypatch.setattr(detector, "size_and_hashes", away)
    assert worked(row).failure_code == "attempts_exhausted"
    assert row.attempt < 8
    assert files_below("imports") == []


def test_a_slice_whose_lease_was_lost_writes_nothing(dataset: Dataset, monkeypatch: Any):
    with archives.zipped(archives.labelled(4)) as upload:
        row = dataset_imports.order_archive(by=None, dataset=dataset, upload=upload)
    look = detector.size_and_hashes

    def slow(path: Path) -> Any:
        DatasetImport.objects.filter(pk=row.pk).update(attempt=7)  # another worker took it
        return look(path)

    monkeypatch.setattr(detector, "size_and_hashes", slow)
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


# --- folders of the server


def test_a_folder_is_imported_only_from_below_the_desks_own(
    dataset: Dataset, tmp_path: Path, settings: Any
):
    with pytest.raises(Refused) as refusal:
        dataset_imports.order_path(by=None, dataset=dataset, path="set")
    assert refusal.value.code == "import_folder_off"
    settings.IMPORT_DIR = tmp_path / "imports"
    archives.written(tmp_path / "secret", archives.labelled(2))
    archives.written(settings.IMPORT_DIR / "set", archives.labelled(2))
    (settings.IMPORT_DIR / "out").symlink_to(tmp_path / "secret")
    for path in ("../secret", str(tmp_path / "secret"), "out", "none", "", "a\x00b", "n" * 5000):
        with pytest.raises(Refused) as refusal:
            dataset_imports.order_path(by=None, dataset=dataset, path=path)
        assert refusal.value.code == "import_path_outside"
    row = dataset_imports.order_path(by=None, dataset=dataset, path="set")
    assert worked(row).outcome == {"added": 2}
    assert len(list((settings.IMPORT_DIR / "set").rglob("*.jpg"))) == 2


def test_a_folder_that_goes_meanwhile_ends_the_import(
    dataset: Dataset, tmp_path: Path, settings: Any
):
    settings.IMPORT_DIR = tmp_path
    folder = archives.written(tmp_path / "set", archives.labelled(2))
    row = dataset_imports.order_path(by=None, dataset=dataset, path="set")
    folder.rename(tmp_path / "elsewhere")
    assert worked(row).failure_code == "import_path_gone"


def test_a_manifest_of_the_server_is_imported(dataset: Dataset, tmp_path: Path, settings: Any):
    settings.IMPORT_DIR = tmp_path
    rows = manifest("1.jpg,real,s,,,,,", "/etc/hostname,real,s,,,,,")
    archives.written(tmp_path, {"list.csv": rows, "1.jpg": archives.pictures(1)[0]})
    row = dataset_imports.order_path(by=None, dataset=dataset, path="list.csv")
    assert became(worked(row)) == {"1.jpg": Outcome.ADDED, "/etc/hostname": Outcome.MISSING}


@pytest.mark.parametrize("content", [b"path,label\n", b"\xff\xfe\x00", b""])
def test_a_manifest_that_is_none_ends_the_import(content: bytes, dataset: Dataset):
    row = imported(dataset, {"manifest.csv": content})
    assert (row.status, row.failure_code) == ("failed", "manifest_unreadable")


def test_an_archive_without_data_ends_the_import(dataset: Dataset):
    assert imported(dataset, {".hidden": b"x"}).failure_code == "import_empty"


def test_the_dataset_of_reviews_takes_no_files(dora: User):
    with archives.zipped(archives.labelled(2)) as upload, pytest.raises(Refused) as refusal:
        dataset_imports.order_archive(by=dora, dataset=datasets.of_reviews(), upload=upload)
    assert refusal.value.code == "dataset_fills_itself"


def test_the_command_imports_a_folder_to_its_end(tmp_path: Path, capsys: Any):
    folder = archives.written(tmp_path / "set", archives.labelled(6))
    options = {"name": "Portraits", "licence": "CC0"}
    call_command("import_dataset", str(folder), **options)
    assert "6 added" in capsys.readouterr().out
    call_command("import_dataset", str(folder), **options)
    assert Dataset.objects.get().licence == "CC0"
    assert LabelledImage.objects.count() == 6
    with pytest.raises(CommandError, match="licence"):
        call_command("import_dataset", str(folder), name="Portraits", licence="other")
    with pytest.raises(CommandError, match="no such"):
        call_command("import_dataset", str(tmp_path / "none"), **options)
