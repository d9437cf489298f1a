"""One's own account: preferences that pages follow, and one's own data to take away."""

import io
import json
import zipfile
from collections.abc import Callable

import pytest
from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts import people
from accounts.models import AuditEvent, User
from accounts.web.account_pages import ProfileForm
from deepfake_site.rate_limits import Limit
from detection.models import Image
from detection.tasks import run_detection
from tests.conftest import PASSWORD
from tests.factories import submitted
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db
PROFILE = {
    "name": "Alice A",
    "language": "ar",
    "time_zone": "Asia/Kolkata",
    "theme": "dark",
    "wants_mail": "on",
}


@pytest.fixture
def browser(alice: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(alice)


def test_pages_follow_language_time_zone_and_appearance(browser, alice, model_version):
    submitted(alice)
    assert " UTC" in browser.get("/history").content.decode()
    assert browser.post("/account", PROFILE).status_code == 302
    page = browser.get("/history").content.decode()
    assert '<html lang="ar" dir="rtl" data-theme="dark">' in page
    assert "IST" in page
    event = AuditEvent.objects.get(action="user.profile_changed")
    assert json.loads(event.change)["after"] == {
        "language": "ar",
        "time_zone": "Asia/Kolkata",
        "theme": "dark",
    }
    assert "Alice A" in event.detail.body


def test_the_browsers_own_language_goes_before_the_profiles(browser, alice):
    User.objects.filter(pk=alice.pk).update(language="ar")
    browser.post("/language/setlang/", {"language": "en"})
    assert '<html lang="en"' in browser.get("/account").content.decode()
    browser.post("/account", {**PROFILE, "language": "ar"})
    assert '<html lang="ar"' in browser.get("/account").content.decode()


def test_one_persons_time_zone_is_not_the_nexts(browser, alice, bob, client_of, model_version):
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Kolkata")
    submitted(bob)
    browser.get("/history")
    assert " UTC" in client_of(bob).get("/history").content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "xx"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"theme": "neon"},
        {"name": "n" * 151},
    ],
)
def test_a_wrong_preference_changes_nothing(browser, alice, wrong):
    assert browser.post("/account", {**PROFILE, **wrong}).status_code == 400
    alice.refresh_from_db()
    assert (alice.name, alice.language, alice.theme) == ("", "", "")


def test_nobody_gives_themselves_rights(browser, alice):
    more = {"role": "admin", "is_auditor": "on", "is_active": "", "email": "x@example.org"}
    assert browser.post("/account", {**PROFILE, **more}).status_code == 302
    alice.refresh_from_db()
    assert (alice.role, alice.is_auditor, alice.is_active) == ("journalist", False, True)
    assert alice.email == "alice@example.org"


def download(browser: Client) -> zipfile.ZipFile:
    answer = browser.post("/account/data")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def test_ones_own_data_is_all_there_and_nobody_elses(
    alice, bob, key_of, model_version, fake_judgement
):
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    key = key_of(alice)
    Authenticator.objects.create(user=alice, type="totp", data={"secret": "planted-secret"})
    own = submitted(alice, name="harbour.jpg")
    run_detection(str(own.detection_id))
    submitted(bob, jpeg_bytes(seed=9), name="secret-of-bob.jpg")
    with download(browser) as archive:
        data = {
            name.removesuffix(".json"): json.loads(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".json")
        }
        original = archive.read(data["images"][0]["original"])
        everything = b"".join(map(archive.read, archive.namelist()))
    assert [row["email"] for row in data["account"]] == ["alice@example.org"]
    assert data["api_keys"][0]["prefix"] == key[4:12]
    assert key.encode() not in everything
    assert [row["type"] for row in data["second_factors"]] == ["totp"]
    assert [row["ip"] for row in data["sessions"]] == ["127.0.0.1"]
    assert b"planted-secret" not in everything
    assert alice.password.encode() not in everything
    assert [row["file_name"] for row in data["submissions"]] == ["harbour.jpg"]
    (detection,) = data["images"][0]["detections"]
    assert (detection["verdict"], detection["probability"]) == ("likely_manipulated", 0.93)
    assert len(original) == own.image.size_bytes
    assert b"secret-of-bob" not in everything
    assert b"bob@" not in everything
    assert "submission.accepted" in {row["action"] for row in data["events"]}


def test_taking_ones_data_is_recorded_with_each_original(browser, alice, model_version):
    images = [submitted(alice, jpeg_bytes(seed=seed)).image for seed in (1, 2)]
    download(browser)
    looked = AuditEvent.objects.filter(action="image.downloaded")
    assert {row.target_sha256 for row in looked} == {image.sha256 for image in images}
    event = AuditEvent.objects.get(action="user.data_downloaded")
    counted = json.loads(event.change)["after"]
    assert (counted["images"], counted["submissions"]) == (2, 2)


def test_originals_beyond_the_limit_are_named_and_left_out(
    browser, alice, model_version, monkeypatch
):
    images = [submitted(alice, jpeg_bytes(seed=seed)).image for seed in (1, 2)]
    monkeypatch.setattr("detection.own_data.MAX_ORIGINALS_BYTES", images[0].size_bytes)
    with download(browser) as archive:
        rows = json.loads(archive.read("images.json"))
    assert [bool(row["original"]) for row in rows] == [True, False]
    assert Image.objects.count() == len(rows)


def test_nothing_is_handed_out_that_is_not_recorded(browser, alice, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no event")

    monkeypatch.setattr("accounts.audit.record", broken)
    browser.raise_request_exception = False
    assert browser.post("/account/data").status_code == 500


def test_a_page_opened_before_an_erasure_brings_nobody_back(browser, alice, monkeypatch):
    """The administrator comes between the page's reading of the person and its saving."""
    real = ProfileForm.is_valid

    def after_the_administrator(form: ProfileForm) -> bool:
        row = User.objects.get(pk=alice.pk)
        User.objects.filter(pk=alice.pk).update(
            role="moderator", email="erased-1@erased.invalid", is_active=False, password="!"
        )
        assert row.is_active
        return real(form)

    monkeypatch.setattr(ProfileForm, "is_valid", after_the_administrator)
    browser.post("/account", PROFILE)
    alice.refresh_from_db()
    kept = ("moderator", "erased-1@erased.invalid", False, "!")
    assert (alice.role, alice.email, alice.is_active, alice.password) == kept


def test_nobody_changes_the_password_of_a_disabled_account(alice):
    stale = User.objects.get(pk=alice.pk)
    User.objects.filter(pk=alice.pk).update(is_active=False, role="moderator")
    with pytest.raises(PermissionDenied):
        get_adapter().set_password(stale, "a new and long enough one")
    alice.refresh_from_db()
    assert (alice.is_active, alice.role) == (False, "moderator")
    assert alice.check_password(PASSWORD)


def test_the_download_has_a_limit(browser, monkeypatch):
    monkeypatch.setattr("accounts.web.account_pages.DOWNLOADS", Limit(2, per_s=3600))
    assert [browser.post("/account/data").status_code for _ in range(3)] == [200, 200, 302]
    assert "in an hour" in browser.get("/account").content.decode()


def test_what_one_did_to_others_tells_nothing_of_them(dora, client_of):
    people.invite(by=dora, email="nora@example.org", name="Nora")
    with download(client_of(dora)) as archive:
        everything = b"".join(map(archive.read, archive.namelist()))
    assert b"user.created" in everything
    assert b"nora" not in everything.lower()
