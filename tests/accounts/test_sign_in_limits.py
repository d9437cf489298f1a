"""Guesses are counted once for all threads, by account and by address, known or unknown."""

import itertools
import re
from typing import Any

import pytest
from django.core import mail
from django.http import HttpResponse
from django.test import Client

from accounts import authentication, sign_in_limits
from accounts.models import User
from tests.conftest import PASSWORD
from tests.factories import in_parallel

pytestmark = pytest.mark.django_db
NEW = "another long enough phrase"


def _try(email: str, password: str, *, address: str = "10.0.0.1", forged: str = "") -> HttpResponse:
    headers = {"X-Forwarded-For": forged} if forged else {}
    form = {"login": email, "password": password}
    return Client().post("/accounts/login/", form, headers=headers, REMOTE_ADDR=address)


def _signs_in(email: str, **more: str) -> bool:
    return _try(email, PASSWORD, **more).status_code == 302


def _errors(response: Any) -> list[str]:
    return list(response.context["form"].non_field_errors())


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords of existing accounts that were looked at."""
    seen: list[str] = []
    real = User.check_password

    def check(self: User, raw: str) -> bool:
        seen.append(raw)
        return real(self, raw)

    monkeypatch.setattr(User, "check_password", check)
    return seen


@pytest.mark.django_db(transaction=True)
def test_of_200_guesses_by_16_threads_from_forged_addresses_10_are_looked_at(alice, hashed):
    numbers = itertools.count()

    def guesses() -> None:
        for _ in range(13):
            n = next(numbers)
            _try(alice.email, f"guess {n}", forged=f"203.0.113.{n % 50}")

    in_parallel(guesses, times=16)
    assert next(numbers) == 208
    assert 0 < len(hashed) <= 10


@pytest.mark.django_db(transaction=True)
def test_neither_do_many_addresses_of_their_own_give_more_guesses(alice, hashed):
    numbers = itertools.count(1)

    def guesses() -> None:
        for _ in range(4):
            n = next(numbers)
            _try(alice.email.upper(), f"guess {n}", address=f"10.1.0.{n}")

    in_parallel(guesses, times=16)
    assert len(hashed) == 10


def test_200_accounts_cannot_be_tried_from_one_address(alice, hashed):
    for n in range(200):
        sign_in = _try(f"nobody-{n}@example.org", "wrong")
        if "Too many" in str(_errors(sign_in)):
            break
    assert n == sign_in_limits.GUESSES_FROM_ADDRESS.amount
    assert not _signs_in(alice.email)
    assert hashed == []
    assert _signs_in(alice.email, address="10.0.0.2")


def test_a_network_of_ipv6_is_one_address(alice):
    for n in range(sign_in_limits.GUESSES_FROM_ADDRESS.amount):
        _try(f"nobody-{n}@example.org", "wrong", address=f"2001:db8::{n:x}")
    assert not _signs_in(alice.email, address="2001:db8::ffff")
    assert _signs_in(alice.email, address="2001:db8:0:1::1")


def test_known_and_unknown_accounts_read_the_same(alice):
    told = {}
    for n, email in enumerate((alice.email, "nobody@example.org")):
        answers = [_try(email, "wrong", address=f"10.0.0.{n}") for _ in range(12)]
        told[email] = [(answer.status_code, _errors(answer)) for answer in answers]
    known, unknown = told.values()
    assert known == unknown
    assert known[9] != known[10] == known[11]


@pytest.mark.parametrize("other", ["ALICE@Example.org", " alice@example.org "])
def test_another_way_to_type_an_address_has_no_guesses_of_its_own(alice, other):
    for _ in range(10):
        _try(alice.email, "wrong")
    assert "Too many" in str(_errors(_try(other, PASSWORD, address="10.0.0.2")))


def test_a_successful_sign_in_starts_the_account_anew(alice, hashed):
    for _ in range(3):
        for _ in range(9):
            _try(alice.email, "wrong", address="10.0.0.3")
        assert _signs_in(alice.email, address="10.0.0.3")
    assert len(hashed) == 30


def test_people_behind_one_address_who_get_in_do_not_use_it_up(alice):
    for _ in range(sign_in_limits.GUESSES_FROM_ADDRESS.amount + 5):
        assert _signs_in(alice.email)


def test_somebody_elses_guesses_lock_the_owner_out_and_a_reset_lets_her_in(alice, settings):
    settings.HAS_MAIL = True
    for _ in range(11):
        _try(alice.email, "wrong", address="203.0.113.9")
    assert not _signs_in(alice.email)
    browser = Client(REMOTE_ADDR="10.0.0.1")
    browser.post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"https?://[^/]+(/\S+)", mail.outbox[-1].body)
    assert link
    form = browser.get(link[1], follow=True)
    browser.post(form.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert _try(alice.email, NEW).status_code == 302


def test_the_current_password_is_not_to_be_guessed_in_a_session_either(alice, client_of, hashed):
    browser = client_of(alice)
    for n in range(20):
        browser.post("/accounts/reauthenticate/", {"password": f"guess {n}"})
    assert 0 < len(hashed) <= 10


def test_nor_where_it_is_changed(alice, client_of, hashed):
    browser = client_of(alice)
    for n in range(15):
        form = {"oldpassword": f"guess {n}", "password1": NEW, "password2": NEW}
        answer = browser.post("/accounts/password/change/", form)
    assert len(hashed) == 10
    assert "Too many" in str(answer.context["form"].errors["oldpassword"])
    assert not _signs_in(alice.email)


def _ask(email: str, **more: str) -> list[str]:
    answer = Client().post("/accounts/password/reset/", {"email": email}, **more)
    return [] if answer.status_code == 302 else answer.context["form"].errors["email"]


def test_resets_of_one_account_are_limited_whoever_asks(alice):
    told = [_ask(alice.email, REMOTE_ADDR=f"10.0.0.{n}") for n in range(8)]
    assert [bool(errors) for errors in told] == [False] * 5 + [True] * 3
    assert len([m for m in mail.outbox if m.to == [alice.email]]) == 5


def test_resets_from_one_address_are_limited_whoever_is_meant(alice):
    for n in range(sign_in_limits.RESETS_FROM_ADDRESS.amount):
        assert not _ask(f"nobody-{n}@example.org", headers={"X-Forwarded-For": f"203.0.113.{n}"})
    assert _ask(alice.email)
    assert not any(message.to == [alice.email] for message in mail.outbox)


def test_bad_keys_from_one_address_are_refused_and_a_good_one_goes_on(alice, key_of):
    good = {"Authorization": f"Bearer {key_of(alice)}"}
    bad = {"Authorization": "Bearer umk_wrong"}
    amount = authentication.BAD_KEYS_FROM_ADDRESS.amount
    codes = [
        Client().get("/api/v1/detections", headers=bad | {"X-Forwarded-For": f"203.0.113.{n}"})
        for n in range(amount + 5)
    ]
    assert [answer.status_code for answer in codes] == [401] * amount + [429] * 5
    assert 0 < int(codes[-1]["Retry-After"]) <= 60
    assert codes[-1]["Content-Type"] == "application/problem+json"
    assert codes[-1].json()["code"] == "throttled"
    assert Client().get("/api/v1/detections", headers=good).status_code == 200
