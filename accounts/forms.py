"""allauth's forms where this installation asks for more."""

from allauth.account import forms as allauth
from allauth.account.adapter import get_adapter
from allauth.core import context

from accounts import sign_in_limits


class ResetPasswordForm(allauth.ResetPasswordForm):
    """Counts a request before it looks for an account."""

    def clean_email(self) -> str:
        if not sign_in_limits.may_ask_for_reset(context.request, self.cleaned_data["email"]):
            raise get_adapter().validation_error("rate_limited")
        return super().clean_email()
