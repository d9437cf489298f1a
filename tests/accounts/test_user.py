"""People sign in by e-mail; a role says what they may do."""

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.conftest import PASSWORD


def test_an_address_is_stored_in_lower_case(db):
    assert User.objects.create_user(" Alice@Example.ORG ").email == "alice@example.org"


def test_an_address_belongs_to_one_person_whatever_its_case(alice):
    with pytest.raises(ValidationError, match="already"):
        User.objects.create_user("ALICE@example.org")


def test_the_database_itself_refuses_the_same_address_in_capitals(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email="ALICE@EXAMPLE.ORG")])


@pytest.mark.parametrize("email", ["", "alice", "alice@", "a b@example.org"])
def test_a_bad_address_is_refused(db, email):
    with pytest.raises(ValidationError):
        User.objects.create_user(email)


def test_the_password_is_not_stored_in_clear(alice):
    assert PASSWORD not in User.objects.values().get().values()


@pytest.mark.parametrize("email", ["alice@example.org", "Alice@Example.org"])
def test_one_signs_in_by_e_mail_whatever_its_case(alice, rf, email):
    assert authenticate(rf.get("/"), email=email, password=PASSWORD) == alice


def test_a_wrong_password_is_nobody(alice, rf):
    assert authenticate(rf.get("/"), email="alice@example.org", password="wrong") is None


def test_a_deactivated_person_cannot_sign_in(alice, rf):
    User.objects.update(is_active=False)
    assert authenticate(rf.get("/"), email="alice@example.org", password=PASSWORD) is None


def test_a_person_starts_as_a_journalist(alice):
    assert alice.role == User.Role.JOURNALIST
    assert not alice.is_reviewer
    assert not alice.is_staff


def test_moderators_and_administrators_review(carol, dora):
    assert carol.is_reviewer
    assert dora.is_reviewer


def test_only_an_active_administrator_opens_the_admin_site(carol, dora):
    assert not carol.is_staff
    assert dora.is_staff
    dora.is_active = False
    assert not dora.is_staff
    assert not dora.has_perm("accounts.view_user")


def test_a_superuser_is_an_administrator(db):
    assert User.objects.create_superuser("root@example.org", PASSWORD).role == User.Role.ADMIN


def _sign_in(client: Client, **fields: str) -> object:
    form = {"login": "alice@example.org", "password": PASSWORD} | fields
    return client.post(reverse("account_login"), form)


def test_the_sign_in_page_leads_to_the_verify_page(alice, client):
    response = _sign_in(client)
    assert response.status_code == 302
    assert response.url == reverse("verify")
    assert client.get(reverse("verify")).status_code == 200


def test_the_sign_in_page_says_that_it_was_wrong(alice, client):
    response = _sign_in(client, password="wrong")
    assert response.status_code == 200
    assert "not correct" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_an_unknown_person_reads_the_same_as_a_wrong_password(alice, client):
    known = _sign_in(client, password="wrong")
    unknown = _sign_in(client, login="nobody@example.org", password="wrong")
    errors = [list(page.context["form"].non_field_errors()) for page in (known, unknown)]
    assert errors[0]
    assert errors[0] == errors[1]


def test_the_session_changes_at_sign_in(alice, client):
    client.get(reverse("account_login"))
    client.session["before"] = 1
    client.session.save()
    before = client.session.session_key
    _sign_in(client)
    assert client.session.session_key != before


def test_signing_out_ends_the_session_on_the_server(alice, client):
    _sign_in(client)
    cookie = client.cookies["unmask_session"].value
    client.post(reverse("account_logout"))
    client.cookies["unmask_session"] = cookie
    assert client.get(reverse("verify")).status_code == 302


def test_a_deactivated_persons_session_ends(alice, client_of):
    browser = client_of(alice)
    User.objects.update(is_active=False)
    assert browser.get(reverse("verify")).status_code == 302


def test_sign_up_is_closed(client, db):
    form = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    assert not User.objects.exists()


def test_sign_up_can_be_opened(client, db, settings):
    settings.UNMASK_SIGNUP = True
    form = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    assert User.objects.get().role == User.Role.JOURNALIST


def test_nobody_chooses_a_role_at_sign_up(client, db, settings):
    settings.UNMASK_SIGNUP = True
    form = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form | {"role": "admin", "is_staff": "1"})
    assert User.objects.get().role == User.Role.JOURNALIST


@pytest.mark.parametrize("password", ["short", "password1234", "alice@example.org"])
def test_a_weak_password_is_refused(alice, client_of, password):
    browser = client_of(alice)
    form = {"oldpassword": PASSWORD, "password1": password, "password2": password}
    response = browser.post(reverse("account_change_password"), form)
    assert response.status_code == 200
    assert authenticate(None, email=alice.email, password=PASSWORD) == alice


def test_a_password_can_be_changed(alice, client_of):
    new = "another long password"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client_of(alice).post(reverse("account_change_password"), form).status_code == 302
    assert authenticate(None, email=alice.email, password=new) == alice
