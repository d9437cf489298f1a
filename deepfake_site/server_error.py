"""The answer when something broke on our side: a page for people, a problem for programs.

Django has logged the traceback before it asks here; nothing of the exception reaches the client.
A database or a bucket that is away, restarts, or has been held by others for too long is no defect
of the request: the answer is 503, and the same request may come again.
"""

import re
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.views.debug import SafeExceptionReporterFilter

from deepfake_site.middleware import request_id_var
from deepfake_site.problems import MEDIA_TYPE, problem_body
from detection.errors import StorageAway

API = "/api/"
DETAIL = "Something broke on our side. Tell your operator the request_id."
AWAY = {
    "database_away": "The database is away or busy. "
    "Try again; with an Idempotency-Key nothing is done twice.",
    "storage_away": "The storage of this desk does not answer. Try again in a moment.",
}
AGAIN_AFTER_S = 5


class ReporterFilter(SafeExceptionReporterFilter):
    """Debug pages hide the addresses that hold passwords, too."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}"
        "|(DATABASE|OWNER|REDIS|EMAIL|BROKER)_URL|SENTRY_DSN|OTLP_HEADERS",
        re.IGNORECASE,
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Handles 500; called while the exception is being handled."""
    error = sys.exc_info()[1]
    away = (
        "storage_away"
        if isinstance(error, StorageAway)
        else "database_away"
        if isinstance(error, InterfaceError | OperationalError)
        else ""
    )
    answer = _problem(request, away) or _page(away)
    if away:
        answer["Retry-After"] = str(AGAIN_AFTER_S)
    return answer


def _problem(request: HttpRequest, away: str) -> HttpResponse | None:
    if not request.path_info.startswith(API):
        return None
    status, code, detail = (503, away, AWAY[away]) if away else (500, "internal_error", DETAIL)
    body = problem_body(status, code, detail)
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)


def _page(away: str) -> HttpResponse:
    # Without the request: a context processor may be what broke.
    context = {"request_id": request_id_var.get(), "away": away}
    page = loader.render_to_string("500.html", context)
    return HttpResponse(page, status=503 if away else 500)
