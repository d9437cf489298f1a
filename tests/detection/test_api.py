"""The API: who may do what, and what is in every answer."""

import base64
import re

import pytest
from django.test import Client

from accounts.models import AuditEvent
from detection.models import Detection, Submission
from tests.conftest import PASSWORD
from tests.detection.api_answers import NOWHERE, URL, a_photo, assert_problem
from tests.factories import (
    detection_row,
    done_row,
    image_row,
    submitted,
)

pytestmark = pytest.mark.usefixtures("model_version")


# --- signing in


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("url", [URL, NOWHERE])
def test_signed_out_is_401(client, db, method, url):
    response = getattr(client, method)(url)
    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_signed_out_stores_nothing(client, db):
    client.post(URL, {"image": a_photo()})
    assert not Submission.objects.exists()


def test_a_bad_key_is_401(client, db):
    response = client.get(URL, headers={"Authorization": "Bearer umk_bad"})
    assert_problem(response, 401, "authentication_failed")


def test_a_session_is_enough(alice, client_of):
    assert client_of(alice).get(URL).status_code == 200


def test_a_session_without_a_token_may_not_write(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert_problem(browser.post(URL, {"image": a_photo()}), 403, "permission_denied")
    assert not Submission.objects.exists()


def test_a_session_with_its_token_may_write(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    page = browser.get("/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    response = browser.post(URL, {"image": a_photo()}, headers={"X-CSRFToken": token})
    assert response.status_code == 202


def test_a_key_needs_no_token(alice, key_of):
    program = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {key_of(alice)}"})
    assert program.post(URL, {"image": a_photo()}).status_code == 202


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
    assert program.post(URL, {"image": a_photo()}).status_code == writes
    row = Detection.objects.first() or detection_row(alice, model_version)
    assert program.get(f"{URL}/{row.pk}").status_code == reads


def test_a_missing_scope_is_a_problem(alice, key_of):
    program = Client(headers={"Authorization": f"Bearer {key_of(alice, 'models:read')}"})
    assert_problem(program.get(URL), 403, "permission_denied")


# --- one's own and strangers'


def test_a_stranger_gets_404(alice, bob, api, client_of, model_version):
    row = done_row(alice, model_version)
    assert api.get(f"{URL}/{row.pk}").status_code == 200
    assert_problem(client_of(bob).get(f"{URL}/{row.pk}"), 404, "not_found")


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
    first = client_of(bob).post(URL, {"image": a_photo()})
    second = api.post(URL, {"image": a_photo()})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]
    assert first.json()["image"] == second.json()["image"]


# --- every answer


@pytest.mark.parametrize("given", ["a-client-chose-1", "A" * 64])
def test_a_harmless_request_id_comes_back(api, given):
    assert api.get(URL, headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "a b c d e f", "<script>alert</script>"])
def test_another_request_id_is_replaced(api, given):
    answered = api.get(URL, headers={"X-Request-ID": given})["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", answered)


def test_the_audit_trail_keeps_the_request_id(api):
    api.post(URL, {"image": a_photo()}, headers={"X-Request-ID": "a-client-chose-1"})
    assert {event.request_id for event in AuditEvent.objects.all()} == {"a-client-chose-1"}


def test_the_links_lead_to_the_page(api, alice, client_of):
    body = api.post(URL, {"image": a_photo()}).json()
    page = body["links"]["page"].removeprefix("http://testserver")
    assert client_of(alice).get(page).status_code == 200
    assert (body["links"]["report"], body["links"]["heatmap"]) == (None, None)


def test_an_answer_is_not_kept_by_caches(api):
    assert "no-store" in api.get(URL).get("Cache-Control", "")


def test_the_names_of_others_files_are_not_in_an_answer(alice, carol, client_of):
    submitted(alice, name="my-source.jpg")
    assert "my-source" not in client_of(carol).get(URL).content.decode()
