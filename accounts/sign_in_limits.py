"""How many passwords may be guessed, and how many reset mails asked for."""

import unicodedata

from django.http import HttpRequest

from accounts.client_address import client_network
from accounts.models import User
from deepfake_site.rate_limits import Limit, forget, give_back, take

# An address may be a whole newsroom behind one router: only its failures count.
GUESSES_AT_ACCOUNT = Limit(10, per_s=15 * 60)
GUESSES_FROM_ADDRESS = Limit(30, per_s=15 * 60)
RESETS_OF_ACCOUNT = Limit(5, per_s=15 * 60)
RESETS_FROM_ADDRESS = Limit(20, per_s=15 * 60)


def may_guess(request: HttpRequest, typed: str) -> bool:
    """Count one password before it is looked at; whether the account exists plays no part."""
    is_allowed = take("guess_address", client_network(request), GUESSES_FROM_ADDRESS).is_allowed
    return is_allowed and take("guess_account", _same(typed), GUESSES_AT_ACCOUNT).is_allowed


def guessed_right(request: HttpRequest, typed: str) -> None:
    """It was the owner: her account starts anew, and her address has one failure less."""
    forget("guess_account", _same(typed))
    give_back("guess_address", client_network(request), GUESSES_FROM_ADDRESS)


def unlock(user: User) -> None:
    """A new password ends what was counted against the old one."""
    forget("guess_account", _same(user.email))


def may_ask_for_reset(request: HttpRequest, typed: str) -> bool:
    """Count one mail before it is sent, or not sent for want of an account."""
    is_allowed = take("reset_address", client_network(request), RESETS_FROM_ADDRESS).is_allowed
    return is_allowed and take("reset_account", _same(typed), RESETS_OF_ACCOUNT).is_allowed


def _same(typed: str) -> str:
    """One text for all the ways to type an e-mail address that a database takes for equal."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()
