"""Sign-in limits count by the client's address, also behind our own proxies."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def _signs_in(email: str, password: str, client_address: str) -> bool:
    """Whether a client behind our proxy gets in."""
    response = Client().post(
        reverse("account_login"),
        {"login": email, "password": password},
        REMOTE_ADDR="10.0.0.1",
        headers={"X-Forwarded-For": client_address},
    )
    return response.status_code == 302


def _guess_passwords(client_address: str) -> None:
    for n in range(30):
        _signs_in(f"nobody-{n}@example.org", "wrong", client_address)


def test_one_clients_guesses_behind_a_proxy_lock_no_other_client_out(settings, alice: User) -> None:
    settings.TRUSTED_PROXIES = 1
    _guess_passwords("203.0.113.9")
    assert not _signs_in(alice.email, PASSWORD, "203.0.113.9")
    assert _signs_in(alice.email, PASSWORD, "198.51.100.1")


def test_without_a_proxy_a_claimed_address_is_no_way_around_the_limit(
    settings, alice: User
) -> None:
    settings.TRUSTED_PROXIES = 0
    _guess_passwords("203.0.113.9")
    assert not _signs_in(alice.email, PASSWORD, "198.51.100.1")
