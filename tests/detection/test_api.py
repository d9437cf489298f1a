"""The API: who may do what, the shape of every answer and of every error."""

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from accounts.models import AuditEvent, User
from detection.models import Detection, Submission
from detection.tasks import run_detection
from tests import images
from tests.conftest import PASSWORD
from tests.factories import (
    WORKER,
    detection_row,
    done_row,
    image_row,
    queries_of_a_limit,
    submitted,
)

URL = "/api/v1/detections"
NOBODYS = "ab000000-0000-4000-8000-000000000001"  # the same in every process that collects tests
NOWHERE = f"{URL}/{NOBODYS}"
pytestmark = pytest.mark.usefixtures("model_version")


@pytest.fixture
def api(alice: User, key_of: Callable[..., str]) -> Client:
    """A program of alice's, with a key of all scopes."""
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def _photo(**options: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", images.jpeg_bytes(**options), "image/jpeg")


def _assert_problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """RFC 9457, and our own fields."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert {"type", "title", "detail", "request_id"} <= body.keys()
    assert body["request_id"] == response["X-Request-ID"]
    return body


# --- signing in


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("url", [URL, NOWHERE])
def test_signed_out_is_401(client, db, method, url):
    response = getattr(client, method)(url)
    _assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_signed_out_stores_nothing(client, db):
    client.post(URL, {"image": _photo()})
    assert not Submission.objects.exists()


def test_a_bad_key_is_401(client, db):
    response = client.get(URL, headers={"Authorization": "Bearer umk_bad"})
    _assert_problem(response, 401, "authentication_failed")


def test_a_session_is_enough(alice, client_of):
    assert client_of(alice).get(URL).status_code == 200


def test_a_session_without_a_token_may_not_write(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    _assert_problem(browser.post(URL, {"image": _photo()}), 403, "permission_denied")
    assert not Submission.objects.exists()


def test_a_session_with_its_token_may_write(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    page = browser.get("/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    response = browser.post(URL, {"image": _photo()}, headers={"X-CSRFToken": token})
    assert response.status_code == 202


def test_a_key_needs_no_token(alice, key_of):
    program = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {key_of(alice)}"})
    assert program.post(URL, {"image": _photo()}).status_code == 202


def test_a_password_opens_no_api(alice, client):
    token = base64.b64encode(f"{alice.email}:{PASSWORD}".encode()).decode()
    response = client.get(URL, headers={"Authorization": f"Basic {token}"})
    assert response.status_code == 401


# --- scopes


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [
        ("detections:read", 200, 403),
        ("detections:write", 403, 202),
        ("models:read", 403, 403),
        ("feedback:write", 403, 403),
        ("reviews:write", 403, 403),
    ],
)
def test_a_key_does_what_its_scopes_say(alice, key_of, model_version, scope, reads, writes):
    program = Client(headers={"Authorization": f"Bearer {key_of(alice, scope)}"})
    assert program.get(URL).status_code == reads
    assert program.post(URL, {"image": _photo()}).status_code == writes
    row = Detection.objects.first() or detection_row(alice, model_version)
    assert program.get(f"{URL}/{row.pk}").status_code == reads


def test_a_missing_scope_is_a_problem(alice, key_of):
    program = Client(headers={"Authorization": f"Bearer {key_of(alice, 'models:read')}"})
    _assert_problem(program.get(URL), 403, "permission_denied")


# --- one's own and strangers'


def test_a_stranger_gets_404(alice, bob, api, client_of, model_version):
    row = done_row(alice, model_version)
    assert api.get(f"{URL}/{row.pk}").status_code == 200
    _assert_problem(client_of(bob).get(f"{URL}/{row.pk}"), 404, "not_found")


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_no_method_tells_a_strangers_row_from_none(bob, alice, client_of, model_version, method):
    row = done_row(alice, model_version)
    call = getattr(client_of(bob), method)
    theirs, nobodys = call(f"{URL}/{row.pk}"), call(NOWHERE)
    assert theirs.status_code == nobodys.status_code in {404, 405}
    assert {*theirs.headers} == {*nobodys.headers}


def test_a_strangers_row_reads_like_no_row(alice, bob, client_of, model_version):
    row = done_row(alice, model_version)
    browser = client_of(bob)
    answers = [browser.get(url).json() for url in (f"{URL}/{row.pk}", NOWHERE)]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]


def test_a_list_holds_nothing_of_strangers(alice, bob, client_of, model_version):
    row = done_row(alice, model_version)
    for query in ("", f"?sha256={row.image.sha256}", "?verdict=likely_authentic", "?status=done"):
        assert client_of(bob).get(URL + query).json() == {"results": [], "next": None}


def test_a_moderator_sees_all_but_the_confidential(alice, carol, client_of, model_version):
    plain = done_row(alice, model_version)
    secret = done_row(alice, model_version, image=image_row(alice, is_confidential=True))
    browser = client_of(carol)
    assert [row["id"] for row in browser.get(URL).json()["results"]] == [str(plain.pk)]
    assert browser.get(f"{URL}/{secret.pk}").status_code == 404


def test_the_same_bytes_of_another_person_are_no_hint(alice, bob, api, client_of):
    first = client_of(bob).post(URL, {"image": _photo()})
    second = api.post(URL, {"image": _photo()})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]
    assert first.json()["image"] == second.json()["image"]


# --- submitting


def test_submitting_answers_202_and_where_to_look(api):
    response = api.post(URL, {"image": _photo()})
    body = response.json()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{URL}/{body['id']}"
    assert response["Retry-After"] == "1"
    assert (body["status"], body["verdict"], body["probability"]) == ("queued", None, None)


def test_the_verdict_is_there_once_it_was_judged(api, fake_judgement):
    url = api.post(URL, {"image": _photo()})["Location"]
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
    first = api.post(URL, {"image": _photo()}).json()
    run_detection(first["id"])
    second = api.post(URL, {"image": _photo()})
    assert second.status_code == 200
    assert (second.json()["id"], second.json()["status"]) == (first["id"], "done")
    assert Submission.objects.count() == 2


def test_metadata_is_echoed(api):
    metadata = {"story": "42", "nested": {"a": [1, None, "ب"]}}
    url = api.post(URL, {"image": _photo(), "metadata": json.dumps(metadata)})["Location"]
    assert api.get(url).json()["metadata"] == metadata


def test_the_latest_submissions_metadata_is_echoed(api):
    for n in (1, 2):
        response = api.post(URL, {"image": _photo(), "metadata": json.dumps({"n": n})})
    assert response.json()["metadata"] == {"n": 2}


def test_another_persons_metadata_is_not_shown(alice, carol, api, client_of):
    url = api.post(URL, {"image": _photo(), "metadata": '{"secret": 1}'})["Location"]
    assert client_of(carol).get(url).json()["metadata"] == {}


def test_bulk_goes_to_its_own_queue(api):
    api.post(URL, {"image": _photo(), "priority": "bulk"})
    assert Detection.objects.get().queue == "bulk"


def test_it_says_through_which_key_it_came(api):
    api.post(URL, {"image": _photo()})
    submission = Submission.objects.get()
    assert submission.via == "api"
    event = AuditEvent.objects.get(action="submission.accepted")
    assert submission.api_key.prefix == event.key_prefix


def test_fields_that_are_not_ours_to_take_change_nothing(api, bob):
    forged = {"owner": bob.pk, "by": bob.pk, "verdict": "likely_authentic", "probability": "0"}
    forged |= {"status": "done", "id": str(uuid.uuid4()), "sha256": "0" * 64, "created_at": "1999"}
    body = _assert_problem(api.post(URL, {"image": _photo(), **forged}), 400, "invalid")
    assert {error["field"] for error in body["errors"]} == set(forged)
    assert not Submission.objects.exists()


# --- bad input


def test_two_images_are_one_too_many(api):
    response = api.post(URL, {"image": [_photo(), _photo(seed=2)]})
    body = _assert_problem(response, 400, "invalid")
    assert body["errors"][0]["field"] == "image"
    assert not Submission.objects.exists()


NOT_JSON = ["x", "[]", '"a"', "1", "null", "{", '{"a": NaN}', '{"a": Infinity}', '{"a": "\\u0000"}']
NOT_JSON += ['{"a": "\\ud800"}', '{"a": ' + "[" * 4000 + "]" * 4000 + "}", '{"a": 1e999}']


@pytest.mark.parametrize("metadata", NOT_JSON, ids=range(len(NOT_JSON)))
def test_bad_metadata_is_400_and_names_the_field(api, metadata):
    response = api.post(URL, {"image": _photo(), "metadata": metadata})
    body = _assert_problem(response, 400, "invalid")
    assert body["errors"][0]["field"] == "metadata"
    assert not Submission.objects.exists()


def test_too_much_metadata_is_400(api):
    metadata = json.dumps({"a": "x" * 8192})
    response = api.post(URL, {"image": _photo(), "metadata": metadata})
    assert _assert_problem(response, 400, "invalid")["errors"][0]["field"] == "metadata"


@pytest.mark.parametrize(("field", "value"), [("priority", "now"), ("is_confidential", "maybe")])
def test_an_unknown_choice_is_400(api, field, value):
    response = api.post(URL, {"image": _photo(), field: value})
    assert _assert_problem(response, 400, "invalid")["errors"][0]["field"] == field
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
    assert _assert_problem(response, 400, "invalid")["errors"][0]["field"] == field


def test_text_instead_of_a_form_is_415(api):
    response = api.post(URL, "x", content_type="text/plain")
    _assert_problem(response, 415, "unsupported_media_type")


def test_json_brings_no_image(api):
    response = api.post(URL, {"image": "x"}, content_type="application/json")
    _assert_problem(response, 400, "no_file")


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
    _assert_problem(response, 413, "too_large")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=é"],
)
def test_a_form_that_cannot_be_read_is_400(api, content_type):
    response = api.generic("POST", URL, b"nonsense", content_type)
    _assert_problem(response, 400, "parse_error")


def test_too_many_fields_are_a_problem(api, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    response = api.post(URL, {f"f{n}": "x" for n in range(10)})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_too_many_files_are_a_problem(api, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = api.post(URL, {f"f{n}": _photo() for n in range(4)})
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
    _assert_problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_an_answer_in_another_language_of_machines_is_406(api):
    _assert_problem(api.get(URL, headers={"Accept": "application/xml"}), 406, "not_acceptable")


@pytest.mark.parametrize("path", ["/x", "/1", "/../x", f"/{NOBODYS}/x"])
def test_an_unknown_address_is_a_problem(api, path):
    _assert_problem(api.get(URL + path), 404, "not_found")


# --- listing


def test_a_list_is_newest_first(api, alice, model_version):
    rows = [done_row(alice, model_version) for _ in range(3)]
    listed = [row["id"] for row in api.get(URL).json()["results"]]
    assert listed == [str(row.pk) for row in rows[::-1]]


def test_a_list_comes_in_pages(api, alice, model_version):
    rows = {str(done_row(alice, model_version).pk) for _ in range(53)}
    first = api.get(URL).json()
    second = api.get(URL, {"cursor": first["next"]}).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (50, 3, None)
    assert {row["id"] for row in first["results"] + second["results"]} == rows


def test_a_page_costs_the_same_for_many_rows(
    api, alice, model_version, django_assert_max_num_queries
):
    for _ in range(10):
        done_row(alice, model_version)
    api.get(URL)  # the day's first use is an event
    # one counts requests: no Redis is asked in tests
    with django_assert_max_num_queries(11 + queries_of_a_limit()):
        api.get(URL)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"verdict": "likely_authentic"}, 1),
        ({"verdict": "likely_manipulated"}, 0),
        ({"status": "done"}, 1),
        ({"status": "queued"}, 1),
        ({"status": "failed"}, 0),
        ({"status": "done", "verdict": "likely_authentic"}, 1),
        ({"status": "queued", "verdict": "likely_authentic"}, 0),
    ],
)
def test_a_list_can_be_filtered(api, alice, model_version, query, count):
    done_row(alice, model_version)
    detection_row(alice, model_version)
    assert len(api.get(URL, query).json()["results"]) == count


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_a_list_can_be_filtered_by_hash(api, alice, model_version, change):
    row = done_row(alice, model_version)
    done_row(alice, model_version)
    results = api.get(URL, {"sha256": change(row.image.sha256)}).json()["results"]
    assert [result["id"] for result in results] == [str(row.pk)]


@pytest.mark.parametrize("field", ["verdict", "status"])
def test_an_unknown_filter_value_is_400_and_says_what_is_known(api, field):
    body = _assert_problem(api.get(URL, {field: "real"}), 400, "invalid")
    assert body["errors"][0]["field"] == field
    assert "say one of" in body["errors"][0]["detail"]


@pytest.mark.parametrize("value", ["x", "0" * 63, "g" * 64, "0" * 65])
def test_a_filter_by_what_is_no_hash_is_400(api, value):
    body = _assert_problem(api.get(URL, {"sha256": value}), 400, "invalid")
    assert "64 hexadecimal digits" in body["errors"][0]["detail"]


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_outside_of_the_calendar_is_400(api, field, value):
    body = _assert_problem(api.get(URL, {field: value}), 400, "invalid")
    assert body["errors"][0]["field"] == field


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00"])
def test_the_calendars_ends_are_moments(api, value):
    assert api.get(URL, {"since": value}).status_code == 200


@pytest.mark.parametrize("field", ["verdict", "status", "sha256", "cursor"])
@pytest.mark.parametrize("value", ["\x00", "é" * 300, "'; DROP TABLE x; --", "[]", "%"])
def test_a_hostile_filter_is_no_error_of_ours(api, alice, model_version, field, value):
    done_row(alice, model_version)
    assert api.get(URL, {field: value}).status_code in {200, 400}


# What text columns of PostgreSQL refuse: NUL, and bytes or halves that are no characters.
NO_TEXT = [b"\x00", b"a\x00b", b"\xff", b"\xed\xa0\x80"]


@pytest.mark.parametrize("field", ["verdict", "status", "sha256", "cursor"])
@pytest.mark.parametrize("value", [*NO_TEXT, base64.b64encode(b"1.\x00")])
def test_a_filter_that_is_no_text_is_no_error_of_ours(api, alice, model_version, field, value):
    done_row(alice, model_version)
    assert api.get(f"{URL}?{field}={quote(value)}").status_code in {200, 400}


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
    response = api.post(URL, {"image": _photo()}, headers=headers)
    assert response.status_code in {202, 401}


# --- every answer


@pytest.mark.parametrize("given", ["a-client-chose-1", "A" * 64])
def test_a_harmless_request_id_comes_back(api, given):
    assert api.get(URL, headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "a b c d e f", "<script>alert</script>"])
def test_another_request_id_is_replaced(api, given):
    answered = api.get(URL, headers={"X-Request-ID": given})["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", answered)


def test_the_audit_trail_keeps_the_request_id(api):
    api.post(URL, {"image": _photo()}, headers={"X-Request-ID": "a-client-chose-1"})
    assert {event.request_id for event in AuditEvent.objects.all()} == {"a-client-chose-1"}


def test_the_links_lead_to_the_page(api, alice, client_of):
    body = api.post(URL, {"image": _photo()}).json()
    page = body["links"]["page"].removeprefix("http://testserver")
    assert client_of(alice).get(page).status_code == 200
    assert (body["links"]["report"], body["links"]["heatmap"]) == (None, None)


EVIDENCE = {"activation": bytes(8), "activation_shape": [2, 2]}


@pytest.fixture
def judged(alice: User) -> Detection:
    """Alice's, with a map and a file to lay it on."""
    row = submitted(alice).detection
    claim = Detection.objects.claim(row.pk, worker=WORKER)
    assert claim is not None
    assert claim.complete(verdict="likely_authentic", probability=0.1, **EVIDENCE)
    return claim


@pytest.mark.parametrize("accept", ["*/*", "image/png", "application/json"])
def test_the_links_lead_a_key_to_the_heatmap(api, judged, accept):
    url = api.get(f"{URL}/{judged.pk}").json()["links"]["heatmap"]
    assert url == f"http://testserver{URL}/{judged.pk}/heatmap"
    response = api.get(url, headers={"Accept": accept})
    assert response.content.startswith(b"\x89PNG")
    assert response["Content-Type"] == "image/png"
    assert response["Cache-Control"] == "private, max-age=600"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    "fields", [{}, {"status": "queued", "verdict": "", "completed_at": None, **EVIDENCE}]
)
def test_without_a_map_or_a_verdict_there_is_no_heatmap(api, alice, model_version, fields):
    row = done_row(alice, model_version, **fields)
    assert api.get(f"{URL}/{row.pk}").json()["links"]["heatmap"] is None
    _assert_problem(api.get(f"{URL}/{row.pk}/heatmap"), 404, "not_found")


