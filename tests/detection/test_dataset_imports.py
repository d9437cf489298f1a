"""Imports of labelled files: every file becomes an image or is listed with a reason, once."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from detection import storage
from detection.errors import Refused
from detection.models import Dataset, ImportedFile, LabelledImage
from detection.services import (
    dataset_imports,
    datasets,
)
from tests import archives, images
from tests.factories import files_below, stored_upload
from tests.labelled import became, imported, manifest, worked

pytestmark = pytest.mark.django_db
Outcome = ImportedFile.Outcome


@pytest.fixture
def dataset(dora: User) -> Dataset:
    return datasets.create(by=dora, name="Portraits", licence="CC BY 4.0")


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
