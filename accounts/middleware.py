"""What surrounds a request: its audit context, session, preferences, what is left of a limit."""

from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from accounts import sessions
from accounts.audit import RequestContext, context_var
from accounts.client_address import client_address
from accounts.models import ApiKey, User
from accounts.throttles import headers_of


class AuditContextMiddleware:
    """Binds the request's id and address for `audit.record`; runs after the request id is set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = getattr(request, "request_id", "")
        token = context_var.set(RequestContext(request_id, client_address(request)))
        try:
            return self.get_response(request)
        finally:
            context_var.reset(token)


class PreferencesMiddleware:
    """Shows a signed-in person's pages in their language and time zone.

    A language chosen in this browser, which a cookie keeps, goes before the one of the profile.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        if user.language and not request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME):
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(user.time_zone or None):
            return self.get_response(request)


class RateLimitHeadersMiddleware:
    """Says on every answer of the API, refusals included, how much its caller has left."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in headers_of(request).items():
            response[name] = value
        return response


def bind_key(key: ApiKey) -> None:
    """Say that the current request acts through this key."""
    context_var.set(replace(context_var.get(), key_prefix=key.prefix))


class SessionLimitsMiddleware:
    """Ends a session that was idle too long or is too old; what follows happens signed out.

    Scripts say X-Background when they ask on their own, which keeps no session alive.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User):
            if why := sessions.why_over(request.session):
                sessions.time_out(request, request.user, why)
            else:
                is_background = request.headers.get("X-Background") == "1"
                sessions.note(request, request.user, is_background=is_background)
        return self.get_response(request)
