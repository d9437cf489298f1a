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
        is_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if response.status_code != 405 or not is_page or not request.user.is_authenticated:
            return response
        if _came_from_signing_in(request):
            messages.warning(request, _("You had to sign in again. Please send it once more."))
        return redirect(page_above(request.path))


def page_above(path: str) -> str:
    """The nearest address above this one that there is."""
    parts = path.rstrip("/").split("/")[1:]
    while parts := parts[:-1]:
        above = "/" + "/".join(parts)
        try:
            resolve(above)
        except Resolver404:
            continue
        return above
    return "/"


def _came_from_signing_in(request: HttpRequest) -> bool:
    before = urlsplit(request.headers.get("Referer", ""))
    return before.netloc == request.get_host() and before.path.startswith(
        resolve_url("account_login")
    )
