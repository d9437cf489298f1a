"""What this installation decides about sign-up."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed unless UNMASK_SIGNUP opens it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.UNMASK_SIGNUP
