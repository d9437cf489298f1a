"""A report behind a link: for whoever has the address, without signing in.

What is shown is what was signed, read from the report's own JSON. Nothing here says whether there
is an account, an image or another report.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.client_address import client_network
from deepfake_site.rate_limits import Limit, take
from detection import storage
from detection.errors import Refused
from detection.models import EvidenceLayer, ReportLink
from detection.report_presentation import RESULTS, because_of
from detection.reports.pictures import LAYER
from detection.sandbox import sandboxed
from detection.services import report_links, reports
from detection.services.report_checks import standing_of
from detection.web.report_pages import report_file

FROM_NETWORK = Limit(120, 60)
LAYERS = tuple(f"{LAYER}{kind}" for kind in EvidenceLayer.Kind.values)
PICTURES = ("preview", "marks", *LAYERS)
Answer = Callable[..., HttpResponseBase]


def _behind_link(view: Answer) -> Answer:
    """Find the link, and say plainly where it opens nothing; no robot keeps any of it."""

    @never_cache
    @require_GET
    def guarded(request: HttpRequest, token: str, **more: Any) -> HttpResponseBase:
        if not take("shared_report", client_network(request), FROM_NETWORK).is_allowed:
            return render(request, "429.html", status=429)
        link = ReportLink.objects.of_token(token)
        if link is None:
            return _closed(request, 404)
        if not report_links.is_open(link):
            return _closed(request, 410, is_revoked=link.report.revoked_at is not None)
        try:
            return view(request, link, token, **more)
        except (Http404, Refused):
            return _closed(request, 404)

    @wraps(view)
    def unlisted(request: HttpRequest, token: str, **more: Any) -> HttpResponseBase:
        response: HttpResponseBase = guarded(request, token, **more)
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response["Referrer-Policy"] = "no-referrer"
        return response

    return unlisted


@_behind_link
def shared(request: HttpRequest, link: ReportLink, token: str) -> HttpResponse:
    report = link.report
    content = json.loads(reports.file_of(report, ".json"))["report"]
    report_links.record_view(link, client_network(request))
    standing = standing_of(report)
    pictures = content["pictures"] if link.shows_pictures else []
    with translation.override(report.language):
        context = {
            "address": f"/shared/{token}",
            "has_original": report_links.has_original(link),
            "has_pdf": _has_pdf(link),
            "link": link,
            "layers": [one for one in pictures if one["name"] in LAYERS],
            "pictures": [one for one in pictures if one["name"] not in LAYERS],
            "result": RESULTS[standing.state],
            "because": because_of(standing, report, request.user),
            "standing": standing,
            "text": content["text"],
        }
        return render(request, "detection/shared_report.html", context)


@_behind_link
def pdf(request: HttpRequest, link: ReportLink, token: str) -> HttpResponse:
    if not _has_pdf(link):
        raise Http404
    return _file(request, link, "pdf")


@_behind_link
def as_json(request: HttpRequest, link: ReportLink, token: str) -> HttpResponse:
    return _file(request, link, "json")


@_behind_link
def picture(request: HttpRequest, link: ReportLink, token: str, name: str) -> HttpResponse:
    """One of the pictures that were drawn anew for the report."""
    if not link.shows_pictures or name not in PICTURES:
        raise Http404
    data = reports.file_of(link.report, f"-{name}.jpg")
    return sandboxed(HttpResponse(data, content_type="image/jpeg"), cache_control="no-store")


@_behind_link
def original(request: HttpRequest, link: ReportLink, token: str) -> FileResponse:
    """The unaltered bytes, where the owner allowed that; every look at them is recorded."""
    if not report_links.has_original(link):
        raise Http404
    image = link.report.detection.image
    file = storage.opened(storage.original_path(image.pk))
    report_links.record_original(link)
    response = FileResponse(
        file,
        as_attachment=True,
        filename=f"{image.sha256[:16]}.{image.format.lower()}",
        content_type="application/octet-stream",
    )
    return sandboxed(response, cache_control="no-store")


def _has_pdf(link: ReportLink) -> bool:
    """The PDF shows the pictures, so it is withheld with them."""
    return link.shows_pictures or not link.report.has_pictures


def _file(request: HttpRequest, link: ReportLink, kind: str) -> HttpResponse:
    data = reports.file_of(link.report, f".{kind}")
    report_links.record_view(link, client_network(request))
    return report_file(link.report, kind, data)


def _closed(request: HttpRequest, status: int, *, is_revoked: bool = False) -> HttpResponse:
    context = {"is_revoked": is_revoked, "status": status}
    return render(request, "detection/shared_closed.html", context, status=status)
