"""The same done to several items of the review desk, and what became of each."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.permissions import reviewer_required, signed_in
from detection.models import ReviewItem
from detection.review_presentation import queue_rows
from detection.review_waiting import with_pictures
from detection.services import review_bulk
from detection.web.review_forms import BulkForm

LONGEST_QUERY = 500
TEMPLATE = "review/bulk_outcome.html"


@reviewer_required
@require_POST
def change_many(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    back = f"{reverse('review')}?{request.POST.get('query', '')[:LONGEST_QUERY]}"
    items, form = _picked(request, user), BulkForm(request.POST)
    problem = "" if items else _("Nothing was picked. Mark the items first.")
    if not form.is_valid():
        problem = problem or " ".join(str(text) for texts in form.errors.values() for text in texts)
    if problem:
        return render(request, TEMPLATE, {"problem": problem, "back": back}, status=422)
    outcomes = review_bulk.change_each(by=user, items=items, change=_change(form))
    context: dict[str, Any] = {
        "rows": list(zip(queue_rows(items, user), outcomes, strict=True)),
        "back": back,
        "action": dict(form.fields["action"].choices)[form.cleaned_data["action"]],  # type: ignore[attr-defined]
        "changed": sum(one.is_changed for one in outcomes),
        "unchanged": sum(not one.is_changed and not one.refusal for one in outcomes),
        "refused": sum(bool(one.refusal) for one in outcomes),
    }
    return render(request, TEMPLATE, context)


def _change(form: BulkForm) -> review_bulk.Change:
    note = form.cleaned_data["note"]
    changes: dict[str, review_bulk.Change] = {
        "skip": review_bulk.skipping,
        "release": review_bulk.releasing,
        "escalate": review_bulk.escalating(note),
        "cannot_tell": review_bulk.closing_as_unknown(note),
    }
    return changes[form.cleaned_data["action"]]


def _picked(request: HttpRequest, user: User) -> list[ReviewItem]:
    """The items that were marked, of those that this reviewer sees, in that order."""
    ids = []
    for text in request.POST.getlist("row")[: review_bulk.MAX_AT_ONCE]:
        try:
            ids.append(uuid.UUID(text))
        except ValueError:
            continue
    found = with_pictures(ReviewItem.objects.visible_to(user)).in_bulk(ids)
    return [found[pk] for pk in dict.fromkeys(ids) if pk in found]
