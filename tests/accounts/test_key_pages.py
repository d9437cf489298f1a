"""API keys on pages: shown once, used within their terms, rotated and ended."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.keys import ROTATION_PERIOD, issue_key, revoke_key, rotate_key
from accounts.models import ApiKey, AuditEvent, User
from tests.accounts.factors import confirm
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
PLAINTEXT = re.compile(r"umk_\w{8}_\w{40}_[0-9a-f]{8}")
TERMS = {"name": "wire desk", "scopes": ["detections:read"], "days": "30", "networks": ""}


@pytest.fixture
def browser(alice: User, client_of: Callable[[User], Client]) -> Client:
    """Signed in, and confirmed a moment ago."""
    client = client_of(alice)
    confirm(client)
    return client


@pytest.fixture
def key(alice: User) -> ApiKey:
    return issue_key(by=alice, owner=alice, name="old", scopes=["detections:read"])[0]


def test_a_new_key_is_shown_once_and_works(browser, alice):
    answer = browser.post("/keys", TERMS)
    assert (answer.status_code, "no-store" in answer.headers["Cache-Control"]) == (201, True)
    (plaintext,) = PLAINTEXT.findall(answer.content.decode())
    assert not PLAINTEXT.search(browser.get("/keys").content.decode())
    bearer = {"Authorization": f"Bearer {plaintext}"}
    assert Client().get("/api/v1/detections", headers=bearer).status_code == 200
    assert Client().post("/api/v1/detections", headers=bearer).status_code == 403
    key = alice.api_keys.get()
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)
    event = AuditEvent.objects.get(action="api_key.created")
    assert (event.actor_id, json.loads(event.change)["after"]["prefix"]) == (alice.pk, key.prefix)
    assert plaintext not in event.change


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "n" * 101},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"days": "36500"},
        {"networks": "office"},
        {"networks": "192.0.2.1 192.0.2.0/33"},
        {"networks": "1" * 1001},
    ],
)
def test_terms_that_make_no_key_say_why(browser, alice, changed):
    answer = browser.post("/keys", TERMS | changed)
    assert (answer.status_code, b"errorlist" in answer.content) == (400, True)
    assert not alice.api_keys.exists()


def test_networks_come_apart_at_spaces_and_commas(browser, alice):
    browser.post("/keys", TERMS | {"networks": "192.0.2.0/24, 2001:db8::/32 198.51.100.7"})
    assert alice.api_keys.get().networks == ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]


def test_a_key_without_an_end_says_so(browser, alice):
    browser.post("/keys", TERMS | {"days": ""})
    assert alice.api_keys.get().expires_at is None
    assert b"Does not end" in browser.get("/keys").content


def test_a_revoked_key_is_refused_from_then_on(browser, alice, key):
    answer = browser.post(f"/keys/{key.pk}/revoke", follow=True)
    assert "is revoked" in answer.content.decode()
    assert not ApiKey.objects.usable().filter(pk=key.pk).exists()
    browser.post(f"/keys/{key.pk}/revoke")  # from a second tab
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


def test_a_rotated_key_goes_on_for_a_day(browser, alice, key):
    answer = browser.post(f"/keys/{key.pk}/rotate")
    (plaintext,) = PLAINTEXT.findall(answer.content.decode())
    new = ApiKey.objects.authenticate(plaintext)
    assert (new.name, new.scopes, new.expires_at) == (key.name, key.scopes, None)
    key.refresh_from_db()
    assert timedelta(0) < key.expires_at - timezone.now() <= ROTATION_PERIOD
    event = AuditEvent.objects.get(action="api_key.rotated")
    change = json.loads(event.change)
    assert (change["before"]["prefix"], change["after"]["prefix"]) == (key.prefix, new.prefix)


def test_a_rotation_neither_shortens_nor_lengthens_the_terms(alice):
    soon = timezone.now() + timedelta(hours=1)
    key, _ = issue_key(by=alice, owner=alice, name="k", scopes=["detections:read"], expires_at=soon)
    new, _ = rotate_key(by=alice, key=key)
    key.refresh_from_db()
    assert key.expires_at == soon
    assert abs(new.expires_at - soon) < timedelta(minutes=1)


def test_what_has_ended_is_not_brought_back(browser, alice, key):
    revoke_key(by=alice, key=key)
    answer = browser.post(f"/keys/{key.pk}/rotate", follow=True)
    assert "has ended" in answer.content.decode()
    assert alice.api_keys.count() == 1


def test_a_key_is_made_after_a_confirmation_which_goes_on_where_it_was(alice, client_of):
    client = client_of(alice)
    where = client.post("/keys", TERMS).headers["Location"]
    assert where == "/accounts/reauthenticate/?next=%2Fkeys"
    assert not alice.api_keys.exists()
    answer = client.post(where, {"password": PASSWORD, "next": "/keys"})
    (plaintext,) = PLAINTEXT.findall(answer.content.decode())
    assert ApiKey.objects.authenticate(plaintext).name == TERMS["name"]


def test_a_key_is_rotated_after_a_confirmation_and_revoked_without_one(alice, client_of, key):
    client = client_of(alice)
    path = f"/keys/{key.pk}/rotate"
    where = client.post(path).headers["Location"]
    assert where.startswith("/accounts/reauthenticate/")
    assert alice.api_keys.count() == 1
    answer = client.post(where, {"password": PASSWORD, "next": path})
    assert PLAINTEXT.search(answer.content.decode())
    assert client_of(alice).post(f"/keys/{key.pk}/revoke").headers["Location"] == "/keys"


def test_a_wrong_password_confirms_nothing(alice, client_of):
    client = client_of(alice)
    client.post("/accounts/reauthenticate/", {"password": "wrong"})
    assert "/reauthenticate/" in client.post("/keys", TERMS).headers["Location"]


def test_others_keys_do_not_exist(dora, key, client_of):
    client = client_of(dora)
    for way in ("revoke", "rotate"):
        assert client.post(f"/keys/{key.pk}/{way}").status_code == 404
    assert "old" not in client_of(dora).get("/keys").content.decode()


def test_a_hostile_name_is_text(browser):
    browser.post("/keys", TERMS | {"name": "<script>alert(1)</script>"})
    html = browser.get("/keys").content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_many_keys_come_in_pages_newest_first(browser, alice):
    for at in range(53):
        issue_key(by=alice, owner=alice, name=f"key-{at:02}", scopes=["detections:read"])
    first, second = (browser.get(f"/keys?page={n}").content.decode() for n in (1, 2))
    assert ("key-52" in first, "key-02" in first, "key-02" in second) == (True, False, True)
    assert "Page 2 of 2" in second
