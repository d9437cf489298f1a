"""Codes entered at the same moment from many browsers."""

from threading import Lock

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from accounts.models import User
from tests.accounts.factors import app_of, code_now, enter_code, enter_password, is_signed_in
from tests.factories import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 8


def _at_the_door(alice: User) -> list[Client]:
    """Browsers that wait for a code, each at an address of its own."""
    clients = [Client(REMOTE_ADDR=f"198.51.100.{n}") for n in range(TIMES)]
    for client in clients:
        enter_password(client, alice)
    return clients


def test_a_code_works_once_however_many_enter_it_together(alice: User, monkeypatch) -> None:
    app_of(alice)
    clients = _at_the_door(alice)
    waiting, lock = list(clients), Lock()
    code = code_now()
    # It is this code's half minute until the last one has entered it.
    monkeypatch.setattr(totp, "validate_totp_code", lambda secret, typed: typed == code)

    def enter() -> int:
        with lock:
            client = waiting.pop()
        return enter_code(client, code).status_code

    in_parallel(enter, times=TIMES)
    assert [is_signed_in(client) for client in clients].count(True) == 1


def test_guesses_made_together_are_counted_too(alice: User, monkeypatch) -> None:
    app_of(alice)
    waiting, lock, looked_at = _at_the_door(alice), Lock(), []

    def look(secret: str, code: str) -> bool:
        looked_at.append(code)
        return False

    monkeypatch.setattr(totp, "validate_totp_code", look)

    def guess() -> int:
        with lock:
            client = waiting.pop()
        return enter_code(client, f"{len(waiting):06}").status_code

    in_parallel(guess, times=TIMES)
    assert 1 <= len(looked_at) <= 5
