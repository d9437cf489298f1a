"""What this installation decides about sign-up, sessions, and the address that limits count by."""

import ipaddress
from collections.abc import Iterable

from allauth.account.adapter import DefaultAccountAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import audit, sessions
from accounts.client_address import client_address
from accounts.models import User

NO_ADDRESS = "0.0.0.0"  # noqa: S104  (what nobody has; nothing listens there)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed unless UNMASK_SIGNUP opens it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.UNMASK_SIGNUP

    def set_password(self, user: User, password: str) -> None:
        """Save a changed, first or reset password and its event in one transaction."""
        with transaction.atomic():
            super().set_password(user, password)
            audit.record("user.password_changed", actor=user, target=user, owner=user)

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