def test_a_strangers_heatmap_is_404(judged, bob, client_of):
    for url in (f"{URL}/{judged.pk}/heatmap", f"{NOWHERE}/heatmap"):
        _assert_problem(client_of(bob).get(url), 404, "not_found")


def test_a_heatmap_takes_the_scope_to_read(judged, alice, client, key_of):
    url = f"{URL}/{judged.pk}/heatmap"
    _assert_problem(client.get(url), 401, "not_authenticated")
    writer = {"Authorization": f"Bearer {key_of(alice, 'detections:write')}"}
    _assert_problem(client.get(url, headers=writer), 403, "permission_denied")
    reader = {"Authorization": f"Bearer {key_of(alice, 'detections:read')}"}
    assert client.get(url, headers=reader).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_heatmap_can_only_be_got(api, judged, method):
    response = getattr(api, method)(f"{URL}/{judged.pk}/heatmap")
    _assert_problem(response, 405, "method_not_allowed")


def test_faces_come_without_their_maps(api, alice, model_version):
    box = [0.1, 0.2, 0.3, 0.4]
    whole = {"box": box, "probability": 0.9, "square": box, "activation": [[1.0]]}
    row = done_row(alice, model_version, faces=[whole, {"box": box, "probability": 0.2}])
    assert api.get(f"{URL}/{row.pk}").json()["faces"] == [
        {"box": box, "probability": 0.9},
        {"box": box, "probability": 0.2},
    ]


def test_an_answer_is_not_kept_by_caches(api):
    assert "no-store" in api.get(URL).get("Cache-Control", "")


def test_the_names_of_others_files_are_not_in_an_answer(alice, carol, client_of):
    submitted(alice, name="my-source.jpg")
    assert "my-source" not in client_of(carol).get(URL).content.decode()


def test_a_damaged_cursor_is_an_error_and_not_the_first_page(alice, client_of):
    answer = client_of(alice).get("/api/v1/detections?cursor=zzz")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_a_misspelt_field_is_refused(alice, client_of, model_version, photo):
    answer = client_of(alice).post("/api/v1/detections", {"image": photo, "is_confidentail": "1"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "is_confidentail"
    assert not Submission.objects.exists()


@pytest.mark.parametrize("field", ["imgae", "file", "images"])
def test_a_file_under_another_name_is_named(api, field):
    body = _assert_problem(api.post(URL, {field: _photo()}), 400, "invalid")
    assert [error["field"] for error in body["errors"]] == [field]
    assert not Submission.objects.exists()
