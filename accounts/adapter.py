"""What this installation decides about sign-up, and by which address it limits sign-in."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from accounts.client_address import client_address


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed unless UNMASK_SIGNUP opens it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.UNMASK_SIGNUP

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address the sign-in limits count by; allauth's own knows nothing of our proxies."""
        return client_address(request)
