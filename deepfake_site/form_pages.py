"""An address that only takes what a form sends, asked for as a page: after signing in again, or
after another language was chosen, a browser comes back to it.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _


class FormPagesMiddleware:
    """Leads to the page above such an address instead of saying that it is not allowed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != 405 or not _is_page(request):
            return response
        if _came_from_signing_in(request):
            text = _("You had to sign in again, and what you sent before was not kept.")
            messages.warning(request, text)
        return redirect(page_above(request.path))


def page_above(path: str) -> str:
    """The nearest address above this one that there is."""
    parts = path.rstrip("/").split("/")[1:]
    while parts := parts[:-1]:
        above = "/" + "/".join(parts)
        for address in (above, f"{above}/"):
            if _leads_somewhere(address):
                return address
    return "/"


def _leads_somewhere(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _is_page(request: HttpRequest) -> bool:
    """Whether a browser asks for a page, for somebody who is signed in."""
    is_api = request.path.startswith("/api/")
    is_asked = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
    return is_asked and not is_api and request.user.is_authenticated


def _came_from_signing_in(request: HttpRequest) -> bool:
    """By password, or by the second factor after it."""
    before = urlsplit(request.headers.get("Referer", ""))
    steps = {resolve_url("account_login"), resolve_url("mfa_authenticate")}
    return before.netloc == request.get_host() and before.path in steps
