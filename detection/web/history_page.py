"""What was judged before, found again."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.permissions import signed_in
from detection import history as finder
from detection.models import Detection, SavedFilter
from detection.presentation import verdict_card
from detection.review_words import review_card
from detection.services.history_export import MAX_ROWS, file_names, tags_of
from detection.services.reviewed import reviews_shown_to
from detection.web.history_form import HistoryForm

HISTORY_PAGE = 24


@never_cache
@login_required
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    saved = list(SavedFilter.objects.filter(owner=user))
    if not request.GET and (default := next((one for one in saved if one.is_default), None)):
        return redirect(f"{request.path}?{default.query or 'whose=mine'}")
    form = HistoryForm(request.GET, by=user)
    context = {
        "form": form,
        "query": form.query(),
        "chips": list(form.chips()),
        "saved": saved,
        "tags_used": form.tags_used(),
        "is_first_page": not request.GET.get("cursor"),
        "is_all_selected": "select" in request.GET,
        "cases": form.cases,
        "export_limit": number_format(MAX_ROWS, force_grouping=True),
    }
    try:
        context |= _found(request, form, user)
    except finder.TooSlow:
        context["is_too_slow"] = True
        return render(request, "detection/detection_list.html", context, status=503)
    return render(request, "detection/detection_list.html", context)


def _found(request: HttpRequest, form: HistoryForm, user: User) -> dict[str, Any]:
    """The page that was asked for, and how many rows there are in all."""
    asked = form.asked()
    cursor = request.GET.get("cursor", "")
    found = finder.find(user, asked, cursor=cursor, size=HISTORY_PAGE, counted_to=finder.COUNTED_TO)
    query = form.query()
    return {
        "entries": entries(finder.detections(user, found.ids), user),
        "next_cursor": found.next_cursor,
        "next_query": "&".join(filter(None, [query, urlencode({"cursor": found.next_cursor})])),
        "this_query": "&".join(filter(None, [query, urlencode({"cursor": cursor})])),
        "count": counted(found.total),
    }


def entries(rows: list[Detection], user: User) -> list[dict[str, Any]]:
    """Rows as the list shows them."""
    names, tags = file_names(rows, user), tags_of(rows)
    reviews = reviews_shown_to(user, {row.image_id for row in rows})
    return [
        {
            "detection": row,
            "card": verdict_card(row),
            "file_name": names.get(row.pk, ""),
            "tags": tags.get(row.image_id, []),
            "review": review_card(reviews.get(row.image_id), row.verdict),
        }
        for row in rows
    ]


def counted(total: int) -> str:
    """How many, exact as far as was counted."""
    if total > finder.COUNTED_TO:
        limit = number_format(finder.COUNTED_TO, force_grouping=True)
        return _("More than %(limit)s detections") % {"limit": limit}
    number = number_format(total, force_grouping=True)
    return ngettext("%(count)s detection", "%(count)s detections", total) % {"count": number}
