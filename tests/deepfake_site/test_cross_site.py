"""Another site in the same browser changes nothing here and reads nothing."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponseBase
from django.test import Client

from accounts.models import ApiKey, AuditEvent, User
from detection.models import Detection, Image, Submission
from tests import images
from tests.conftest import PASSWORD
from tests.deepfake_site import test_authorization as table
from tests.deepfake_site.access import DECLARED, WRITE
from tests.deepfake_site.test_authorization import OPERATORS, _address

pytestmark = pytest.mark.django_db
image = table.image  # its fixture
API = "/api/v1/detections"
WRITTEN = sorted(
    route
    for route, access in DECLARED.items()
    if access.methods >= WRITE and not route.startswith("api/")
)
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def _upload() -> dict[str, SimpleUploadedFile]:
    return {"image": SimpleUploadedFile("a.jpg", images.jpeg_bytes(), content_type="image/jpeg")}


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    """A signed-in browser as it is in earnest: forgery is looked for."""

    def sign_in(user: User) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        return client

    return sign_in


def _token(client: Client, page: str = "/") -> str:
    found = re.search(
        r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(page).content.decode()
    )
    assert found
    return found[1]


def _unsafe(client: Client, address: str) -> Iterator[tuple[str, HttpResponseBase]]:
    for method in UNSAFE:
        yield method, client.generic(method, address, "a=1", "application/x-www-form-urlencoded")


@pytest.mark.any_database
@pytest.mark.parametrize("route", WRITTEN)
def test_no_page_is_written_to_without_a_token(route, browser_of, alice, dora, image):
    address = _address(route, Detection.objects.get(image=image).pk, image.pk, 1)
    for person in (alice, dora):
        for method, answer in _unsafe(browser_of(person), address):
            # What takes no such method at all may say so first.
            allowed = {403} if method == "POST" else {403, 405}
            assert answer.status_code in allowed, (person, method)


@pytest.mark.any_database
@pytest.mark.parametrize("route", OPERATORS)
def test_neither_is_the_operators_site(route, browser_of, dora, image):
    events = AuditEvent.objects.count()
    for method, answer in _unsafe(browser_of(dora), _address(route, "1", "1")):
        assert answer.status_code in {302, 403, 404, 405}, method
    assert AuditEvent.objects.count() == events
    assert User.objects.filter(pk=dora.pk, is_active=True).exists()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "http://testserver.evil.example.org"},
        {"Referer": "https://evil.example.org/"},
    ],
)
def test_a_session_alone_submits_nothing_to_the_api(headers, browser_of, alice, model_version):
    answer = browser_of(alice).post(API, _upload(), headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"
    assert not Submission.objects.exists()


@pytest.mark.parametrize("origin", ["null", "https://evil.example.org", "http://testserver:81"])
def test_a_stolen_token_does_not_help_another_origin(origin, browser_of, alice, model_version):
    browser = browser_of(alice)
    token = _token(browser)
    headers = {"X-CSRFToken": token, "Origin": origin}
    assert browser.post(API, _upload(), headers=headers).status_code == 403
    page = browser.post("/", _upload() | {"csrfmiddlewaretoken": token}, headers={"Origin": origin})
    assert page.status_code == 403
    assert not Submission.objects.exists()


def test_with_the_token_of_its_own_pages_a_session_submits(browser_of, alice, model_version):
    browser = browser_of(alice)
    headers = {"X-CSRFToken": _token(browser), "Origin": "http://testserver"}
    assert browser.post(API, _upload(), headers=headers).status_code == 202


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
def test_json_that_calls_itself_text_is_no_way_in(kind, browser_of, alice, key_of, model_version):
    body = '{"image": "a", "metadata": "{}"}'
    assert browser_of(alice).generic("POST", API, body, kind).status_code == 403
    with_key = Client(headers={"Authorization": f"Bearer {key_of(alice)}"})
    answer = with_key.generic("POST", API, body, kind)
    assert answer.status_code in {400, 415}
    assert not Submission.objects.exists()


def test_a_key_needs_no_token_and_ignores_the_cookie(browser_of, alice, bob, key_of, model_version):
    browser = browser_of(bob)
    headers = {"Authorization": f"Bearer {key_of(alice)}", "Origin": "null"}
    assert browser.post(API, _upload(), headers=headers).status_code == 202
    assert Image.objects.get().owner == alice


def test_a_bad_key_beside_a_good_session_submits_nothing(browser_of, alice, model_version):
    browser = browser_of(alice)
    headers = {"Authorization": "Bearer umk_wrong", "X-CSRFToken": _token(browser)}
    assert browser.post(API, _upload(), headers=headers).status_code == 401
    assert not Submission.objects.exists()


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/history", API, "/accounts/login/", "/static/css/base.css"])
def test_no_other_origin_is_allowed_to_read(method, path, client_of, alice, key_of):
    for headers in ({}, {"Authorization": f"Bearer {key_of(alice)}"}):
        asked = {
            "Origin": "https://evil.example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = client_of(alice).generic(method, path, headers=asked | headers)
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


def test_a_key_is_not_made_for_another_site(browser_of, alice):
    form = {"name": "x", "scopes": "detections:read", "days": "30"}
    browser = browser_of(alice)
    token = _token(browser, "/accounts/reauthenticate/")
    confirmed = {"password": PASSWORD, "csrfmiddlewaretoken": token}
    browser.post("/accounts/reauthenticate/", confirmed)
    assert browser.post("/keys", form).status_code == 403
    assert not ApiKey.objects.exists()
    answer = browser.post("/keys", form | {"csrfmiddlewaretoken": _token(browser, "/keys")})
    assert answer.status_code == 201
