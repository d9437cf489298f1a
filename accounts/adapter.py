"""What this installation decides about sign-up, and by which address it limits sign-in."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.client_address import client_address
from accounts.models import User


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
        """The address the sign-in limits count by; allauth's own knows nothing of our proxies."""
        return client_address(request)
