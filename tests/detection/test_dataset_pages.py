"""The pages about labelled data: administrators alone, every state, nothing of an archive run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from detection import storage
from detection.models import Dataset, DatasetImport, ImportedFile, LabelledImage, Snapshot
from detection.services import dataset_imports, datasets, snapshots
from tests import archives
from tests.factories import files_below
from tests.labelled import imported

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(dora: User) -> Dataset:
    return datasets.create(by=dora, name="Portraits", licence="CC BY 4.0")


@pytest.fixture
def admin(dora: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(dora)


def _zip(files: dict[str, bytes], name: str = "set.zip") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, archives.zip_bytes(files), "application/zip")


def _text(answer: Any) -> str:
    return answer.content.decode()


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_to_everybody_else_the_pages_do_not_exist(
    who: str, request: Any, client_of: Any, dataset: Dataset
):
    client = client_of(request.getfixturevalue(who))
    for path in (reverse("datasets"), reverse("dataset", args=[dataset.pk])):
        assert client.get(path).status_code == 404
    answer = client.post(reverse("dataset_import", args=[dataset.pk]), {"archive": _zip({})})
    assert answer.status_code == 404
    assert Client().get(reverse("datasets")).status_code == 302


def test_an_empty_desk_says_what_to_do(admin: Client):
    text = _text(admin.get(reverse("datasets")))
    assert "No labelled data yet" in text
    assert "Nothing is frozen yet" in text
    assert "Freeze a snapshot" not in text


def test_a_dataset_is_made_and_its_name_is_its_own(admin: Client):
    said = {"name": "<b>Street</b>", "licence": "CC0", "consent": "", "description": ""}
    answer = admin.post(reverse("datasets"), said)
    row = Dataset.objects.get()
    assert answer.headers["Location"] == reverse("dataset", args=[row.pk])
    text = _text(admin.get(reverse("dataset", args=[row.pk])))
    assert "&lt;b&gt;Street" in text
    assert "It holds no images yet" in text
    again = admin.post(reverse("datasets"), said)
    assert again.status_code == 409
    assert "Another dataset has this name" in _text(again)
    assert admin.post(reverse("datasets"), {"name": "x"}).status_code == 400
    reserved = {"name": "reviewed IMAGES", "licence": "x"}
    assert admin.post(reverse("datasets"), reserved).status_code == 409


def test_a_zip_is_uploaded_imported_and_looked_at(admin: Client, dataset: Dataset):
    files = {**archives.labelled(4), "Real/broken.jpg": b"no picture"}
    answer = admin.post(reverse("dataset_import", args=[dataset.pk]), {"archive": _zip(files)})
    row = DatasetImport.objects.get()
    page = reverse("dataset_import_page", args=[row.pk])
    assert (answer.status_code, answer.headers["Location"]) == (302, page)
    assert "Waits for a worker" in _text(admin.get(page))
    while dataset_imports.work(row.pk, worker="test:1:1"):
        pass
    text = _text(admin.get(page))
    assert "Done" in text
    assert "data-unfinished" not in text
    only = _text(admin.get(page, {"outcome": "unreadable"}))
    assert "Real/broken.jpg" in only
    assert "0001.jpg" not in only
    assert admin.get(page, {"outcome": "nonsense"}).status_code == 400
    text = _text(admin.get(reverse("dataset", args=[dataset.pk])))
    assert "4 images added" in text
    assert text.count("/preview") == 4


def test_a_zip_may_be_larger_than_an_image_but_not_than_its_own_limit(
    admin: Client, dataset: Dataset, settings: Any
):
    settings.MAX_UPLOAD_BYTES = 4_000
    path = reverse("dataset_import", args=[dataset.pk])
    files = archives.labelled(4)
    assert admin.post(path, {"archive": _zip(files)}).status_code == 302
    settings.MAX_ARCHIVE_BYTES = 5_000
    answer = admin.post(path, {"archive": _zip(files)})
    assert answer.status_code == 413
    assert "larger" in _text(answer)
    assert files_below("incoming") == []
    assert DatasetImport.objects.count() == 1


def test_elsewhere_and_for_others_the_limit_stays_that_of_images(
    admin: Client, dataset: Dataset, settings: Any
):
    settings.MAX_UPLOAD_BYTES = 4_000
    answer = admin.post(reverse("verify"), {"image": _zip(archives.labelled(4))})
    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["traversal", "bomb", "nested", "locked", "no archive"])
def test_a_hostile_archive_is_refused_with_a_sentence(name: str, admin: Client, dataset: Dataset):
    build, _code = archives.HOSTILE[name]
    file = SimpleUploadedFile("set.zip", build(), "application/zip")
    answer = admin.post(reverse("dataset_import", args=[dataset.pk]), {"archive": file})
    assert answer.status_code == 422
    assert 'role="alert"' in _text(answer)
    assert not DatasetImport.objects.exists()


def test_without_a_file_the_page_says_so(admin: Client, dataset: Dataset):
    answer = admin.post(reverse("dataset_import", args=[dataset.pk]), {})
    assert answer.status_code == 400
    assert "No ZIP file was chosen" in _text(answer)


def test_the_servers_folder_is_offered_where_there_is_one(
    admin: Client, dataset: Dataset, settings: Any, tmp_path: Path
):
    page, path = (reverse(name, args=[dataset.pk]) for name in ("dataset", "dataset_import"))
    assert "Import from the server" not in _text(admin.get(page))
    assert admin.post(path, {"path": "set"}).status_code == 422
    settings.IMPORT_DIR = tmp_path
    archives.written(tmp_path / "set", archives.labelled(2))
    assert "Import from the server" in _text(admin.get(page))
    assert admin.post(path, {"path": "../set"}).status_code == 422
    assert admin.post(path, {"path": "set"}).status_code == 302


def test_a_failed_import_says_why(admin: Client, dataset: Dataset):
    row = imported(dataset, {"manifest.csv": b"path\n"})
    text = _text(admin.get(reverse("dataset_import_page", args=[row.pk])))
    assert "Failed" in text
    assert "The manifest cannot be read." in text


def test_ten_thousand_files_are_shown_a_page_at_a_time(
    admin: Client, dataset: Dataset, django_assert_max_num_queries: Any
):
    row = DatasetImport.objects.create(
        dataset=dataset, path="/x", name="many", stage="read", total=10_000, status="running"
    )
    ImportedFile.objects.bulk_create(
        ImportedFile(dataset_import=row, position=at, name=f"Real/{at:05}.jpg", label=0)
        for at in range(10_000)
    )
    page = reverse("dataset_import_page", args=[row.pk])
    with django_assert_max_num_queries(12):
        text = _text(admin.get(page, {"page": "50"}))
    assert "Page 50 of 100" in text
    assert text.count("Real/") == 100
    assert "data-unfinished" in text


def test_ten_thousand_images_are_counted_and_a_few_shown(
    admin: Client, dataset: Dataset, django_assert_max_num_queries: Any
):
    LabelledImage.objects.bulk_create(
        LabelledImage(
            dataset=dataset,
            sha256=f"{at:064}",
            label=at % 2,
            source="s",
            group=f"{at}",
            split="train" if at % 10 else "test",
        )
        for at in range(10_000)
    )
    page = reverse("dataset", args=[dataset.pk])
    with django_assert_max_num_queries(12):
        text = _text(admin.get(page, {"split": "test", "label": "0"}))
    assert "4,000" in text
    assert "5,000" in text
    assert text.count("/preview") == 24
    assert "split=test&amp;label=0&amp;cursor=" in text
    with django_assert_max_num_queries(14):
        assert "5,000 real, 5,000 fake" in _text(admin.get(reverse("datasets")))


def test_previews_are_rebuilt_from_pixels_for_administrators_alone(
    admin: Client, dataset: Dataset, client_of: Any, carol: User
):
    imported(dataset, archives.labelled(1))
    row = LabelledImage.objects.get()
    path = reverse("labelled_preview", args=[row.pk])
    answer = admin.get(path)
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xff\xd8\xff")
    assert content != storage.labelled_path(row.sha256).read_bytes()
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert client_of(carol).get(path).status_code == 404
    storage.drop_labelled(row.sha256)
    assert admin.get(path).status_code == 404


def test_a_snapshot_is_frozen_and_shown_and_breaks(admin: Client, dataset: Dataset, dora: User):
    imported(dataset, archives.labelled(10))
    answer = admin.post(
        reverse("freeze_snapshot"), {"name": "November", "datasets": [str(dataset.pk)]}
    )
    row = Snapshot.objects.get()
    page = reverse("snapshot", args=[row.pk])
    assert answer.headers["Location"] == page
    text = _text(admin.get(page))
    assert row.sha256 in text
    assert "Nothing is trained on it any more" not in text
    assert "November" in _text(admin.get(reverse("datasets")))
    labelled = row.images.first()
    assert labelled is not None
    detail = reverse("labelled_image", args=[labelled.pk])
    assert "November" in _text(admin.get(detail))
    answer = admin.post(detail)
    assert answer.headers["Location"] == reverse("dataset", args=[dataset.pk])
    assert "1 of its images was removed" in _text(admin.get(page))
    assert "It was taken out" in _text(admin.get(detail))
    preview = reverse("labelled_preview", args=[labelled.pk])
    assert admin.get(preview).status_code == 404


def test_what_cannot_be_frozen_says_why(admin: Client, dataset: Dataset):
    path = reverse("freeze_snapshot")
    answer = admin.post(path, {"name": "none", "datasets": [str(dataset.pk)]})
    assert answer.status_code == 409
    imported(dataset, archives.labelled(4))
    Dataset.objects.create(name="Empty", licence="CC0")
    answer = admin.post(path, {"name": "", "datasets": []})
    assert answer.status_code == 400
    assert "This field is required" in _text(answer)
    frozen = snapshots.freeze([dataset], name="a", by=None)
    assert admin.get(reverse("snapshot", args=[frozen.pk])).status_code == 200


def test_the_dataset_of_reviews_offers_no_import(admin: Client):
    row = datasets.of_reviews()
    text = _text(admin.get(reverse("dataset", args=[row.pk])))
    assert "Reviews fill this dataset" in text
    assert "Upload and import" not in text
    files = {"archive": _zip(archives.labelled(2))}
    assert admin.post(reverse("dataset_import", args=[row.pk]), files).status_code == 409
