"""Who came, who went, who was turned away: in the trail, with the address apart."""

import json

import pytest
from django.test import Client

from accounts.adapter import AccountAdapter
from accounts.models import AuditEvent, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def _try(client: Client, email: str, password: str) -> int:
    return client.post("/accounts/login/", {"login": email, "password": password}).status_code


def _actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_coming_and_going_are_events(alice: User):
    client = Client(REMOTE_ADDR="192.0.2.7")
    assert _try(client, "ALICE@example.org", PASSWORD) == 302
    client.post("/accounts/logout/")
    assert _actions() == ["user.signed_in", "user.signed_out"]
    event = AuditEvent.objects.first()
    assert (event.actor_id, event.target_id) == (alice.pk, str(alice.pk))
    assert "192.0.2.7" not in event.change
    assert json.loads(event.detail.body) == {"address": "192.0.2.7"}


def test_a_failure_names_the_account_but_nobody_as_its_author(alice: User):
    _try(Client(), alice.email, "wrong")
    event = AuditEvent.objects.get(action="user.sign_in_failed")
    assert (event.actor_id, event.target_type, event.target_id) == (None, "user", str(alice.pk))
    assert json.loads(event.detail.body)["typed"] == alice.email


def test_a_failure_for_nobody_keeps_what_was_typed_apart(db):
    _try(Client(), "nobody@example.org", "wrong")
    event = AuditEvent.objects.get(action="user.sign_in_failed")
    assert (event.target_type, event.chain) == ("auditchain", 0)
    assert "nobody" not in "".join((event.change, event.target_id))
    assert json.loads(event.detail.body)["typed"] == "nobody@example.org"


def test_no_password_is_kept(alice: User):
    secret = "hunter2-hunter2"
    _try(Client(), alice.email, secret)
    event = AuditEvent.objects.get()
    assert secret not in event.change + event.detail.body


def test_a_changed_password_is_an_event(alice: User):
    client = Client()
    client.force_login(alice)
    new = "another long enough phrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", form).status_code == 302
    assert "user.password_changed" in _actions()
    assert User.objects.get(pk=alice.pk).check_password(new)


def test_a_password_is_not_changed_without_its_event(alice: User, monkeypatch):
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("accounts.adapter.audit.record", full)
    with pytest.raises(OSError, match="No space"):
        AccountAdapter().set_password(alice, "another long enough phrase")
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
