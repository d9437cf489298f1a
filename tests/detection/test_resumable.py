"""Resumable uploads by the letter of the protocol: each byte once, each image submitted once."""

import base64
import hashlib
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from accounts.erasure import erase_person
from accounts.models import AuditEvent, User
from accounts.own_data import write_own_data
from deepfake_site import gunicorn_conf
from detection import part_files
from detection.models import Detection, ResumableUpload, Submission
from detection.services import orphans, resumable
from detection.services.erasure import erase_image
from detection.services.resumable import MAX_OPEN
from tests import images
from tests.detection.resumable_client import (
    BODY,
    PHOTO,
    TUS,
    UPLOADS,
    ask,
    begin,
    begun,
    encoded,
    send,
)
from tests.factories import files_below

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model_version")]
HALF = len(PHOTO) // 2


@pytest.fixture
def client(alice: User, key_of: Any) -> Client:
    """Alice's key, which may submit and no more."""
    return Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:write')}"})


# --- what is spoken


def test_options_say_what_is_spoken(client, settings):
    answer = client.options(UPLOADS)
    assert answer.status_code == 204
    assert answer["Tus-Version"] == answer["Tus-Resumable"] == "1.0.0"
    assert answer["Tus-Extension"] == "creation,expiration,termination,checksum"
    assert answer["Tus-Max-Size"] == str(settings.MAX_UPLOAD_BYTES)
    assert answer["Tus-Checksum-Algorithm"] == "sha1,sha256"


@pytest.mark.parametrize("version", [{}, {"Tus-Resumable": "0.2.2"}])
def test_another_version_is_told_which_is_spoken(client, version):
    address = begun(client)
    for method, path in (("POST", UPLOADS), ("HEAD", address), ("PATCH", address)):
        answer = client.generic(method, path, headers=version | {"Upload-Length": "10"})
        assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")
    assert client.delete(address, headers=version).status_code == 412
    assert ResumableUpload.objects.count() == 1


# --- creation


def test_an_upload_begins_empty(client, alice):
    answer = begin(client, filename="köln.jpg")
    assert answer.status_code == 201
    upload = ResumableUpload.objects.get()
    assert answer["Location"] == f"http://testserver{UPLOADS}/{upload.pk}"
    assert (upload.owner, upload.size_bytes, upload.file_name) == (alice, len(PHOTO), "köln.jpg")
    head = ask(client, f"{UPLOADS}/{upload.pk}")
    assert head.status_code == 200
    assert (head["Upload-Offset"], head["Upload-Length"]) == ("0", str(len(PHOTO)))
    assert head["Upload-Expires"] == answer["Upload-Expires"]
    assert "no-store" in head["Cache-Control"]
    assert encoded(filename="köln.jpg") in head["Upload-Metadata"]


def test_the_longest_metadata_comes_in_one_header_and_goes_in_one(client):
    config = Config()
    config.set("limit_request_field_size", gunicorn_conf.limit_request_field_size)
    for letter, many in (("x", 8180), ("\u00e9", 4000), ("\U0001f4f7", 2000)):
        metadata = json.dumps({"a": letter * many}, ensure_ascii=False, separators=(",", ":"))
        sent = encoded(filename="a.jpg", metadata=metadata)
        raw = f"POST {UPLOADS} HTTP/1.1\r\nHost: a\r\nUpload-Metadata: {sent}\r\n\r\n"
        request = next(RequestParser(config, iter([raw.encode()]), ("127.0.0.1", 1)))
        assert ("UPLOAD-METADATA", sent) in request.headers
        address = begun(client, filename="a.jpg", metadata=metadata)
        head = ask(client, address)
        assert encoded(metadata=metadata) in head["Upload-Metadata"]


def test_a_file_over_the_limit_is_refused_before_its_first_byte(client, settings):
    answer = begin(client, settings.MAX_UPLOAD_BYTES + 1)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer["Tus-Resumable"] == "1.0.0"
    assert begin(client, settings.MAX_UPLOAD_BYTES).status_code == 201


