"""Many images in one request: a result for each, one progress for all."""

import errno
import itertools
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from detection.models import Batch, Detection, Image, Submission
from detection.services import batches
from detection.services.erasure import erase_image
from detection.tasks import run_detection
from tests import images
from tests.factories import files_below, in_parallel

URL = "/api/v1/detections/batch"
pytestmark = pytest.mark.usefixtures("model_version")


@pytest.fixture
def api(alice, key_of):
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def _file(number: int) -> SimpleUploadedFile:
    data = images.jpeg_bytes(64, 64, seed=number)
    return SimpleUploadedFile(f"photo-{number}.jpg", data, "image/jpeg")


def _send(client: Client, files: list[SimpleUploadedFile], **fields: Any) -> HttpResponse:
    headers = fields.pop("headers", None)
    return client.post(URL, {"images": files, **fields}, headers=headers)


def test_each_image_gets_its_own_result(api, alice, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = _send(api, [_file(n) for n in range(3)])
    assert answer.status_code == 202
    body = answer.json()
    assert [(r["position"], r["file_name"], r["status"]) for r in body["results"]] == [
        (0, "photo-0.jpg", 202),
        (1, "photo-1.jpg", 202),
        (2, "photo-2.jpg", 202),
    ]
    ids = [result["detection"]["id"] for result in body["results"]]
    assert len(set(ids)) == 3
    assert sorted(rung) == sorted(ids)
    assert set(Detection.objects.values_list("queue", flat=True)) == {"bulk"}
    assert Image.objects.filter(owner=alice).count() == 3
    assert len(files_below("originals")) == 3


def test_a_batch_asks_the_database_as_often_as_one_image(api):
    def statements(numbers: range) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert _send(api, [_file(number) for number in numbers]).status_code == 202
        return len(asked)

    _send(api, [_file(0)])  # what is looked up once and kept
    assert statements(range(1, 2)) == statements(range(2, 14))


def test_a_request_that_contradicts_itself_is_refused_as_a_whole(api):
    answer = _send(api, [_file(0), _file(1)], is_confidential="true", review="true")
    assert (answer.status_code, answer.json()["code"]) == (409, "confidential_not_reviewed")
    assert not Image.objects.exists()
    assert files_below("originals") == []


def test_known_and_new_images_in_one_batch(api):
    (known,) = _send(api, [_file(1)]).json()["results"]
    results = _send(api, [_file(0), _file(1), _file(2), _file(1)]).json()["results"]
    ids = [result["detection"]["id"] for result in results]
    assert ids[1] == ids[3] == known["detection"]["id"]
    assert len(set(ids)) == Image.objects.count() == len(files_below("originals")) == 3


def test_one_bad_file_never_fails_the_rest(api):
    bad = SimpleUploadedFile("notes.txt", b"no photograph", "image/jpeg")
    empty = SimpleUploadedFile("empty.jpg", b"", "image/jpeg")
    results = _send(api, [_file(0), bad, empty, _file(1)]).json()["results"]
    assert [result["status"] for result in results] == [202, 415, 400, 202]
    assert results[1]["detection"] is None
    assert results[1]["problem"]["code"] == "unsupported_format"
    assert results[2]["problem"]["code"] == "empty_file"
    assert results[3]["problem"] is None
    assert Submission.objects.count() == 2
    assert len(files_below("originals")) == 2
    assert files_below("incoming") == []


def test_an_image_that_may_not_be_hidden_fails_alone(api, alice, carol, client_of):
    held = _send(api, [_file(0)]).json()["results"][0]["detection"]["id"]
    image = Detection.objects.get(pk=held).image
    Image.objects.filter(pk=image.pk).update(held_at=image.created_at)
    answer = _send(api, [_file(0), _file(1)], is_confidential="true").json()
    assert [result["status"] for result in answer["results"]] == [409, 202]
    assert not Image.objects.get(pk=image.pk).is_confidential


def test_the_same_picture_twice_is_judged_once(api):
    results = _send(api, [_file(0), _file(0)]).json()["results"]
    assert results[0]["detection"]["id"] == results[1]["detection"]["id"]
    assert Submission.objects.count() == 2
    assert len(files_below("originals")) == 1


def test_metadata_is_one_object_for_all_or_one_each(api):
    same = _send(api, [_file(0), _file(1)], metadata='{"wire": "a"}').json()["results"]
    assert [r["detection"]["metadata"] for r in same] == [{"wire": "a"}] * 2
    each = _send(api, [_file(0), _file(1)], metadata='[{"n": 1}, {"n": 2}]').json()["results"]
    assert [r["detection"]["metadata"] for r in each] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("metadata", "wrong"),
    [
        ('[{"n": 1}]', [("metadata", "invalid")]),
        ("7", [("metadata", "invalid")]),
        ("{", [("metadata", "invalid")]),
        (json.dumps({"a": "b" * 8200}), [("metadata", "max_length")]),
        ("[1, 2]", [("metadata.0", "invalid"), ("metadata.1", "invalid")]),
        ('[{"n": 1}, 2]', [("metadata.1", "invalid")]),
        (json.dumps([{}, {"a": "b" * 8200}]), [("metadata.1", "max_length")]),
    ],
)
def test_metadata_that_fits_no_image_is_refused_by_its_place(api, metadata, wrong):
    answer = _send(api, [_file(0), _file(1)], metadata=metadata)
    assert answer.status_code == 400
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == wrong
    assert not Submission.objects.exists()
    assert files_below("originals") == []


