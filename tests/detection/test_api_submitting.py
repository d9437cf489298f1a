"""Submitting to the API, and what is refused of a request."""

import json
import uuid
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditEvent
from detection.models import Detection, Submission
from detection.tasks import run_detection
from tests import images
from tests.detection.api_answers import NO_TEXT, NOBODYS, NOWHERE, URL, a_photo, assert_problem

pytestmark = pytest.mark.usefixtures("model_version")


def test_submitting_answers_202_and_where_to_look(api):
    response = api.post(URL, {"image": a_photo()})
    body = response.json()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{URL}/{body['id']}"
    assert response["Retry-After"] == "1"
    assert (body["status"], body["verdict"], body["probability"]) == ("queued", None, None)


def test_the_verdict_is_there_once_it_was_judged(api, fake_judgement):
    url = api.post(URL, {"image": a_photo()})["Location"]
    run_detection(str(Detection.objects.get().pk))
    body = api.get(url).json()
    assert (body["status"], body["verdict"], body["probability"]) == (
        "done",
        "likely_manipulated",
        0.93,
    )
    assert body["model"] == {"name": "fake", "version": "1", "artifact_sha256": "f" * 64}
    assert body["operating_point"] == {"authentic_below": 0.2, "manipulated_from": 0.9}
    assert body["completed_at"] is not None


def test_it_says_what_the_image_is(api):
    data = images.jpeg_bytes()
    body = api.post(URL, {"image": SimpleUploadedFile("a.jpg", data)}).json()
    assert body["image"].pop("sha256") == Submission.objects.get().image.sha256
    assert body["image"] == {"width": 320, "height": 240, "format": "JPEG", "bytes": len(data)}


def test_bytes_already_judged_answer_200_at_once(api, fake_judgement):
    first = api.post(URL, {"image": a_photo()}).json()
    run_detection(first["id"])
    second = api.post(URL, {"image": a_photo()})
    assert second.status_code == 200
    assert (second.json()["id"], second.json()["status"]) == (first["id"], "done")
    assert Submission.objects.count() == 2


def test_metadata_is_echoed(api):
    metadata = {"story": "42", "nested": {"a": [1, None, "ب"]}}
    url = api.post(URL, {"image": a_photo(), "metadata": json.dumps(metadata)})["Location"]
    assert api.get(url).json()["metadata"] == metadata


def test_the_latest_submissions_metadata_is_echoed(api):
    for n in (1, 2):
        response = api.post(URL, {"image": a_photo(), "metadata": json.dumps({"n": n})})
    assert response.json()["metadata"] == {"n": 2}


def test_another_persons_metadata_is_not_shown(alice, carol, api, client_of):
    url = api.post(URL, {"image": a_photo(), "metadata": '{"secret": 1}'})["Location"]
    assert client_of(carol).get(url).json()["metadata"] == {}


def test_bulk_goes_to_its_own_queue(api):
    api.post(URL, {"image": a_photo(), "priority": "bulk"})
    assert Detection.objects.get().queue == "bulk"


def test_it_says_through_which_key_it_came(api):
    api.post(URL, {"image": a_photo()})
    submission = Submission.objects.get()
    assert submission.via == "api"
    event = AuditEvent.objects.get(action="submission.accepted")
    assert submission.api_key.prefix == event.key_prefix


def test_fields_that_are_not_ours_to_take_change_nothing(api, bob):
    forged = {"owner": bob.pk, "by": bob.pk, "verdict": "likely_authentic", "probability": "0"}
    forged |= {"status": "done", "id": str(uuid.uuid4()), "sha256": "0" * 64, "created_at": "1999"}
    body = assert_problem(api.post(URL, {"image": a_photo(), **forged}), 400, "invalid")
    assert {error["field"] for error in body["errors"]} == set(forged)
    assert not Submission.objects.exists()


# --- bad input


def test_two_images_are_one_too_many(api):
    response = api.post(URL, {"image": [a_photo(), a_photo(seed=2)]})
    body = assert_problem(response, 400, "invalid")
    assert body["errors"][0]["field"] == "image"
    assert not Submission.objects.exists()


NOT_JSON = ["x", "[]", '"a"', "1", "null", "{", '{"a": NaN}', '{"a": Infinity}', '{"a": "\\u0000"}']
NOT_JSON += ['{"a": "\\ud800"}', '{"a": ' + "[" * 4000 + "]" * 4000 + "}", '{"a": 1e999}']


@pytest.mark.parametrize("metadata", NOT_JSON, ids=range(len(NOT_JSON)))
def test_bad_metadata_is_400_and_names_the_field(api, metadata):
    response = api.post(URL, {"image": a_photo(), "metadata": metadata})
    body = assert_problem(response, 400, "invalid")
    assert body["errors"][0]["field"] == "metadata"
    assert not Submission.objects.exists()


def test_too_much_metadata_is_400(api):
    metadata = json.dumps({"a": "x" * 8192})
    response = api.post(URL, {"image": a_photo(), "metadata": metadata})
    assert assert_problem(response, 400, "invalid")["errors"][0]["field"] == "metadata"


