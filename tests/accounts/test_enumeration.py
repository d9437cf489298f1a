"""Nobody learns from our pages who has an account."""

import re

import pytest
from django.conf import settings as current
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from tests.accounts.factors import app_of
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
CHANGING = re.compile(rb'value="[\w@.-]*"')
NOBODY = "nobody@example.org"


def _post(path: str, form: dict[str, str]) -> HttpResponse:
    client = Client()
    client.get(path)
    return client.post(path, form)


def _same(known: HttpResponse, unknown: HttpResponse) -> None:
    """Apart from what was typed and the form's own token."""
    assert known.status_code == unknown.status_code
    assert known.headers.get("Location") == unknown.headers.get("Location")
    assert CHANGING.sub(b"", known.content) == CHANGING.sub(b"", unknown.content)


@pytest.mark.parametrize("has_factor", [True, False])
def test_a_wrong_password_reads_the_same_for_nobody(alice: User, has_factor: bool) -> None:
    if has_factor:
        app_of(alice)
    answers = [
        _post("/accounts/login/", {"login": email, "password": "wrong"})
        for email in (alice.email, NOBODY)
    ]
    assert b"not correct" in answers[0].content
    _same(*answers)


def test_an_inactive_account_is_named_to_its_owner_alone(alice: User) -> None:
    User.objects.update(is_active=False)
    _same(
        *[_post("/accounts/login/", {"login": e, "password": "no"}) for e in (alice.email, NOBODY)]
    )


def test_a_reset_reads_the_same_for_nobody(alice: User, settings) -> None:
    settings.HAS_MAIL = True
    answers = [_post("/accounts/password/reset/", {"email": e}) for e in (alice.email, NOBODY)]
    assert answers[0].status_code == 302
    _same(*answers)


def test_a_sign_up_reads_the_same_for_somebody_who_is_here(
    alice: User, settings, mailoutbox
) -> None:
    settings.UNMASK_SIGNUP = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    new = "a phrase that nobody else has"
    answers = [
        _post("/accounts/signup/", {"email": email, "password1": new, "password2": new})
        for email in (alice.email, NOBODY)
    ]
    assert answers[0].status_code == 302
    _same(*answers)
    assert len(mailoutbox) == 2
    assert User.objects.get(email=alice.email).check_password(PASSWORD)


def test_a_lock_reads_the_same_for_nobody(alice: User) -> None:
    def tries(email: str) -> HttpResponse:
        answers = []
        for n in range(11):
            client = Client(REMOTE_ADDR=f"192.0.2.{n}")
            answers.append(client.post("/accounts/login/", {"login": email, "password": "wrong"}))
        return answers[-1]

    known, unknown = tries(alice.email), tries(NOBODY)
    assert b"Too many" in known.content
    _same(known, unknown)


def test_cookies_are_kept_from_scripts_and_other_sites(alice: User) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    cookie = client.cookies[current.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["expires"]) == (True, "Lax", "")
