"""The queue of the review desk, and the way from one item to the next."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import reviewer_required, signed_in
from detection import review_waiting
from detection.errors import Refused
from detection.review_presentation import own_decisions, queue_rows
from detection.review_waiting import Asked
from detection.services.review_claims import next_item
from detection.services.review_decisions import undo as take_back
from detection.web.review_forms import BulkForm, QueueForm

PAGE = 50
LAST = 8  # decisions shown
LOOKS = ("is_blurred", "is_grey")


@never_cache
@reviewer_required
@require_GET
def desk(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form, cursor = QueueForm(request.GET), request.GET.get("cursor", "")
    asked, overview = form.asked(), review_waiting.overview(user)
    shown = review_waiting.page(user, asked, cursor=cursor, size=PAGE)
    if asked == Asked():
        words = _counted(overview.count)
    else:
        up_to = review_waiting.LISTED_TO
        words = _counted(review_waiting.count(user, asked, up_to=up_to), up_to=up_to)
    here = request.GET.copy()
    here.pop("select", None)
    query = here.copy()
    query.pop("cursor", None)
    context = {
        "form": form,
        "overview": overview,
        "held": queue_rows(list(review_waiting.with_pictures(review_waiting.held_by(user))), user),
        "decisions": own_decisions(user, most=LAST),
        "rows": queue_rows(shown.rows, user),
        "count": words,
        "query": query.urlencode(),
        "here": here.urlencode(),
        "is_first_page": not cursor,
        "next_cursor": shown.next_cursor,
        "is_all_selected": "select" in request.GET,
        "bulk": BulkForm(),
        "look": look_of(request),
    }
    return render(request, "review/desk.html", context)


def _counted(total: int, *, up_to: int | None = None) -> str:
    """How many are listed, exact as far as was counted."""
    if up_to is not None and total > up_to:
        limit = number_format(up_to, force_grouping=True)
        return _("More than %(limit)s items, the most urgent first") % {"limit": limit}
    words = ngettext(
        "%(total)s item, the most urgent first", "%(total)s items, the most urgent first", total
    )
    return words % {"total": number_format(total, force_grouping=True)}


@reviewer_required
@require_POST
def go_on(request: HttpRequest) -> HttpResponse:
    """To the most urgent item that is free, claimed for this reviewer."""
    return to_next(request, signed_in(request))


def to_next(request: HttpRequest, user: User) -> HttpResponse:
    try:
        item = next_item(user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("review")
    if item is None:
        messages.info(request, _nothing_handed(user))
        return redirect("review")
    return redirect("review_item", item.pk)


def _nothing_handed(user: User) -> str:
    if review_waiting.for_reviewer(user).exists():
        return _(
            "Nothing more is handed to you now. What others or you hold, and what you skipped or "
            "escalated today, stands in the queue."
        )
    return _("Nothing more waits for you.")


@reviewer_required
@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Remember how this person looks at pictures, until the session ends."""
    keep_look(request)
    return HttpResponse(status=204)


def keep_look(request: HttpRequest) -> None:
    """From a form that carries both boxes."""
    for name in LOOKS:
        request.session[f"review_{name}"] = name in request.POST


def look_of(request: HttpRequest) -> dict[str, bool]:
    """Blurred and in colour until somebody wants it otherwise."""
    return {
        "is_blurred": request.session.get("review_is_blurred", True),
        "is_grey": request.session.get("review_is_grey", False),
    }


@reviewer_required
@require_POST
def undo(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take one's own decision back, and have its item in hand again."""
    user = signed_in(request)
    rows = review_waiting.decisions_of(user).select_related("item")
    decision = get_object_or_404(rows, pk=pk)
    try:
        take_back(decision=decision, by=user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("review")
    messages.success(request, _("Undone. The item is open again."))
    return redirect("review_item", decision.item_id)