def test_metadata_in_any_script_may_be_as_long_as_of_one_image(api):
    said = [{"a": "\u0628" * 8000}, {}]
    answer = _send(api, [_file(0), _file(1)], metadata=json.dumps(said, ensure_ascii=False))
    assert answer.status_code == 202
    assert answer.json()["results"][0]["detection"]["metadata"] == said[0]


def test_a_hundred_are_taken_and_not_one_more(api):
    one = _file(0).read()

    def files(count: int) -> list[SimpleUploadedFile]:
        return [SimpleUploadedFile(f"{n}.jpg", one + b"%d" % n) for n in range(count)]

    assert _send(api, files(batches.MAX_IMAGES + 1)).status_code == 400
    assert not Submission.objects.exists()
    answer = _send(api, files(batches.MAX_IMAGES))
    assert {result["status"] for result in answer.json()["results"]} == {202}
    assert Detection.objects.count() == batches.MAX_IMAGES
    assert len(files_below("originals")) == batches.MAX_IMAGES


@pytest.mark.parametrize("field", ["image", "files", "images[]"])
def test_files_under_another_name_are_not_overlooked(api, field):
    answer = api.post(URL, {field: [_file(0)]})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_progress_counts_every_image(api, fake_judgement):
    bad = SimpleUploadedFile("notes.txt", b"no photograph", "image/jpeg")
    body = _send(api, [_file(0), _file(1), bad]).json()
    run_detection(body["results"][0]["detection"]["id"])
    answer = api.get(body["links"]["batch"])
    assert answer.json()["counts"] == {
        "queued": 1,
        "running": 0,
        "done": 1,
        "failed": 0,
        "refused": 1,
    }
    assert answer["Retry-After"] == "5"
    listed = api.get(body["links"]["detections"]).json()["results"]
    assert {row["id"] for row in listed} == {
        result["detection"]["id"] for result in body["results"][:2]
    }


def test_a_batch_read_again_says_which_file_each_answer_is_about(api, fake_judgement):
    bad = SimpleUploadedFile("notes.txt", b"no photograph", "image/jpeg")
    twin = SimpleUploadedFile("twin.jpg", images.jpeg_bytes(64, 64, seed=0), "image/jpeg")
    metadata = json.dumps([{"n": n} for n in range(4)])
    sent = _send(api, [_file(0), bad, _file(1), twin], metadata=metadata).json()
    run_detection(sent["results"][0]["detection"]["id"])
    results = api.get(sent["links"]["batch"]).json()["results"]
    assert [(r["position"], r["file_name"], r["status"]) for r in results] == [
        (0, "photo-0.jpg", 200),
        (1, None, 415),  # of a refused file no name is kept
        (2, "photo-1.jpg", 202),
        (3, "twin.jpg", 200),
    ]
    first, refused, second, same = results
    assert first["detection"]["status"] == "done"
    assert first["detection"]["id"] == same["detection"]["id"] != second["detection"]["id"]
    assert [r["detection"]["metadata"]["n"] for r in (first, second, same)] == [0, 2, 3]
    assert (refused["detection"], refused["problem"]["code"]) == (None, "unsupported_format")
    assert first["problem"] is None


def test_a_batch_may_be_asked_for_its_counts_alone(api):
    bad = SimpleUploadedFile("notes.txt", b"no photograph", "image/jpeg")
    address = _send(api, [_file(0), bad]).json()["links"]["batch"]
    whole, counts = api.get(address).json(), api.get(f"{address}?results=false").json()
    assert len(whole["results"]) == 2
    assert counts == {**whole, "results": None}
    assert len(api.get(f"{address}?results=true").json()["results"]) == 2
    assert api.get(f"{address}?results=no").status_code == 400


