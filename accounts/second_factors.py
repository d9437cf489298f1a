"""Second factors: secrets encrypted at rest, codes that work once, roles that need one."""

from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.sealing import UnreadableError, seal, unseal

Type = Authenticator.Type
# Recovery codes come with one of these and are none themselves.
FACTORS = (Type.TOTP, Type.WEBAUTHN)
PURPOSE = "second_factor"


class SecondFactorAdapter(DefaultMFAAdapter):
    """What this installation decides about allauth's second factors."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "unreadable": _("This second factor cannot be read any more. Ask your administrator."),
    }

    def encrypt(self, text: str) -> str:
        return seal(text, purpose=PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret; a ValidationError where it was encrypted under another SECRET_KEY."""
        try:
            return unseal(encrypted_text, purpose=PURPOSE)
        except UnreadableError:
            raise self.validation_error("unreadable") from None

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Keys belong to the public address, whatever host name a request came by."""
        return {"id": urlsplit(settings.UNMASK_ORIGIN).hostname or "", "name": "Unmask"}


class ActivateTOTPForm(AllauthActivateTOTPForm):
    """The code that sets an app up is used up by it, so that it opens no sign-in."""

    def clean_code(self) -> str:
        code = super().clean_code()
        if not TOTP(Authenticator(user=self.user, type=Type.TOTP))._mark_code_used(code):
            raise SecondFactorAdapter().validation_error("incorrect_code")
        return code


def has_second_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def lacks_second_factor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether somebody's role needs a second factor that they have not set up."""
    return (
        bool(settings.REQUIRE_SECOND_FACTOR)
        and isinstance(user, User)
        and user.role in settings.REQUIRE_SECOND_FACTOR
        and not has_second_factor(user)
    )


def remove_second_factors(user: User) -> int:
    """Take all of them away from somebody who lost them; how many there were, codes included.

    Each is an event by whoever is signed in, or by the desk itself on the command line.
    """
    with transaction.atomic():
        removed, _rows = Authenticator.objects.filter(user=user).delete()
    return removed
