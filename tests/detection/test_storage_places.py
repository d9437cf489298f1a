"""What holds of files wherever they lie: in the data folder, or in a bucket."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from detection import storage
from detection.models import Detection, Image
from detection.services import erasure, installation, orphans
from detection.services.erasure import erase_image
from detection.services.verification import damaged_originals, unnamed_originals
from detection.tasks import run_detection
from tests import images
from tests.factories import submitted

KINDS = ("originals", "previews", "reports", "orphans", "labelled", "imports")


@pytest.fixture(autouse=True, params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> str:
    if request.param == "bucket":
        request.getfixturevalue("s3")
    return str(request.param)


def incoming(content: bytes = b"original bytes") -> Path:
    path = storage.incoming_dir() / uuid.uuid4().hex
    path.write_bytes(content)
    return path


def names() -> set[str]:
    """Everything that is kept, wherever that is."""
    return {storage.name_of(one.path) for kind in KINDS for one in storage.files_of(kind)}


def test_an_original_is_kept_and_read_back(place):
    upload, image_id = incoming(), uuid.uuid4()
    storage.keep_original(upload, image_id)
    path = storage.original_path(image_id)
    assert storage.read(path) == b"original bytes"
    assert storage.exists(path)
    assert path.exists() is (place == "folder")  # a bucket leaves nothing on the machine
    assert list(storage.incoming_dir().iterdir()) == []


def test_an_original_is_never_overwritten():
    image_id = uuid.uuid4()
    storage.keep_original(incoming(), image_id)
    with pytest.raises(FileExistsError):
        storage.keep_original(incoming(b"others"), image_id)
    assert storage.read(storage.original_path(image_id)) == b"original bytes"


def test_a_lost_original_is_put_back_over_what_is_there():
    image_id = uuid.uuid4()
    storage.keep_original(incoming(b"altered"), image_id)
    storage.restore_original(incoming(), image_id)
    assert storage.read(storage.original_path(image_id)) == b"original bytes"


def test_dropping_forgives_absence():
    image_id = uuid.uuid4()
    storage.keep_original(incoming(), image_id)
    storage.drop_original(image_id)
    storage.drop_original(image_id)
    assert names() == set()
    with pytest.raises(FileNotFoundError):
        storage.opened(storage.original_path(image_id))


def test_a_local_path_holds_the_bytes():
    image_id = uuid.uuid4()
    storage.keep_original(incoming(), image_id)
    with storage.local(storage.original_path(image_id)) as path:
        assert path.read_bytes() == b"original bytes"
    assert list(storage.incoming_dir().iterdir()) == []


def test_reports_are_kept_once_and_dropped_one_by_one():
    image_id, one, other = (uuid.uuid4() for _ in range(3))
    for report_id in (one, other):
        storage.keep_report(image_id, report_id, {".json": b"{}", ".pdf": b"%PDF"})
    with pytest.raises(FileExistsError):
        storage.keep_report(image_id, one, {".json": b"{ }"})
    storage.drop_report(image_id, one)
    below = f"reports/{str(image_id)[:2]}/{image_id}/{other}"
    assert names() == {f"{below}.json", f"{below}.pdf"}


def test_erasing_leaves_other_images_alone():
    erased, kept = uuid.uuid4(), uuid.uuid4()
    for image_id in (erased, kept):
        storage.keep_original(incoming(), image_id)
        storage.write_atomically(storage.preview_path(image_id, 320), b"jpeg")
        storage.write_beside(storage.photograph_path(image_id, 1), b"[]")
        storage.keep_report(image_id, uuid.uuid4(), {".json": b"{}"})
    storage.erase(erased)
    assert len(names()) == 4
    assert all(str(kept) in name for name in names())


def test_labelled_files_are_known_by_their_bytes():
    for _ in range(2):
        storage.keep_labelled(incoming(), "ab" * 32)
    assert names() == {f"labelled/ab/{'ab' * 32}"}
    storage.drop_labelled("ab" * 32)
    assert names() == set()


@pytest.mark.django_db
def test_an_original_without_a_row_is_set_aside_where_it_is_old(alice, model_version, monkeypatch):
    installation.bind()
    kept = submitted(alice).image_id
    storage.keep_original(incoming(), orphan := uuid.uuid4())
    assert orphans.set_orphans_aside() == 0
    monkeypatch.setattr(orphans, "ORPHAN_AGE_S", -60)
    assert orphans.set_orphans_aside() == 1
    assert names() == {storage.name_of(storage.original_path(kept)), f"orphans/{orphan}"}


@pytest.mark.django_db
def test_orphans_of_another_installation_are_left_alone(monkeypatch):
    storage.write_atomically(settings.DATA_DIR / "installation", b"another\n")
    storage.keep_original(incoming(), uuid.uuid4())
    monkeypatch.setattr(orphans, "ORPHAN_AGE_S", -60)
    assert orphans.set_orphans_aside() == 0
    with pytest.raises(installation.ForeignData):
        installation.bind()


@pytest.mark.django_db
def test_missing_changed_and_unnamed_originals_are_named(alice, model_version):
    lost, altered, _whole = (submitted(alice, images.jpeg_bytes(seed=n)).image for n in range(3))
    storage.drop_original(lost.pk)
    storage.restore_original(incoming(b"altered"), altered.pk)
    assert {str(one) for one in damaged_originals()} == {
        f"missing: image/{lost.pk}",
        f"changed: image/{altered.pk} (original)",
    }
    storage.keep_original(incoming(), stranger := uuid.uuid4())
    assert list(unnamed_originals()) == [f"originals/{str(stranger)[:2]}/{stranger}"]


@pytest.mark.django_db
def test_an_altered_original_is_not_judged(alice, model_version, fake_judgement):
    one = submitted(alice)
    storage.restore_original(incoming(images.jpeg_bytes(seed=9)), one.image_id)
    run_detection(str(one.detection_id))
    assert Detection.objects.get().failure_code == "original_missing"


@pytest.mark.django_db
def test_files_of_an_erased_image_that_come_too_late_are_removed(alice, model_version):
    image = submitted(alice).image
    erase_image(by=alice, image=image)
    storage.write_atomically(storage.preview_path(image.pk, 320), b"jpeg")
    assert erasure.finish() >= 1
    assert names() == set()


@pytest.mark.django_db
def test_from_an_upload_to_its_erasure(
    alice: User,
    api: Client,
    model_version: Any,
    fake_judgement: Any,
    capsys: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    data = images.jpeg_bytes()
    answer = api.post("/api/v1/detections", {"image": SimpleUploadedFile("photo.jpg", data)})
    assert answer.status_code == 202
    run_detection(answer.json()["id"])
    detection = Detection.objects.get()
    assert detection.status == Detection.Status.DONE
    browser = Client()
    browser.force_login(alice)
    image = Image.objects.get()
    original = browser.get(f"/images/{image.pk}/original")
    assert b"".join(original.streaming_content) == data
    assert int(original["Content-Length"]) == len(data)
    preview = browser.get(f"/images/{image.pk}/preview/320")
    assert b"".join(preview.streaming_content)[:2] == b"\xff\xd8"
    call_command("verify_evidence")
    assert "as recorded" in capsys.readouterr().out
    assert len(names()) == 3
    with django_capture_on_commit_callbacks(execute=True):
        erase_image(by=alice, image=image)
    assert names() == set()
