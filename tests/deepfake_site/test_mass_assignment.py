"""Fields that a form does not ask for are refused or change nothing."""

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import ApiKey, User
from detection.models import Detection, Image, Submission
from tests import images
from tests.accounts.factors import confirm
from tests.conftest import PASSWORD
from tests.factories import done_row

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
API = "/api/v1/detections"
FORBIDDEN: dict[str, str] = {
    "id": str(uuid.UUID(int=1)),
    "pk": str(uuid.UUID(int=1)),
    "owner": "2",
    "owner_id": "2",
    "by": "2",
    "verdict": "likely_authentic",
    "probability": "0.01",
    "status": "done",
    "sha256": "0" * 64,
    "created_at": "2001-01-01T00:00:00Z",
    "completed_at": "2001-01-01T00:00:00Z",
    "role": "admin",
    "is_staff": "1",
    "is_superuser": "1",
    "is_auditor": "1",
    "is_active": "1",
    "via": "page",
    "api_key": "1",
    "model_version": "1",
    "attempt": "9",
    "size_bytes": "1",
}


def _upload() -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", images.jpeg_bytes(), content_type="image/jpeg")


def _untouched(owner: User) -> None:
    """One image of hers, queued, with nothing of what was asked for."""
    image = Image.objects.get()
    detection = Detection.objects.get()
    submission = Submission.objects.get()
    assert (image.owner, submission.by) == (owner, owner)
    assert image.sha256 != FORBIDDEN["sha256"]
    assert image.size_bytes > 1
    assert (detection.status, detection.verdict, detection.attempt) == ("queued", "", 0)
    assert detection.probability is None
    assert detection.pk != uuid.UUID(int=1)
    assert min(image.created_at.year, detection.created_at.year, submission.created_at.year) > 2001
    assert _people() == {("alice@example.org", "journalist", False)}


def _people() -> set[Any]:
    return set(User.objects.values_list("email", "role", "is_auditor"))


@pytest.mark.parametrize("field", sorted(FORBIDDEN))
def test_the_api_names_a_field_that_it_does_not_take(field, alice, key_of, model_version):
    client = Client(headers={"Authorization": f"Bearer {key_of(alice)}"})
    answer = client.post(API, {"image": _upload(), field: FORBIDDEN[field]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not Submission.objects.exists()


def test_the_upload_page_reads_none_of_them(alice, client_of, model_version):
    answer = client_of(alice).post("/", {"image": _upload()} | FORBIDDEN)
    assert answer.status_code == 302
    _untouched(alice)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_a_verdict_cannot_be_written(method, alice, key_of, client_of, model_version):
    row = done_row(alice, model_version)
    before = Detection.objects.values().get(pk=row.pk), Image.objects.values().get()
    by_key = Client(headers={"Authorization": f"Bearer {key_of(alice)}"})
    for client in (by_key, client_of(alice)):
        for address in (f"{API}/{row.pk}", API):
            if (method, address) == ("POST", API):
                continue
            for kind in ("application/json", "application/x-www-form-urlencoded"):
                answer = client.generic(method, address, '{"verdict": "likely_manipulated"}', kind)
                assert answer.status_code == 405
    browser = client_of(alice)
    for page in ("", "/retry", "/card"):
        browser.post(f"/detections/{row.pk}{page}", FORBIDDEN)
    assert (Detection.objects.values().get(pk=row.pk), Image.objects.values().get()) == before


def test_a_key_is_its_makers_whatever_the_form_says(alice, bob, client_of):
    form = {"name": "x", "scopes": ["detections:read"], "days": "30"}
    planted = FORBIDDEN | {
        "owner": str(bob.pk),
        "prefix": "a" * 8,
        "digest": "0" * 64,
        "expires_at": "2999-01-01",
        "revoked_at": "",
        "last_used_at": "2001-01-01",
    }
    browser = client_of(alice)
    confirm(browser)
    assert browser.post("/keys", form | planted).status_code == 201
    key = ApiKey.objects.get()
    assert (key.owner, key.scopes) == (alice, ["detections:read"])
    assert (key.prefix, key.digest) != ("a" * 8, "0" * 64)
    assert key.expires_at is not None
    assert key.expires_at.year < 2999
    assert key.last_used_at is None


@pytest.mark.parametrize("scope", ["admin", "*", "models:write"])
def test_a_key_has_no_scope_that_is_not_offered(scope, alice, client_of):
    form = {"name": "x", "scopes": ["detections:read", scope], "days": "30"}
    browser = client_of(alice)
    confirm(browser)
    assert browser.post("/keys", form).status_code == 400
    assert not ApiKey.objects.exists()


def test_nobody_becomes_more_by_any_form_of_their_account(alice, client_of):
    browser = client_of(alice)
    new = "another long enough phrase"
    for path, form in (
        ("/accounts/login/", {"login": alice.email, "password": PASSWORD}),
        ("/accounts/reauthenticate/", {"password": PASSWORD}),
        ("/accounts/password/reset/", {"email": alice.email}),
        ("/language/setlang/", {"language": "ar"}),
        (
            "/accounts/password/change/",
            {"oldpassword": PASSWORD, "password1": new, "password2": new},
        ),
    ):
        browser.post(path, FORBIDDEN | form)
        assert _people() == {("alice@example.org", "journalist", False)}, path


def test_an_administrator_writes_name_and_rights_alone(dora, alice, client_of):
    form = {"email": alice.email, "name": "Alice A", "role": "moderator", "is_auditor": "on"}
    planted = {"is_active": "", "is_erased": "on", "last_login": "2001-01-01"}
    planted |= {"created_at": "2001-01-01", "password": "plain", "id": "1", "pk": "1"}
    kept = ("email", "is_active", "created_at", "last_login", "password")
    before = User.objects.values(*kept).get(pk=alice.pk)
    browser = client_of(dora)
    confirm(browser)
    assert browser.post(f"/people/{alice.pk}", form | planted).status_code == 302
    assert User.objects.values(*kept).get(pk=alice.pk) == before
    assert User.objects.get(pk=alice.pk).role == "moderator"
