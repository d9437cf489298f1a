"""Search by an image that is not submitted."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.permissions import signed_in
from detection import words
from detection.errors import Refused
from detection.services import image_search
from detection.sightings import seen_before
from detection.uploads import interrupted, uploaded


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return _page(request)
    uploads = uploaded(request, "image")  # reads the body, and finds out whether it broke off
    user = signed_in(request)
    try:
        if (refusal := interrupted(request)) or len(uploads) != 1:
            raise Refused(refusal or ("one_file_only" if uploads else "no_file"))
        found = image_search.search(by=user, upload=uploads[0])
    except Refused as error:
        return _page(request, refusal=error.detail, status=error.status)
    seen = seen_before(found, reader=user)
    return _page(request, seen=seen, file_name=uploads[0].name or "")


def _page(request: HttpRequest, status: int = 200, **more: object) -> HttpResponse:
    context = {"accepted": words.ACCEPTED, **more}
    return render(request, "detection/image_search.html", context, status=status)
