"""Is this report what the desk issued? Anybody may ask; nothing of the file is kept."""

from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from accounts.client_address import client_network
from client.report_file import MAX_BYTES
from deepfake_site.rate_limits import Limit, take
from detection.report_presentation import RESULTS, because_of
from detection.services.report_checks import Standing, examine

FROM_NETWORK = Limit(20, 60)
OVERHEAD_BYTES = 16 * 1024  # of a form around a file


class InMemoryHandler(MemoryFileUploadHandler):
    """Keeps in memory whatever the view lets through, and nothing on disk."""

    def handle_raw_input(self, *args: object, **kwargs: object) -> None:
        self.activated = True


@csrf_exempt  # so that the handler can be set before the check reads the form; then it is checked
def verify_report(request: HttpRequest) -> HttpResponse:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + OVERHEAD_BYTES:
        return _page(request, refusal="large", status=413)  # without reading it
    request.upload_handlers = [InMemoryHandler(request)]
    return _verify_report(request)


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
def _verify_report(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _page(request)
    if not take("verify_report", client_network(request), FROM_NETWORK).is_allowed:
        return render(request, "429.html", status=429)
    file = request.FILES.get("report")
    if file is None:
        return _page(request, refusal="none", status=400)
    examined = examine(file.read())
    tone, word, meaning = RESULTS[examined.result]
    return _page(
        request,
        tone=tone,
        word=word,
        meaning=meaning,
        because=because_of(
            Standing(examined.result, examined.because), examined.report, request.user
        ),
        report=examined.report,
    )


def _page(request: HttpRequest, *, status: int = 200, **context: object) -> HttpResponse:
    context["max_mb"] = MAX_BYTES // (1024 * 1024)
    return render(request, "detection/verify_report.html", context, status=status)
