"""What this installation decides about sign-up, passwords, guesses and sessions."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import audit, sessions, sign_in_limits
from accounts.client_address import client_address
from accounts.models import User
from accounts.models.user import refuse_nobodys

# What nobody has.
NO_ADDRESS = str(ipaddress.IPv4Address(0))


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed unless UNMASK_SIGNUP opens it."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": _(
            "Too many tries. Wait a quarter of an hour. If it was a password that failed, choosing "
            "a new one lets you in at once."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.UNMASK_SIGNUP

    def set_password(self, user: User, password: str) -> None:
        """Save a changed, first or reset password and its event in one transaction.

        Of somebody who is still let in: an administrator may have disabled or erased them since
        the page was opened, and nothing but the password may be written over that.
        """
        with transaction.atomic():
            rows = User.objects.select_for_update().filter(pk=user.pk, is_active=True)
            if not rows.exists():
                raise PermissionDenied
            user.set_password(password)
            user.save(update_fields=["password"])
            audit.record("user.password_changed", actor=user, target=user, owner=user)
        sign_in_limits.unlock(user)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Somebody who signed up is a person made, by themselves."""
        with transaction.atomic():
            user = super().save_user(request, user, form, commit)
            if commit:
                after = {"role": user.role, "is_auditor": user.is_auditor, "is_active": True}
                audit.record("user.created", actor=user, target=user, owner=user, after=after)
        return user

    def clean_email(self, email: str) -> str:
        refuse_nobodys(email)
        return super().clean_email(email)

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