@pytest.mark.parametrize("length", ["", "-1", "1.5", "ten", "1" * 16])
def test_a_length_that_is_no_number_is_refused(client, length):
    answer = client.post(UPLOADS, headers=TUS | {"Upload-Length": length})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Upload-Length"


def test_a_file_without_bytes_is_refused(client):
    assert begin(client, 0).json()["code"] == "empty_file"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", "[1]"),
        ("metadata", '{"a": NaN}'),
        ("priority", "now"),
        ("is_confidential", "perhaps"),
        ("verdict", "likely_authentic"),
        ("owner", "2"),
        ("image", "x"),
        ("csrfmiddlewaretoken", "x"),
        ("url", "https://example.org/a.jpg"),
    ],
)
def test_bad_fields_are_refused_before_the_first_byte(client, field, value):
    answer = begin(client, **{field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not ResumableUpload.objects.exists()


@pytest.mark.parametrize("name", ["..", "a/..", ".", "\x07", "../a.jpg"])
def test_no_file_name_keeps_an_image_away(client, name):
    send(client, begun(client, filename=name), PHOTO)
    assert Submission.objects.get().file_name == ("a.jpg" if name == "../a.jpg" else "")


@pytest.mark.parametrize("header", ["filename !!!", "filename /w==", "a YQ==,a YQ==", "a(ü) YQ=="])
def test_metadata_that_cannot_be_read_is_refused(client, header):
    answer = client.post(UPLOADS, headers=TUS | {"Upload-Length": "9", "Upload-Metadata": header})
    assert answer.json()["errors"][0]["field"] == "Upload-Metadata"


def test_a_person_has_no_more_than_so_many_open(client, alice, bob, key_of):
    addresses = [begun(client) for _ in range(MAX_OPEN)]
    answer = begin(client)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")
    assert "Retry-After" in answer
    other = Client(headers={"Authorization": f"Bearer {key_of(bob)}"})
    assert begin(other).status_code == 201
    send(client, addresses[0], PHOTO)
    assert begin(client).status_code == 201


def test_a_disk_without_room_for_it_is_said_at_once(client, monkeypatch):
    monkeypatch.setattr(resumable.shutil, "disk_usage", lambda path: _Disk())
    assert begin(client).json()["code"] == "disk_full"


class _Disk:
    free = 10


# --- the bytes


def test_pieces_become_one_submission(client, alice):
    values = {"filename": "a.jpg", "metadata": '{"case": 7}', "priority": "bulk"}
    address = begun(client, **values, is_confidential="true")
    first = send(client, address, PHOTO[:HALF])
    assert (first.status_code, first["Upload-Offset"]) == (204, str(HALF))
    assert "Unmask-Detection" not in first
    last = send(client, address, PHOTO[HALF:], HALF)
    assert (last.status_code, last["Upload-Offset"]) == (204, str(len(PHOTO)))
    submission = Submission.objects.get()
    assert last["Unmask-Detection"].endswith(f"/api/v1/detections/{submission.detection_id}")
    assert (submission.by, submission.via, submission.priority) == (alice, "api", "bulk")
    assert (submission.file_name, submission.metadata) == ("a.jpg", {"case": 7})
    assert submission.api_key is not None
    image = submission.image
    assert (image.sha256, image.is_confidential) == (hashlib.sha256(PHOTO).hexdigest(), True)
    assert files_below("originals")[0].read_bytes() == PHOTO
    assert files_below("incoming") == []
    assert AuditEvent.objects.filter(action="submission.accepted").count() == 1


def test_a_finished_upload_names_its_detection_and_takes_nothing_more(client):
    address = begun(client, filename="a.jpg")
    named = send(client, address, PHOTO)["Unmask-Detection"]
    head = ask(client, address)
    assert (head["Unmask-Detection"], head["Upload-Offset"]) == (named, str(len(PHOTO)))
    again = send(client, address, b"", len(PHOTO))
    assert (again.status_code, again["Unmask-Detection"]) == (204, named)
    assert send(client, address, PHOTO).json()["code"] == "wrong_offset"
    assert send(client, address, b"x", len(PHOTO)).json()["code"] == "longer_than_announced"
    assert Submission.objects.count() == 1
    row = ResumableUpload.objects.get()
    assert (row.file_name, row.fields) == ("", {})


@pytest.mark.parametrize("offset", [HALF - 1, HALF + 1, 0])
def test_bytes_that_do_not_follow_are_refused(client, offset):
    address = begun(client)
    send(client, address, PHOTO[:HALF])
    answer = send(client, address, PHOTO[HALF:], offset)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_offset")
    assert ask(client, address)["Upload-Offset"] == str(HALF)


def test_more_than_was_announced_is_not_written(client):
    address = begun(client)
    answer = send(client, address, PHOTO + b"x")
    assert (answer.status_code, answer.json()["code"]) == (413, "longer_than_announced")
    assert ask(client, address)["Upload-Offset"] == "0"


def test_a_body_of_another_type_is_refused(client):
    address = begun(client)
    headers = TUS | {"Upload-Offset": "0"}
    for kind in ("application/json", "multipart/form-data; boundary=x", "image/jpeg"):
        answer = client.generic("PATCH", address, PHOTO, kind, headers=headers)
        assert (answer.status_code, answer["Tus-Resumable"]) == (415, "1.0.0")
    assert ask(client, address)["Upload-Offset"] == "0"


def test_a_body_larger_than_django_keeps_in_memory_is_streamed(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert send(client, begun(client), PHOTO).status_code == 204


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_piece_is_held_against_its_checksum(client, algorithm):
    address = begun(client)
    good = base64.b64encode(hashlib.new(algorithm, PHOTO[:HALF]).digest()).decode()
    headers = {"Upload_Checksum": f"{algorithm} {good}"}
    answer = send(client, address, PHOTO[: HALF - 1] + b"\x00", **headers)
    assert (answer.status_code, answer.json()["code"]) == (460, "checksum_mismatch")
    assert ask(client, address)["Upload-Offset"] == "0"
    assert send(client, address, PHOTO[:HALF], **headers).status_code == 204


@pytest.mark.parametrize("checksum", ["md5 AAAA", "sha1 AAAA", "sha1", "sha1 !!"])
def test_a_checksum_that_cannot_be_read_is_refused(client, checksum):
    answer = send(client, begun(client), PHOTO, Upload_Checksum=checksum)
    assert answer.json()["errors"][0]["field"] == "Upload-Checksum"


def test_a_line_that_breaks_keeps_what_came():
    pieces = iter([b"abc", b"de"])

    def read(length: int) -> bytes:
        try:
            return next(pieces)
        except StopIteration:
            raise ConnectionResetError from None

    upload_id = ResumableUpload().pk
    part_files.path_of(upload_id).touch()
    with part_files.held(upload_id) as part:
        part.append(read, 100)
    assert part_files.path_of(upload_id).read_bytes() == b"abcde"


def test_the_bytes_are_synced_before_the_offset_is_answered(client, monkeypatch):
    synced = []
    address = begun(client)
    monkeypatch.setattr(part_files.os, "fsync", synced.append)
    send(client, address, PHOTO[:HALF])
    assert len(synced) == 1


def test_a_silent_line_is_not_waited_for_without_end(client):
    class Line:
        waits: list[float | None]

        def __init__(self) -> None:
            self.waits = [None]

        def gettimeout(self) -> float | None:
            return self.waits[-1]

        def settimeout(self, seconds: float | None) -> None:
            self.waits.append(seconds)

    line, address = Line(), begun(client)
    extra = {"gunicorn.socket": line}
    headers = TUS | {"Upload-Offset": "0"}
    answer = client.generic("PATCH", address, PHOTO, BODY, headers=headers, **extra)
    assert answer.status_code == 204
    assert line.waits == [None, 30.0, None]


def test_a_second_writer_is_turned_away(client, monkeypatch):
    monkeypatch.setattr(part_files, "PATIENCE_S", 0.0)
    address = begun(client)
    pk = ResumableUpload.objects.get().pk
    with part_files.held(pk):
        answer = send(client, address, PHOTO)
        assert (answer.status_code, answer.json()["code"]) == (423, "upload_locked")
        assert ask(client, address)["Upload-Offset"] == "0"
        assert client.delete(address, headers=TUS).status_code == 423
    assert send(client, address, PHOTO).status_code == 204


def test_post_stands_for_methods_that_a_network_does_not_let_through(client):
    address = begun(client)
    headers = TUS | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    answer = client.generic("POST", address, PHOTO, BODY, headers=headers)
    assert (answer.status_code, answer["Upload-Offset"]) == (204, str(len(PHOTO)))
    assert client.post(address, headers=TUS).status_code == 405


# --- refused files


def test_a_file_that_is_no_photograph_ends_by_its_first_bytes(client):
    address = begun(client, 10_000)
    answer = send(client, address, b"%PDF-1.7" + bytes(100))
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_format")
    assert files_below("incoming") == []
    for ended in (ask(client, address), send(client, address, b"x", 108)):
        assert ended.status_code == 410


def test_a_whole_file_that_is_refused_ends_its_upload(client):
    data = PHOTO[:100]  # a JPEG whose header breaks off
    address = begun(client, len(data), filename="secret.jpg")
    assert send(client, address, data).json()["code"] == "corrupt"
    assert ask(client, address).status_code == 410
    assert not Submission.objects.exists()
    assert not ResumableUpload.objects.open().exists()
    assert ResumableUpload.objects.get().file_name == ""


def test_what_the_moment_refuses_can_be_finished_later(client, model_version):
    type(model_version).objects.update(state="retired")
    address = begun(client)
    assert send(client, address, PHOTO).json()["code"] == "no_active_model"
    type(model_version).objects.update(state="active")
    assert "Unmask-Detection" in send(client, address, b"", len(PHOTO))


# --- whose it is


def test_nobody_learns_of_anothers_upload(client, bob, carol, dora, key_of):
    address = begun(client)
    for person in (bob, carol, dora):
        other = Client(headers={"Authorization": f"Bearer {key_of(person)}"})
        answers = ask(other, address), send(other, address, PHOTO)
        assert [a.status_code for a in answers] == [404, 404]
        assert other.delete(address, headers=TUS).status_code == 404
    assert ask(client, address)["Upload-Offset"] == "0"


def test_a_key_that_only_reads_sends_nothing(client, alice, key_of):
    address = begun(client)
    reader = Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:read')}"})
    answers = begin(reader), ask(reader, address), send(reader, address, PHOTO)
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_a_pages_session_needs_its_token(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert begin(browser).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', browser.get("/").content.decode())
    assert token is not None
    headers = {"X-CSRFToken": token[1], "Origin": "http://testserver"}
    created = browser.post(UPLOADS, headers=TUS | headers | {"Upload-Length": str(len(PHOTO))})
    assert created.status_code == 201, created.content
    address = created["Location"].removeprefix("http://testserver")
    assert send(browser, address, PHOTO).status_code == 403
    assert send(browser, address, PHOTO[:HALF], **headers).status_code == 204
    more = TUS | headers | {"Upload-Offset": str(HALF), "X-HTTP-Method-Override": "PATCH"}
    rest = browser.generic("POST", address, PHOTO[HALF:], BODY, headers=more)
    assert rest.status_code == 204, rest.content
    assert Submission.objects.get().via == Submission.Via.PAGE


# --- its end


def test_a_terminated_upload_is_gone_with_its_bytes(client):
    address = begun(client)
    send(client, address, PHOTO[:HALF])
    assert client.delete(address, headers=TUS).status_code == 204
    assert files_below("incoming") == []
    assert ask(client, address).status_code == 404


def test_terminating_a_finished_upload_leaves_the_submission(client):
    address = begun(client)
    send(client, address, PHOTO)
    assert client.delete(address, headers=TUS).status_code == 204
    assert Submission.objects.count() == 1


def test_after_its_time_it_is_gone_and_the_sweeper_removes_it(client):
    address, kept = begun(client), begun(client)
    first = ResumableUpload.objects.filter(pk=address.rpartition("/")[2])
    first.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert send(client, address, PHOTO).status_code == 410
    assert ask(client, address).status_code == 410
    assert orphans.tidy()["expired"] == 1
    assert ask(client, address).status_code == 404
    assert ask(client, kept).status_code == 200
    assert [path.stem for path in files_below("incoming")] == [kept.rpartition("/")[2]]


def test_the_sweeper_leaves_an_upload_that_is_being_written(client):
    begun(client)
    ResumableUpload.objects.update(expires_at=timezone.now())
    with part_files.held(ResumableUpload.objects.get().pk):
        assert resumable.remove_expired() == 0
    assert resumable.remove_expired() == 1


def test_open_uploads_outlive_the_age_at_which_leftovers_go(client, monkeypatch):
    address = begun(client)
    monkeypatch.setattr(orphans, "ORPHAN_AGE_S", -1)
    assert orphans.remove_unended_uploads() == 0
    assert ask(client, address)["Upload-Offset"] == "0"


def test_an_erased_person_leaves_no_upload(client, alice, dora, django_capture_on_commit_callbacks):
    begun(client, filename="secret.jpg")
    with django_capture_on_commit_callbacks(execute=True):
        erase_person(by=dora, person=alice, reason="she asked")
    assert not ResumableUpload.objects.exists()
    assert files_below("incoming") == []


def test_an_erased_image_is_no_longer_named(client, alice):
    address = begun(client)
    send(client, address, PHOTO)
    erase_image(by=alice, image=Submission.objects.get().image)
    assert ask(client, address).status_code == 404


def test_the_download_of_ones_own_data_lists_what_has_not_all_come(client, alice, tmp_path):
    begun(client, filename="half.jpg", metadata='{"case": 7}')
    path = tmp_path / "own.zip"
    with path.open("wb+") as file:
        write_own_data(alice, file)
    with zipfile.ZipFile(path) as archive:
        row = json.loads(archive.read("unfinished_uploads.json"))[0]
    assert (row["file_name"], row["metadata"]) == ("half.jpg", {"case": 7})


# --- killed in between


class Killed(BaseException):
    """The process ended here."""


def _killed(*args: object, **kwargs: object) -> None:
    raise Killed


def _interrupted(client: Client, address: str) -> None:
    with pytest.raises(Killed):
        send(client, address, PHOTO)


@pytest.mark.parametrize(
    "point",
    [
        "detection.services.resumable._submit",  # all bytes are there, nothing was submitted
        "detection.storage.keep_original",
        "detection.services.submission._record_acceptance",  # the file is kept, no row says so
        "detection.part_files.PartFile.remove",  # submitted, but nobody was told
        "detection.api.uploads._progress",
    ],
)
@pytest.mark.parametrize("way_back", ["HEAD", "PATCH"])
def test_an_upload_killed_on_its_last_byte_is_submitted_once(client, monkeypatch, point, way_back):
    address = begun(client, filename="a.jpg")
    with monkeypatch.context() as patched:
        patched.setattr(point, _killed)
        _interrupted(client, address)
    is_asked = way_back == "HEAD"
    answer = ask(client, address) if is_asked else send(client, address, b"", len(PHOTO))
    submission = Submission.objects.get()
    assert answer["Unmask-Detection"].endswith(str(submission.detection_id))
    assert answer["Upload-Offset"] == str(len(PHOTO))
    assert submission.file_name == "a.jpg"
    assert Detection.objects.count() == 1
    kept = files_below("originals")
    original = next(path for path in kept if path.name == str(submission.image_id))
    assert original.read_bytes() == PHOTO
    assert original.stat().st_mode & 0o777 == 0o440


def test_a_large_png_comes_through(client):
    data = images.png_bytes()
    address = begun(client, len(data))
    for at in range(0, len(data), 1000):
        assert send(client, address, data[at : at + 1000], at).status_code == 204
    assert Submission.objects.get().image.format == "PNG"