@pytest.mark.parametrize(("field", "value"), [("priority", "now"), ("is_confidential", "maybe")])
def test_an_unknown_choice_is_400(api, field, value):
    response = api.post(URL, {"image": a_photo(), field: value})
    assert assert_problem(response, 400, "invalid")["errors"][0]["field"] == field
    assert not Submission.objects.exists()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"\ud800": 1}, "\\ud800"),
        ({"priority": "\ud800"}, "priority"),
        ({"is_confidential": "\ud800"}, "is_confidential"),
        ({"metadata": {"\ud800": 1}}, "metadata"),
        ({"callback_url": "https://\ud800.example.org/"}, "callback_url"),
        ({"url": "https://e.org/\ud800"}, "url"),
    ],
)
def test_half_a_character_is_400_and_comes_back_as_its_escape(api, said, field):
    body = {"url": "https://images.example.org/a.jpg"} | said
    response = api.post(URL, json.dumps(body), content_type="application/json")
    assert assert_problem(response, 400, "invalid")["errors"][0]["field"] == field


def test_text_instead_of_a_form_is_415(api):
    response = api.post(URL, "x", content_type="text/plain")
    assert_problem(response, 415, "unsupported_media_type")


def test_json_brings_no_image(api):
    response = api.post(URL, {"image": "x"}, content_type="application/json")
    assert_problem(response, 400, "no_file")


@pytest.mark.parametrize(
    "body",
    ["", "x", "[]", "5", "null", '"url"', '{"url": NaN}', "[" * 9999, '{"a":' * 9999, b"\xff"],
    ids=lambda body: repr(body[:12]),
)
def test_json_that_is_no_object_is_400(api, body):
    response = api.post(URL, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] in {"parse_error", "no_file"}


def test_json_is_small(api):
    response = api.post(URL, json.dumps({"a": "x" * 65536}), content_type="application/json")
    assert_problem(response, 413, "too_large")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=é"],
)
def test_a_form_that_cannot_be_read_is_400(api, content_type):
    response = api.generic("POST", URL, b"nonsense", content_type)
    assert_problem(response, 400, "parse_error")


def test_too_many_fields_are_a_problem(api, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    response = api.post(URL, {f"f{n}": "x" for n in range(10)})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_too_many_files_are_a_problem(api, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = api.post(URL, {f"f{n}": a_photo() for n in range(4)})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "url"),
    [
        *[(method, URL) for method in ("put", "patch", "delete")],
        *[(method, NOWHERE) for method in ("post", "put", "patch", "delete")],
    ],
)
def test_a_wrong_method_is_405(api, method, url):
    response = getattr(api, method)(url)
    assert_problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_an_answer_in_another_language_of_machines_is_406(api):
    assert_problem(api.get(URL, headers={"Accept": "application/xml"}), 406, "not_acceptable")


@pytest.mark.parametrize("path", ["/x", "/1", "/../x", f"/{NOBODYS}/x"])
def test_an_unknown_address_is_a_problem(api, path):
    assert_problem(api.get(URL + path), 404, "not_found")


def test_a_misspelt_field_is_refused(alice, client_of, model_version, photo):
    answer = client_of(alice).post("/api/v1/detections", {"image": photo, "is_confidentail": "1"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "is_confidentail"
    assert not Submission.objects.exists()


@pytest.mark.parametrize("field", ["imgae", "file", "images"])
def test_a_file_under_another_name_is_named(api, field):
    body = assert_problem(api.post(URL, {field: a_photo()}), 400, "invalid")
    assert [error["field"] for error in body["errors"]] == [field]
    assert not Submission.objects.exists()


def _form(*parts: tuple[bytes, bytes]) -> bytes:
    """A form's body, from what follows the field's name and the content."""
    named = [b"--b\r\nContent-Disposition: form-data; name=%b\r\n\r\n%b\r\n" % p for p in parts]
    return b"".join(named) + b"--b--\r\n"


@pytest.mark.parametrize("value", NO_TEXT)
def test_a_file_name_that_is_no_text_is_no_error_of_ours(api, value):
    for name in (b'filename="%b"' % value, b"filename*=UTF-8''" + quote(value).encode()):
        body = _form((b'"image"; ' + name, images.jpeg_bytes()))
        response = api.generic("POST", URL, body, "multipart/form-data; boundary=b")
        assert response.status_code in {202, 400}
    assert all(
        name.isprintable() for name in Submission.objects.values_list("file_name", flat=True)
    )


@pytest.mark.parametrize("field", [b"metadata", b"priority", b"is_confidential", b"image"])
@pytest.mark.parametrize("value", [*NO_TEXT, *(b'{"a": "%b"}' % value for value in NO_TEXT)])
def test_a_field_that_is_no_text_is_no_error_of_ours(api, field, value):
    image = (b'"image"; filename="a.jpg"', images.jpeg_bytes())
    body = _form(image, (b'"%b"' % field, value))
    response = api.generic("POST", URL, body, "multipart/form-data; boundary=b")
    assert response.status_code in {202, 400}


@pytest.mark.parametrize(
    "header",
    ["Authorization", "X-Forwarded-For", "X-Request-ID", "Cookie", "Accept-Language", "User-Agent"],
)
@pytest.mark.parametrize("value", NO_TEXT)
def test_a_header_that_is_no_text_is_no_error_of_ours(api, settings, header, value):
    settings.TRUSTED_PROXIES = 1
    prefix = {"Authorization": "Bearer umk_", "Cookie": "unmask_session="}.get(header, "")
    headers = {header: prefix + value.decode("latin-1")}  # as a server hands them on
    response = api.post(URL, {"image": a_photo()}, headers=headers)
    assert response.status_code in {202, 401}
