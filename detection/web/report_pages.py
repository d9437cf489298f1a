"""Reports about a detection: made, downloaded, revoked, shared by links."""

import uuid

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import signed_in
from detection.errors import Refused
from detection.models import Report, ReportLink
from detection.sandbox import sandboxed
from detection.services import report_links, reports
from detection.services.reports import KINDS
from detection.web.detection_page import visible

MADE, KEPT = "report_links_made", 20  # in a session: the forms that made a link


class ReportForm(forms.Form):
    language = forms.ChoiceField(choices=settings.LANGUAGES)
    recipient = forms.CharField(max_length=200, required=False)
    is_named = forms.BooleanField(required=False)
    has_pictures = forms.BooleanField(required=False)


class LinkForm(forms.Form):
    life = forms.ChoiceField(choices=ReportLink.Life.choices)
    shows_pictures = forms.BooleanField(required=False)
    gives_original = forms.BooleanField(required=False)
    once = forms.CharField(max_length=32, required=False)  # which form it was sent from


@login_required
@require_POST
def issue(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    detection = visible(request, pk)
    form = ReportForm(request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_json())
    try:
        reports.issue(by=signed_in(request), detection=detection, **form.cleaned_data)
        messages.success(request, _("The report is made and signed."))
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return _back(detection.pk)


@login_required
@require_GET
def download(request: HttpRequest, pk: uuid.UUID, kind: str) -> HttpResponse:
    report = _visible(request, pk)
    try:
        data = reports.record_download(by=signed_in(request), report=report, kind=kind)
    except Refused as refusal:
        if refusal.code != "decide_before_reporting":
            raise Http404 from None
        messages.error(request, refusal.detail)
        return _back(report.detection_id)
    return report_file(report, kind, data)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    report = _visible(request, pk)
    if not reports.may_revoke(signed_in(request), report):
        raise Http404
    reports.revoke(by=signed_in(request), report=report)
    messages.success(request, _("The report is revoked, and its links are closed."))
    return _back(report.detection_id)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def share(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Make a link; its address is on this page, this once, and another visit makes no other."""
    report, form = _visible(request, pk), LinkForm(request.POST)
    if request.method == "GET":
        return _back(report.detection_id)
    if not form.is_valid():
        raise BadRequest(form.errors.as_json())
    form_of = f"{report.pk} {form.cleaned_data['once']}"
    before = request.session.get(MADE, [])
    if form_of in before:
        text = _("This link is made, and its address was shown once. If it is lost, make another.")
        messages.info(request, text)
        return _back(report.detection_id)
    try:
        terms = {name: said for name, said in form.cleaned_data.items() if name != "once"}
        made = report_links.share(by=signed_in(request), report=report, **terms)
    except Refused as refusal:
        messages.error(request, refusal.detail)
        return _back(report.detection_id)
    link, token = made
    if form.cleaned_data["once"]:
        request.session[MADE] = [*before, form_of][-KEPT:]
    context = {
        "link": link,
        "address": f"{settings.UNMASK_ORIGIN}{reverse('shared_report', args=[token])}",
        "detection_id": report.detection_id,
    }
    return render(request, "detection/report_link.html", context, status=201)


@login_required
@require_POST
def revoke_link(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    rows = ReportLink.objects.select_related("report__detection__image__owner")
    seen = rows.filter(report__in=Report.objects.visible_to(user))
    link = get_object_or_404(seen, pk=pk)
    if link.by_id != user.pk and not reports.may_revoke(user, link.report):
        raise Http404
    report_links.revoke_link(by=user, link=link)
    messages.success(request, _("The link is closed: it opens nothing any more."))
    return _back(link.report.detection_id)


def report_file(report: Report, kind: str, data: bytes) -> HttpResponse:
    """One of a report's files as a download."""
    response = HttpResponse(data, content_type=KINDS[kind])
    name = f"unmask-report-{str(report.pk)[:8]}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return sandboxed(response, cache_control="no-store")


def _visible(request: HttpRequest, pk: uuid.UUID) -> Report:
    rows = Report.objects.visible_to(signed_in(request))
    return get_object_or_404(rows.select_related("detection__image__owner"), pk=pk)


def _back(detection_id: uuid.UUID) -> HttpResponse:
    return redirect(f"{reverse('detection', args=[detection_id])}#report")
