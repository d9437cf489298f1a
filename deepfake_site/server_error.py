"""The answer when something broke on our side: a page for people, a problem for programs.

Django has logged the traceback before it asks here; nothing of the exception reaches the client.
"""

import re

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.views.debug import SafeExceptionReporterFilter

from deepfake_site.middleware import request_id_var
from deepfake_site.problems import MEDIA_TYPE, problem_body

API = "/api/"
DETAIL = "Something broke on our side. Tell your operator the request_id."


class ReporterFilter(SafeExceptionReporterFilter):
    """Debug pages hide the addresses that hold passwords, too."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|(DATABASE|OWNER|REDIS|EMAIL|BROKER)_URL",
        re.IGNORECASE,
    )


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith(API):
        body = problem_body(500, "internal_error", DETAIL)
        return JsonResponse(body, status=500, content_type=MEDIA_TYPE)
    # Without the request: a context processor may be what broke.
    page = loader.render_to_string("500.html", {"request_id": request_id_var.get()})
    return HttpResponse(page, status=500)
