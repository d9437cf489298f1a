"""allauth's forms where this installation asks for more."""

from allauth.account import forms as allauth
from allauth.account.adapter import get_adapter
from allauth.core import context

from accounts import sign_in_limits
from accounts.models import User


class ChangePasswordForm(allauth.ChangePasswordForm):
    """The current password is not to be guessed here either, by whoever found a session open."""

    def clean_oldpassword(self) -> str:
        if not sign_in_limits.may_guess(context.request, self.user.email):
            raise get_adapter().validation_error("too_many_login_attempts")
        password: str = super().clean_oldpassword()
        sign_in_limits.guessed_right(context.request, self.user.email)
        return password


class ResetPasswordForm(allauth.ResetPasswordForm):
    """Counts a request before it looks for an account."""

    def clean_email(self) -> str:
        if not sign_in_limits.may_ask_for_reset(context.request, self.cleaned_data["email"]):
            raise get_adapter().validation_error("rate_limited")
        return super().clean_email()


class UserTokenForm(allauth.UserTokenForm):
    """A link to choose a password is worth nothing while its person is disabled."""

    def _get_user(self, uidb36: str) -> User | None:
        user = super()._get_user(uidb36)
        return user if user is not None and user.is_active else None