def test_what_the_moment_refused_is_in_a_batch_read_again(api):
    held = _send(api, [_file(0)]).json()["results"][0]["detection"]["id"]
    image = Detection.objects.get(pk=held).image
    Image.objects.filter(pk=image.pk).update(held_at=image.created_at)
    sent = _send(api, [_file(0), _file(1)], is_confidential="true").json()
    refused, taken = api.get(sent["links"]["batch"]).json()["results"]
    assert (refused["position"], refused["problem"]["code"]) == (0, "held_stays_visible")
    assert (taken["position"], taken["file_name"]) == (1, "photo-1.jpg")


def test_of_an_erased_image_a_batch_keeps_its_place_alone(api, alice):
    sent = _send(api, [_file(0), _file(1)], metadata='{"n": 1}').json()
    gone = Detection.objects.get(pk=sent["results"][0]["detection"]["id"]).image
    assert erase_image(by=alice, image=gone)
    erased, left = api.get(sent["links"]["batch"]).json()["results"]
    assert (erased["position"], erased["file_name"], erased["status"]) == (0, "", 404)
    assert (erased["detection"], erased["problem"]["code"]) == (None, "not_found")
    assert left["file_name"] == "photo-1.jpg"


def test_a_batch_of_a_release_before_is_in_the_order_sent(api):
    sent = _send(api, [_file(n) for n in range(3)]).json()
    Submission.objects.update(batch_position=None)
    results = api.get(sent["links"]["batch"]).json()["results"]
    names = [f"photo-{n}.jpg" for n in range(3)]
    assert [(r["position"], r["file_name"]) for r in results] == [(None, name) for name in names]


def test_reading_a_batch_asks_the_database_as_often_for_many_as_for_one(api):
    def statements(numbers: range) -> int:
        address = _send(api, [_file(number) for number in numbers]).json()["links"]["batch"]
        with CaptureQueriesContext(connection) as asked:
            assert len(api.get(address).json()["results"]) == len(numbers)
        return len(asked)

    statements(range(1))  # what is looked up once and kept
    assert statements(range(1, 2)) == statements(range(2, 14))


def test_a_batch_is_its_senders_alone(api, bob, carol, client_of):
    address = _send(api, [_file(0)]).json()["links"]["batch"]
    for person in (bob, carol):
        assert client_of(person).get(address).status_code == 404


def test_a_repeated_batch_is_the_same_batch(api):
    headers = {"Idempotency-Key": "b1"}
    first = _send(api, [_file(0), _file(1)], headers=headers)
    again = _send(api, [_file(0), _file(1)], headers=headers)
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert (Batch.objects.count(), Submission.objects.count()) == (1, 2)


def test_an_interactive_request_takes_an_image_out_of_the_bulk_queue(
    api, rung, django_capture_on_commit_callbacks
):
    pk = _send(api, [_file(0)]).json()["results"][0]["detection"]["id"]
    with django_capture_on_commit_callbacks(execute=True):
        api.post("/api/v1/detections", {"image": _file(0)})
    assert Detection.objects.get(pk=pk).queue == "detect"
    assert rung == [pk]


def test_a_bulk_request_does_not_put_an_image_back(api):
    pk = api.post("/api/v1/detections", {"image": _file(0)}).json()["id"]
    _send(api, [_file(0)])
    assert Detection.objects.get(pk=pk).queue == "detect"


def test_a_full_disk_is_no_files_fault_and_the_same_key_may_be_used_again(api, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    headers = {"Idempotency-Key": "b1"}
    monkeypatch.setattr("detection.storage.keep_original", full)
    answer = _send(api, [_file(0), _file(1)], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    monkeypatch.undo()
    assert not Submission.objects.exists()
    assert files_below("originals") == []
    again = _send(api, [_file(0), _file(1)], headers=headers)
    assert again.status_code == 202
    assert "Idempotency-Replayed" not in again


@pytest.mark.django_db(transaction=True)
def test_batches_and_uploads_of_the_same_images_do_not_block_each_other(alice, key_of):
    """On PostgreSQL rows and the owner's chain could wait for each other in a circle."""
    credential = f"Bearer {key_of(alice)}"
    data = [images.jpeg_bytes(64, 64, seed=n) for n in range(4)]
    turn = itertools.count()

    def send() -> int:
        client, number = Client(headers={"Authorization": credential}), next(turn)
        files = [SimpleUploadedFile(f"{n}.jpg", one) for n, one in enumerate(data)]
        if number % 3 == 2:
            return client.post("/api/v1/detections", {"image": files[number % 4]}).status_code
        return _send(client, files[:: 1 if number % 2 else -1]).status_code

    send()
    assert set(in_parallel(send, times=12)) == {202}
    assert Submission.objects.count() == 4 + sum(1 if n % 3 == 2 else 4 for n in range(1, 13))
