"""News: what a person is told, newest first."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import signed_in
from detection.models import Notice
from detection.news import news_rows
from detection.paging import page
from detection.services.history_export import file_names
from detection.services.telling import mark_seen

PAGE_SIZE = 25


@never_cache
@login_required
@require_GET
def notices(request: HttpRequest) -> HttpResponse:
    user, cursor = signed_in(request), request.GET.get("cursor", "")
    rows = Notice.objects.visible_to(user).select_related("detection__image", "case")
    found = page(rows, cursor=cursor, size=PAGE_SIZE)
    names = file_names([row.detection for row in found.rows if row.detection], user)
    context = {
        "rows": news_rows(found.rows, names),
        "next_cursor": found.next_cursor,
        "is_first_page": not cursor,
    }
    return render(request, "detection/notices.html", context)


@never_cache
@login_required
@require_GET
def notice(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What a notice is about; whoever has followed it has seen it."""
    user = signed_in(request)
    row = get_object_or_404(Notice.objects.visible_to(user), pk=pk)
    mark_seen(by=user, notices=[row.pk])
    return redirect("case", row.case_id) if row.case_id else redirect("detection", row.detection_id)


@login_required
@require_POST
def seen(request: HttpRequest) -> HttpResponse:
    """Mark all news as seen."""
    mark_seen(by=signed_in(request))
    return redirect("notices")
