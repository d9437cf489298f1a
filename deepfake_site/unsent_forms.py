"""What somebody typed into a form that could not be taken, given back so that it can be copied.

Their session had ended meanwhile, or they had signed in anew elsewhere. Nothing of it is kept here:
it goes back in the answer, which no cache keeps.
"""

from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views import csrf

from deepfake_site.form_pages import page_above

# Fields that people write in, and what they are called; nothing else is ever shown again.
WRITTEN: dict[str, str | Promise] = {
    "comment": _("How do you know?"),
    "consent": _("On what ground may the people shown be learnt from?"),
    "description": _("Description"),
    "name": _("Name"),
    "note": _("Note"),
    "reason": _("Why?"),
    "recipient": _("For whom?"),
    "text": _("Note"),
    "title": _("Title"),
    "url": _("Address"),
}
# Their forms hold passwords and codes.
LEFT_ALONE = ("/accounts/", "/admin/", "/api/")


class UnsentFormsMiddleware:
    """Instead of leading away to the sign-in page, gives back what was typed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not _leads_to_signing_in(response) or request.user.is_authenticated:
            return response
        return given_back(request, is_signed_out=True) or response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer to a form that nothing shows to be ours, or ours of before a new sign-in."""
    return given_back(request, is_signed_out=False) or csrf.csrf_failure(request, reason=reason)


def given_back(request: HttpRequest, *, is_signed_out: bool) -> HttpResponse | None:
    """A page with the texts of this form; None for one without any, or of another site."""
    if not _is_own_form(request):
        return None
    texts = _texts(request)
    had_file = request.content_type == "multipart/form-data"
    if not texts and not had_file:
        return None
    page = _page_of(request)
    way_on = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}"
    context = {
        "texts": texts,
        "had_file": had_file,
        "is_signed_out": is_signed_out,
        "way_on": way_on if is_signed_out else page,
    }
    answer = render(request, "unsent_form.html", context, status=403)
    answer["Cache-Control"] = "no-store"
    return answer


def _leads_to_signing_in(response: HttpResponse) -> bool:
    """Whether it is the answer of a page that is for those who are signed in."""
    if response.status_code != 302:
        return False
    to = urlsplit(response["Location"])
    return to.path == resolve_url(settings.LOGIN_URL) and "next" in parse_qs(to.query)


def _is_own_form(request: HttpRequest) -> bool:
    """Whether a browser sent a form of a page of ours and shows what it gets.

    What another site has sent is not shown as if somebody had typed it here.
    """
    is_shown = "text/html" in request.headers.get("Accept", "")
    if request.method != "POST" or not is_shown or request.path.startswith(LEFT_ALONE):
        return False
    return _is_ours(request, request.headers.get("Origin") or request.headers.get("Referer", ""))


def _is_ours(request: HttpRequest, address: str) -> bool:
    parts = _split(address)
    own = {f"{request.scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS}
    return f"{parts.scheme}://{parts.netloc}" in own


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _texts(request: HttpRequest) -> list[tuple[str | Promise, str]]:
    # the review desk's reasons are chosen codes, those of other forms sentences
    return [
        (label, text)
        for name, label in WRITTEN.items()
        for text in request.POST.getlist(name)
        if text.strip() and (name != "reason" or len(text.split()) > 1)
    ]


def _page_of(request: HttpRequest) -> str:
    """Path of the page that the form was on, as the browser says; else of the one above."""
    referer = request.headers.get("Referer", "")
    parts = _split(referer)
    page = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    is_safe = url_has_allowed_host_and_scheme(page, allowed_hosts=None)
    if is_safe and _is_ours(request, referer) and not parts.path.startswith(LEFT_ALONE):
        return page
    return page_above(request.path)
