"""A bucket that is away, full, slow, keeps versions, or holds another desk: nothing is lost."""

import base64
import hashlib
import io
import shutil
import socket
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.conf import settings as current
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.files import copy_file, kept_files
from deepfake_site.backup.restoring import restore
from detection import bucket, detector, storage
from detection.errors import Refused, StorageAway
from detection.evidence.methods import METHODS
from detection.models import Detection, EvidenceLayer, Image
from detection.services import installation, layers, registry
from detection.services.erasure import erase_image
from detection.tasks import run_detection
from tests import images
from tests.factories import files_below, stored_upload, submitted

pytestmark = pytest.mark.any_database  # files alone lie elsewhere
URL = "/api/v1/detections"
NAME = "originals/ab/" + "ab" * 16


@pytest.fixture
def away(s3: Any, settings: Any) -> None:
    """Nobody listens where the bucket was."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.S3_ENDPOINT = f"http://127.0.0.1:{port}"


def refusing(monkeypatch: pytest.MonkeyPatch, status: int, code: str) -> None:
    """The server answers every request so."""

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            def answer(*_: object, **__: object) -> None:
                said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
                raise ClientError(said, name)  # type: ignore[arg-type]

            return answer

    monkeypatch.setattr(bucket, "_client", lambda **_: Refusing())


def keys(s3: Any) -> list[str]:
    found = s3.list_objects_v2(Bucket=current.S3_BUCKET).get("Contents", [])
    return [one["Key"] for one in found]


def photograph() -> dict[str, SimpleUploadedFile]:
    return {"image": SimpleUploadedFile("photo.jpg", images.jpeg_bytes())}


# --- Away, full, slow


@pytest.mark.django_db
def test_an_upload_is_refused_while_the_bucket_is_away(away, api, model_version):
    answer = api.post(URL, photograph())
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_away")
    assert answer["Retry-After"] == "5"
    assert not Image.objects.exists()
    assert files_below("incoming") == []


@pytest.mark.django_db
def test_a_full_bucket_is_said_as_a_full_disk_is(s3, monkeypatch, api, model_version):
    refusing(monkeypatch, 507, "XMinioStorageFull")
    answer = api.post(URL, photograph())
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert not Image.objects.exists()


@pytest.mark.django_db
def test_keys_that_are_not_valid_any_more_are_a_bucket_that_is_away(s3, monkeypatch, api):
    refusing(monkeypatch, 403, "InvalidAccessKeyId")
    with pytest.raises(StorageAway):
        storage.exists(storage.original_path(uuid.uuid4()))


@pytest.mark.django_db
def test_what_waits_is_judged_once_the_bucket_is_back(
    s3, settings, alice, model_version, fake_judgement
):
    one = submitted(alice)
    endpoint, settings.S3_ENDPOINT = settings.S3_ENDPOINT, "http://127.0.0.1:9"
    for _ in range(settings.MAX_ATTEMPTS + 1):
        run_detection(str(one.detection_id))
        row = Detection.objects.get()
        assert row.status == Detection.Status.QUEUED
        assert row.lease_until > timezone.now()  # and until then nobody takes it
        Detection.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    settings.S3_ENDPOINT = endpoint
    run_detection(str(one.detection_id))
    assert Detection.objects.get().status == Detection.Status.DONE


@pytest.mark.django_db
def test_pages_say_that_the_storage_is_away(s3, settings, alice, model_version):
    image = submitted(alice).image
    settings.S3_ENDPOINT = "http://127.0.0.1:9"
    browser = Client(raise_request_exception=False)
    browser.force_login(alice)
    answer = browser.get(f"/images/{image.pk}/original")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The storage is away or busy" in answer.content.decode()


@pytest.mark.django_db
def test_a_verdict_and_its_reasons_are_shown_all_the_same(s3, settings, alice, model_version):
    one = submitted(alice)
    Detection.objects.update(
        status="done", verdict="likely_authentic", probability=0.1, completed_at=timezone.now()
    )
    layers.ask(image=one.image, kind=next(iter(METHODS)))
    EvidenceLayer.objects.update(status="done")
    settings.S3_ENDPOINT = "http://127.0.0.1:9"
    browser = Client(raise_request_exception=False)
    browser.force_login(alice)
    answer = browser.get(f"/detections/{one.detection_id}")
    assert answer.status_code == 200
    assert "Likely authentic" in answer.content.decode()


def test_who_gave_no_answer_is_not_asked_again_for_a_moment(s3, settings, monkeypatch):
    path = storage.original_path(uuid.uuid4())
    assert not storage.exists(path)
    monkeypatch.setitem(bucket._rests_until, settings.S3_ENDPOINT, time.monotonic() + 60)
    with pytest.raises(StorageAway):
        storage.exists(path)
    assert bucket.is_there()
    assert not storage.exists(path)


@pytest.mark.django_db
def test_readyz_and_the_page_operations_say_so(away, client, client_of, dora, model_version):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["storage"] == "away"
    assert "The storage does not answer" in client_of(dora).get("/operations").content.decode()


@pytest.mark.django_db
def test_readyz_is_content_with_a_bucket_that_answers(s3, client, model_version):
    assert client.get("/readyz").json()["storage"] == "ok"


def test_a_deaf_server_is_not_waited_for_for_ever(s3, settings, deaf_port):
    settings.S3_ENDPOINT, settings.S3_TIMEOUT_S = f"http://127.0.0.1:{deaf_port}", 1
    with pytest.raises(StorageAway):
        bucket.put(NAME, io.BytesIO(b"x"))


def test_a_server_that_trickles_is_not_waited_for_for_ever(s3, monkeypatch):
    bucket.put(NAME, io.BytesIO(b"x"))
    monkeypatch.setattr(bucket, "SLOWEST", -1)
    with pytest.raises(StorageAway):
        bucket.fetched(NAME)


# --- What is sent


def test_the_server_is_told_the_hash_of_what_comes_and_to_overwrite_nothing(s3):
    sent: list[Any] = []
    events = bucket._client().meta.events
    events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.headers))
    bucket.put(NAME, io.BytesIO(b"x"), is_new=True)
    digest = hashlib.sha256(b"x")
    [headers] = sent
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(digest.digest())
    assert headers["If-None-Match"] == b"*"
    assert bucket.stated_sha256(NAME) == digest.hexdigest()


def test_an_answer_that_was_lost_makes_no_second_object(s3):
    """The library tries again, and meets what its first try has stored."""
    bucket.put(NAME, io.BytesIO(b"x"), is_new=True)
    bucket.put(NAME, io.BytesIO(b"x"), is_new=True)
    with pytest.raises(FileExistsError):
        bucket.put(NAME, io.BytesIO(b"y"), is_new=True)


def test_the_server_is_told_to_encrypt(s3, settings):
    settings.S3_ENCRYPTION = "AES256"
    bucket.put(NAME, io.BytesIO(b"x"))
    asked = s3.head_object(Bucket=settings.S3_BUCKET, Key="unmask/" + NAME)
    assert asked["ServerSideEncryption"] == "AES256"


# --- Versions


@pytest.mark.django_db
def test_erasing_removes_every_version(
    s3, alice, model_version, django_capture_on_commit_callbacks
):
    s3.put_bucket_versioning(
        Bucket=current.S3_BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    image = submitted(alice).image
    with stored_upload(b"another version") as upload:
        storage.restore_original(upload.path, image.pk)
    s3.delete_object(
        Bucket=current.S3_BUCKET, Key="unmask/" + storage.name_of(storage.original_path(image.pk))
    )
    with django_capture_on_commit_callbacks(execute=True):
        erase_image(by=alice, image=image)
    left = s3.list_object_versions(Bucket=current.S3_BUCKET)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


def test_a_server_without_versions_is_asked_for_objects(s3, monkeypatch):
    bucket.put(NAME, io.BytesIO(b"x"))
    real = bucket._client()

    class NoVersions:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def get_paginator(self, name: str) -> Any:
            if name == "list_object_versions":
                said = {"Error": {"Code": "NotImplemented"}}
                raise ClientError(said, name)  # type: ignore[arg-type]
            return real.get_paginator(name)

    monkeypatch.setattr(bucket, "_client", lambda **_: NoVersions())
    bucket.remove(NAME)
    assert keys(s3) == []


# --- Several machines, moving in, backup


@pytest.mark.django_db
def test_another_machine_brings_the_model_it_needs(s3, red_model):
    folder = storage.artifact_dir(red_model.artifact_sha256)
    shutil.rmtree(folder)
    assert detector.is_artifact(
        detector.artifact_folder(red_model.artifact_sha256), red_model.artifact_sha256
    )
    (folder / detector.ARTIFACT_FILES[0]).write_bytes(b"damaged on this machine")
    detector.prove(red_model)
    assert registry.note_sound(red_model) is False  # nothing was recorded as damaged


@pytest.mark.django_db
def test_a_desk_moves_from_its_folder_into_a_bucket(
    alice, model_version, request, settings, capsys
):
    installation.bind()
    image = submitted(alice).image
    s3 = request.getfixturevalue("s3")
    assert not installation.is_ours()
    for _ in range(2):  # saying it again changes nothing
        call_command("fill_bucket")
        assert installation.is_ours()
    assert storage.is_intact(image.pk, image.sha256)
    assert len(keys(s3)) == 2
    assert "0 files brought, 2 were there" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_bucket_of_another_installation_is_not_filled(s3, settings):
    bucket.put("installation", io.BytesIO(b"another\n"))
    settings.S3_BUCKET, name = "", settings.S3_BUCKET
    installation.bind()
    settings.S3_BUCKET = name
    with pytest.raises(CommandError, match="another installation"):
        call_command("fill_bucket")


@pytest.mark.django_db
def test_an_object_with_other_bytes_is_named_and_stays(alice, model_version, request, capsys):
    installation.bind()
    image = submitted(alice).image
    request.getfixturevalue("s3")
    path = storage.original_path(image.pk)
    bucket.put(storage.name_of(path), io.BytesIO(b"others"))
    with pytest.raises(SystemExit, match="2"):
        call_command("fill_bucket")
    assert storage.name_of(path) in capsys.readouterr().err
    assert storage.read(path) == b"others"


@pytest.mark.django_db
def test_a_backup_takes_what_lies_in_the_bucket(s3, red_model, alice, tmp_path):
    image = submitted(alice).image
    shutil.rmtree(storage.artifact_dir(red_model.artifact_sha256))
    kept = {storage.name_of(one.path): one for one in kept_files(current.DATA_DIR)}
    assert len(kept) == 1 + len(detector.ARTIFACT_FILES)
    for name, one in kept.items():
        entry = copy_file(one.path, tmp_path / "backup" / name, name=name)
        assert entry.size_bytes == one.size_bytes
    original = storage.name_of(storage.original_path(image.pk))
    assert storage.sha256_of(tmp_path / "backup" / original) == image.sha256


def test_nothing_is_restored_into_a_bucket(s3, tmp_path):
    with pytest.raises(BackupError, match="fill_bucket"):
        restore(tmp_path)


@pytest.mark.django_db
def test_no_backup_is_written_while_the_bucket_is_away(s3, settings, tmp_path, alice):
    installation.bind()
    settings.S3_ENDPOINT = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match="No backup was written"):
        call_command("backup", tmp_path / "backup")
    assert list(tmp_path.glob("backup*")) == []


def test_refusals_of_the_bucket_keep_their_code():
    assert isinstance(StorageAway(), Refused)
    assert (StorageAway().status, StorageAway().code) == (503, "storage_away")
