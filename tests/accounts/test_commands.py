"""Commands for operators who have no pages yet: the first administrator, keys, password links."""

import io
import re

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import ApiKey, AuditEvent, User


def _call(*arguments: object, **options: object) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


# --- create_first_admin


def test_the_first_administrator_gets_a_password_shown_once(db, settings):
    settings.UNMASK_ADMIN_EMAIL = settings.UNMASK_ADMIN_PASSWORD = ""
    output = _call("create_first_admin")
    password = re.search(r"password (\S+)", output)[1]
    admin = User.objects.get()
    assert admin.role == User.Role.ADMIN
    assert authenticate(None, email=admin.email, password=password) == admin


def test_the_first_administrator_comes_from_the_environment(db, settings):
    settings.UNMASK_ADMIN_EMAIL = "Boss@Example.org"
    settings.UNMASK_ADMIN_PASSWORD = "given in the environment"
    output = _call("create_first_admin")
    assert "given in the environment" not in output
    assert authenticate(None, email="boss@example.org", password="given in the environment")


def test_a_second_start_creates_nobody(db, settings):
    settings.UNMASK_ADMIN_PASSWORD = "given in the environment"
    _call("create_first_admin")
    assert _call("create_first_admin") == ""
    assert User.objects.count() == 1


def test_a_bad_address_of_the_first_administrator_names_the_variable(db, settings):
    settings.UNMASK_ADMIN_EMAIL = "nonsense"
    with pytest.raises(CommandError, match="UNMASK_ADMIN_EMAIL"):
        _call("create_first_admin")
    assert not User.objects.exists()


def test_an_address_that_a_person_already_has_names_the_variable(alice, settings):
    settings.UNMASK_ADMIN_EMAIL = alice.email
    with pytest.raises(CommandError, match="UNMASK_ADMIN_EMAIL"):
        _call("create_first_admin")


def test_the_first_administrator_is_audited(db):
    _call("create_first_admin")
    event = AuditEvent.objects.get()
    assert event.action == "user.created"
    assert "@" not in event.change


# --- create_api_key


def test_it_prints_a_key_that_works(alice):
    plaintext = _call("create_api_key", alice.email, "pipeline").strip()
    assert ApiKey.objects.authenticate(plaintext).owner == alice


def test_a_key_gets_what_was_asked_for(alice):
    arguments = ["--scope", "detections:read", "--days", "7", "--network", "10.0.0.0/8"]
    _call("create_api_key", alice.email, "pipeline", *arguments)
    key = ApiKey.objects.get()
    assert key.scopes == ["detections:read"]
    assert key.networks == ["10.0.0.0/8"]
    assert (key.expires_at - key.created_at).days in {6, 7}


def test_a_bad_network_is_named(alice):
    with pytest.raises(CommandError, match="not a network"):
        _call("create_api_key", alice.email, "pipeline", "--network", "not a network")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1"])
def test_a_lifetime_that_is_over_is_refused(alice, days):
    with pytest.raises(CommandError, match="days"):
        _call("create_api_key", alice.email, "pipeline", "--days", days)
    assert not ApiKey.objects.exists()


def test_a_key_for_nobody_is_refused(db):
    with pytest.raises(CommandError, match=r"nobody@example\.org"):
        _call("create_api_key", "nobody@example.org", "pipeline")


def test_a_keys_creation_is_audited_without_the_key(alice):
    plaintext = _call("create_api_key", alice.email, "pipeline").strip()
    event = AuditEvent.objects.get()
    assert event.action == "api_key.created"
    assert plaintext.split("_")[2] not in str(AuditEvent.objects.values().get())


# --- password_link


def test_the_link_sets_a_password_once(alice):
    link = _call("password_link", alice.email).strip()
    new = "chosen through the link"
    browser = Client()
    page = browser.get(link[link.index("/", 8) :], follow=True)
    form = page.redirect_chain[-1][0]
    browser.post(form, {"password1": new, "password2": new})
    assert authenticate(None, email=alice.email, password=new) == alice
    again = Client().get(link[link.index("/", 8) :], follow=True)
    assert again.context.get("token_fail")


def test_the_link_begins_with_the_public_address(alice, settings):
    settings.UNMASK_ORIGIN = "https://unmask.example.org"
    assert _call("password_link", alice.email).startswith("https://unmask.example.org/accounts/")


def test_a_link_for_nobody_is_refused(alice):
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match=r"alice@example\.org"):
        _call("password_link", alice.email)


def test_making_a_link_is_audited(alice):
    _call("password_link", alice.email)
    assert AuditEvent.objects.get().action == "user.password_link_made"


def test_a_password_link_leads_to_where_the_desk_runs(alice, data_dir, settings):
    settings.IS_ORIGIN_STATED = False
    (data_dir / "lock").write_text("http://127.0.0.1:8123, process 1\n")
    assert _call("password_link", alice.email).startswith("http://127.0.0.1:8123/accounts/")
