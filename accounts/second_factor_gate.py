"""Nothing but setting one up, for people who lack the second factor that their role needs."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from rest_framework.views import APIView

from accounts.second_factors import lacks_second_factor

# What somebody without the second factor that their role needs still reaches.
SET_UP = {
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_view_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "account_reauthenticate",
    "account_logout",
    "set_language",
}


class SecondFactorMiddleware:
    """Who lacks the second factor that their role needs is led to where it is set up.

    Views of the API are left to `accounts.authentication`, which knows keys from sessions.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        api_view = getattr(view, "cls", None)
        is_api = isinstance(api_view, type) and issubclass(api_view, APIView)
        if is_api or not lacks_second_factor(request.user):
            return None
        request.lacks_second_factor = True  # type: ignore[attr-defined]
        name = request.resolver_match.url_name if request.resolver_match else None
        return None if name in SET_UP else redirect("mfa_index")
