"""Lists of detections in the API, their filters and pages."""

import base64
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.detection.api_answers import NO_TEXT, URL, assert_problem
from tests.factories import (
    detection_row,
    done_row,
    queries_of_a_limit,
)

pytestmark = pytest.mark.usefixtures("model_version")


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
    body = assert_problem(api.get(URL, {field: "real"}), 400, "invalid")
    assert body["errors"][0]["field"] == field
    assert "say one of" in body["errors"][0]["detail"]


@pytest.mark.parametrize("value", ["x", "0" * 63, "g" * 64, "0" * 65])
def test_a_filter_by_what_is_no_hash_is_400(api, value):
    body = assert_problem(api.get(URL, {"sha256": value}), 400, "invalid")
    assert "64 hexadecimal digits" in body["errors"][0]["detail"]


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_outside_of_the_calendar_is_400(api, field, value):
    body = assert_problem(api.get(URL, {field: value}), 400, "invalid")
    assert body["errors"][0]["field"] == field


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00"])
def test_the_calendars_ends_are_moments(api, value):
    assert api.get(URL, {"since": value}).status_code == 200


@pytest.mark.parametrize("field", ["verdict", "status", "sha256", "cursor"])
@pytest.mark.parametrize("value", ["\x00", "é" * 300, "'; DROP TABLE x; --", "[]", "%"])
def test_a_hostile_filter_is_no_error_of_ours(api, alice, model_version, field, value):
    done_row(alice, model_version)
    assert api.get(URL, {field: value}).status_code in {200, 400}


@pytest.mark.parametrize("field", ["verdict", "status", "sha256", "cursor"])
@pytest.mark.parametrize("value", [*NO_TEXT, base64.b64encode(b"1.\x00")])
def test_a_filter_that_is_no_text_is_no_error_of_ours(api, alice, model_version, field, value):
    done_row(alice, model_version)
    assert api.get(f"{URL}?{field}={quote(value)}").status_code in {200, 400}


def test_a_damaged_cursor_is_an_error_and_not_the_first_page(alice, client_of):
    answer = client_of(alice).get("/api/v1/detections?cursor=zzz")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        (f"{URL}?verdct=likely_authentic", ["verdct"]),
        (f"{URL}?limit=2&q=a&page_size=1", ["limit", "page_size"]),
        (f"{URL}?verdict=likely_authentic&verdict=inconclusive", ["verdict"]),
        ("/api/v1/cases?order=newest", ["order"]),
        (f"{URL}/00000000-0000-0000-0000-000000000000?x=1", ["x"]),
    ],
)
def test_a_parameter_that_does_not_exist_or_comes_twice_is_refused(api, address, wrong):
    """A filter that is misspelt would otherwise give everything."""
    body = assert_problem(api.get(address), 400, "invalid")
    assert [one["field"] for one in body["errors"]] == wrong


def test_errors_in_lists_name_their_place(api):
    said = {"url": "https://example.org/hook", "events": ["detection.completed", "nope"]}
    answer = api.post("/api/v1/webhooks", said, content_type="application/json")
    [error] = assert_problem(answer, 400, "invalid")["errors"]
    assert error["field"] == "events.1"
    assert "ErrorDetail" not in error["detail"]


def test_too_many_files_and_too_large_a_body_say_so(api):
    files = {"image": [SimpleUploadedFile(f"{n}.jpg", b"x") for n in range(101)]}
    answer = api.post("/api/v1/detections/batch", files)
    assert "100 files" in assert_problem(answer, 400, "parse_error")["detail"]
    large = {"title": "x" * 3_000_000}
    answer = api.post("/api/v1/cases", large, content_type="application/json")
    assert "file" not in assert_problem(answer, 413, "too_large")["detail"]
