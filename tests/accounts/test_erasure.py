"""An erased person leaves a number; what they did stays what it was."""

import json

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from accounts import audit, people
from accounts.audit_key import mac_key
from accounts.erasure import erase_person
from accounts.keys import issue_key
from accounts.models import ApiKey, AuditDetail, AuditEvent, User
from accounts.people import LockoutError
from accounts.verification import verify
from tests.conftest import PASSWORD
from tests.detection.test_erasure import everything
from tests.factories import submitted

pytestmark = pytest.mark.django_db
MARKS = (b"alice", b"Alice Reporter", b"192.0.2", "Ålice".encode(), b"pipeline of mine")


@pytest.fixture
def known(alice, dora, model_version) -> User:
    """Somebody who signed in, failed to, made a key, submitted, and was looked up by others."""
    User.objects.filter(pk=alice.pk).update(name="Alice Reporter")
    alice.refresh_from_db()
    browser = Client(REMOTE_ADDR="192.0.2.9")
    sign_in = "/accounts/login/"
    browser.post(sign_in, {"login": alice.email, "password": "wrong"})
    assert browser.post(sign_in, {"login": alice.email, "password": PASSWORD}).status_code == 302
    _key, plaintext = issue_key(
        by=alice,
        owner=alice,
        name="pipeline of mine",
        scopes=["detections:read"],
        networks=["192.0.2.0/24"],
    )
    key = Client(REMOTE_ADDR="192.0.2.9", headers={"Authorization": f"Bearer {plaintext}"})
    assert key.get("/api/v1/detections").status_code == 200
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    about = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=dora,
        content_type=about,
        object_id=str(alice.pk),
        object_repr=str(alice),
        action_flag=2,
    )
    admin = Client(REMOTE_ADDR="198.51.100.1")
    admin.force_login(dora)
    assert b"".join(admin.post("/audit/export", {"person": alice.email}).streaming_content)
    submitted(alice, name="ours.jpg")
    return alice


def test_no_name_no_address_no_network_is_left(known, dora, data_dir):
    heap = everything(data_dir)
    assert [mark for mark in MARKS if mark not in heap] == ["Ålice".encode()]
    assert erase_person(by=dora, person=known, reason="she asked")
    cache.clear()  # limits by address count for minutes, and forget by themselves
    heap = everything(data_dir)
    assert [mark for mark in MARKS if mark in heap] == []


def test_a_name_that_is_not_ascii_goes_too(alice, dora):
    User.objects.filter(pk=alice.pk).update(name="Ålice Ek")
    with transaction.atomic():
        audit.record("user.changed", actor=dora, target=dora, detail={"told": "by Ålice Ek, today"})
    alice.refresh_from_db()
    erase_person(by=dora, person=alice, reason="x")
    assert not AuditDetail.objects.filter(body__contains="lice").exists()


def test_a_former_address_goes_too(alice, dora):
    rights = people.Rights.of(alice)
    people.change_rights(by=dora, person=alice, name="", rights=rights, email="al@example.org")
    Client().post("/accounts/login/", {"login": "alice@example.org", "password": "wrong"})
    alice.refresh_from_db()
    erase_person(by=dora, person=alice, reason="x")
    left = "".join(AuditDetail.objects.values_list("body", flat=True))
    assert "alice@example.org" not in left
    assert "al@example.org" not in left


@pytest.mark.parametrize("name", ["e", "address", "Ann", "%", "_"])
def test_a_short_name_takes_nobody_elses_texts_along(name, alice, bob, dora):
    User.objects.filter(pk=alice.pk).update(name=name)
    with transaction.atomic():
        for about in ({"address": "192.0.2.7"}, {"file_name": "Annual report.jpg"}):
            audit.record("user.changed", actor=dora, target=bob, detail=about)
        audit.record("user.changed", actor=dora, target=bob, detail={"old_name": name})
    alice.refresh_from_db()
    erase_person(by=dora, person=alice, reason="x")
    left = "".join(AuditDetail.objects.values_list("body", flat=True))
    assert "192.0.2.7" in left
    assert "Annual report" in left
    assert "old_name" not in left


def test_the_record_stays_by_number_and_verifies(known, dora):
    events = list(AuditEvent.objects.filter(actor_id=known.pk).values_list("hash", flat=True))
    erase_person(by=dora, person=known, reason="she asked")
    left = AuditEvent.objects.filter(actor_id=known.pk).values_list("hash", flat=True)
    assert list(left) == events
    assert verify(None, None, mac_key()).findings == []
    event = AuditEvent.objects.get(action="user.erased")
    assert (event.actor_id, event.target_id) == (dora.pk, str(known.pk))
    assert json.loads(event.detail.body)["reason"] == "she asked"


def test_nobody_gets_in_any_more(known, dora):
    browser = Client()
    browser.force_login(known)
    erase_person(by=dora, person=known, reason="x")
    assert browser.get("/history").status_code == 302
    assert not Session.objects.filter(session_key=browser.session.session_key).exists()
    assert not ApiKey.objects.usable().filter(owner=known).exists()
    known.refresh_from_db()
    assert (known.is_active, known.has_usable_password()) == (False, False)
    assert known.email == f"erased-{known.pk}@erased.invalid"
    assert not EmailAddress.objects.filter(user=known).exists()


def test_others_lose_nothing(known, bob, dora):
    other = Client()
    other.force_login(bob)
    erase_person(by=dora, person=known, reason="x")
    bob.refresh_from_db()
    assert bob.email == "bob@example.org"
    assert other.get("/history").status_code == 200


def test_erasing_twice_is_one_event(alice, dora):
    assert erase_person(by=dora, person=alice, reason="x")
    assert not erase_person(by=dora, person=alice, reason="x")
    assert AuditEvent.objects.filter(action="user.erased").count() == 1


def test_nobody_erases_themselves(dora):
    User.objects.create_superuser("erin@example.org")
    with pytest.raises(LockoutError, match="another administrator"):
        erase_person(by=dora, person=dora, reason="x")
    dora.refresh_from_db()
    assert dora.is_active


def test_the_last_administrator_stays(dora):
    with pytest.raises(LockoutError, match="last administrator"):
        erase_person(by=None, person=dora, reason="x")


def test_the_command(alice, dora):
    call_command("erase_person", alice.email, reason="she asked")
    assert AuditEvent.objects.get(action="user.erased").actor_id is None
    with pytest.raises(CommandError, match="Nobody has"):
        call_command("erase_person", "alice@example.org", reason="x")
    with pytest.raises(CommandError, match="last administrator"):
        call_command("erase_person", dora.email, reason="x")
