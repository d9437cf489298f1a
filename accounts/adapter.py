"""What this installation decides about sign-up, passwords, guesses and sessions."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import audit, sessions, sign_in_limits
from accounts.client_address import client_address
from accounts.models import User

# What nobody has.
NO_ADDRESS = str(ipaddress.IPv4Address(0))


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed unless UNMASK_SIGNUP opens it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.UNMASK_SIGNUP

    def set_password(self, user: User, password: str) -> None:
        """Save a changed, first or reset password and its event in one transaction."""
        with transaction.atomic():
            super().set_password(user, password)
            audit.record("user.password_changed", actor=user, target=user, owner=user)
        sign_in_limits.unlock(user)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse a guess too many; instead of allauth's limit, which reads and then writes."""
        if not sign_in_limits.may_guess(request, _typed(credentials)):
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user = super().authenticate(request, **credentials)
        if user is not None:
            sign_in_limits.guessed_right(request, _typed(credentials))
        return user

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address the sign-in limits count by; allauth's own knows nothing of our proxies.

        Sessions are listed with it, in a column that takes addresses only.
        """
        try:
            return str(ipaddress.ip_address(client_address(request)))
        except ValueError:
            return NO_ADDRESS


class UserSessionsAdapter(DefaultUserSessionsAdapter):
    """Sessions are ended by our own service, with its event."""

    def end_sessions(self, ended: Iterable[UserSession]) -> None:
        these = list(ended)
        if these:
            sessions.end_these(these, by=these[0].user)


def _typed(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "")
