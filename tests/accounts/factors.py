"""People with a second factor, and the codes that their app would show."""

import time

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD

SECRET = auth.generate_totp_secret()


def app_of(user: User) -> Authenticator:
    """Their authenticator app, set up before."""
    return auth.TOTP.activate(user, SECRET).instance


def codes_of(user: User) -> list[str]:
    return RecoveryCodes.activate(user).get_unused_codes()


def code_now(secret: str = SECRET, *, lasts_s: float = 1.0) -> str:
    """The present code, of which at least so much time is left; waited for where need be."""
    left = app_settings.TOTP_PERIOD - time.time() % app_settings.TOTP_PERIOD
    if left < lasts_s:
        time.sleep(left + 0.01)
    (counter,) = auth.yield_hotp_counters_from_time()
    return auth.format_hotp_value(auth.hotp_value(secret, counter))


def enter_password(client: Client, user: User, **more: str) -> HttpResponse:
    return client.post("/accounts/login/", {"login": user.email, "password": PASSWORD, **more})


def enter_code(client: Client, code: str) -> HttpResponse:
    return client.post("/accounts/2fa/authenticate/", {"code": code})


def confirm(client: Client) -> HttpResponse:
    """Enter the password again."""
    return client.post("/accounts/reauthenticate/", {"password": PASSWORD})


def is_signed_in(client: Client) -> bool:
    return client.get("/keys").status_code == 200
