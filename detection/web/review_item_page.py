"""One item of the review desk: claimed by opening it, decided, passed on or put back."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import reviewer_required, signed_in
from detection.errors import Refused
from detection.models import ReviewItem
from detection.review_presentation import State, item_view, seconds_left, undoable
from detection.services.review import reopen
from detection.services.review_claims import claim, escalate, release, skip
from detection.services.review_decisions import decide
from detection.web.detection_page import review_context
from detection.web.review_desk import keep_look, look_of, to_next
from detection.web.review_forms import DecisionForm, Typed

UNPROCESSABLE = 422


@never_cache
@reviewer_required
@require_http_methods(["GET", "POST"])
def item(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    row = _visible(user, pk)
    if request.method == "GET":
        _take_if_free(row, user)
        return _page(request, _visible(user, pk))
    if "has_look" in request.POST:
        keep_look(request)
    act = ACTIONS.get(request.POST.get("action", ""))
    if act is None:
        raise BadRequest(f"action must be one of {', '.join(ACTIONS)}")
    try:
        return act(request, user, row)
    except Refused as refusal:
        return _page(request, _visible(user, pk), refusal=str(refusal), status=refusal.status)


@reviewer_required
@require_POST
def lease(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hold an item that one holds for longer; 409 where it was lost."""
    user = signed_in(request)
    row = _visible(user, pk)
    if row.claimed_by_id != user.pk:
        return _lost()
    try:
        held = claim(item=row, by=user)
    except Refused:
        return _lost()
    return JsonResponse({"seconds_left": seconds_left(held)})


def _lost() -> JsonResponse:
    sentence = _("You no longer hold this item.")
    return JsonResponse({"detail": sentence}, status=409)


def _take_if_free(row: ReviewItem, user: User) -> None:
    with suppress(Refused):  # the page says in whose hands it is, or why it is not for them
        claim(item=row, by=user)


def _decide(request: HttpRequest, user: User, row: ReviewItem) -> HttpResponse:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, row, form=form, status=UNPROCESSABLE)
    decide(item=row, by=user, **form.cleaned_data)
    return to_next(request, user)


def _skip(request: HttpRequest, user: User, row: ReviewItem) -> HttpResponse:
    skip(item=row, by=user)
    return to_next(request, user)


def _escalate(request: HttpRequest, user: User, row: ReviewItem) -> HttpResponse:
    escalate(item=row, by=user, note=Typed.of(request.POST).note)
    messages.success(request, _("Escalated: others look at it, an administrator first."))
    return to_next(request, user)


def _release(request: HttpRequest, user: User, row: ReviewItem) -> HttpResponse:
    release(item=row, by=user)
    messages.success(request, _("Put back for others."))
    return redirect("review")


def _claim(request: HttpRequest, user: User, row: ReviewItem) -> HttpResponse:
    """Take it again, with what was typed before."""
    claim(item=row, by=user)
    typed = Typed.of(request.POST)
    return _page(request, _visible(user, row.pk), form=DecisionForm(initial=asdict(typed)))


def _reopen(request: HttpRequest, user: User, row: ReviewItem) -> HttpResponse:
    again = reopen(item=row, by=user, note=Typed.of(request.POST).note)
    messages.success(request, _("Reopened."))
    return redirect("review_item", again.pk)


ACTIONS: dict[str, Callable[[HttpRequest, User, ReviewItem], HttpResponse]] = {
    "decide": _decide,
    "skip": _skip,
    "escalate": _escalate,
    "release": _release,
    "claim": _claim,
    "reopen": _reopen,
}


def _visible(user: User, pk: uuid.UUID) -> ReviewItem:
    """The item as it is now, for somebody who may see it; else 404."""
    rows = ReviewItem.objects.visible_to(user).select_related(
        "detection__image__owner", "detection__model_version", "claimed_by"
    )
    return get_object_or_404(rows, pk=pk)


def _page(
    request: HttpRequest,
    row: ReviewItem,
    *,
    form: DecisionForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    user = signed_in(request)
    typed = Typed.of(request.POST)
    view = item_view(row, user)
    context: dict[str, Any] = {
        **review_context(row.detection, user),
        "item": row,
        "shown": view,
        "form": form or DecisionForm(initial=asdict(typed)),
        "typed": typed if view.state != State.MINE else Typed(),
        "last_decision": undoable(user),
        "look": look_of(request),
        "refusal": refusal,
    }
    return render(request, "review/item.html", context, status=status)
