"""Cases: the list, making one, one with everything in it, changing it, closing it."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection.case_presentation import (
    ROLES,
    case_choices,
    cases_of_name,
    history_rows,
    review_tallies,
    shown_entries,
    shown_notes,
    suggested_tags,
    tallies,
)
from detection.errors import Refused
from detection.models import Case, CaseMember, CaseNote
from detection.models.case import CaseQuerySet
from detection.paging import Page, page
from detection.services import cases
from detection.services.case_people import may_take_over
from detection.services.case_summary import (
    entries_of,
    outcome_counts,
    people_of,
    reviewed_counts,
    with_words,
)
from detection.web.case_forms import CaseForm, NoteForm
from detection.web.judging_again_pages import case_section

LIST_PAGE, IMAGES_PAGE, NOTES_PAGE, LATEST_EVENTS, EVENTS_PAGE = 25, 24, 20, 8, 50
MAX_EVENT_ID = 2**63 - 1


@never_cache
@login_required
@require_GET
def case_list(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    names = ("whose", "state", "tag")
    asked = {name: request.GET.get(name, "").replace("\x00", "") for name in names}
    rows = _filtered(user, **asked)
    found: Page[Case] = page(rows, cursor=request.GET.get("cursor", ""), size=LIST_PAGE)
    counts = outcome_counts(case.pk for case in found.rows)
    context = {
        "entries": [
            {"case": case, "tallies": tallies(mine), "image_count": sum(mine.values())}
            for case in found.rows
            for mine in [counts.get(case.pk, {})]
        ],
        "next_cursor": found.next_cursor,
        "is_first_page": not request.GET.get("cursor"),
        "is_filtered": any(asked.values()),
        "tags": suggested_tags(user),
        **asked,
    }
    return render(request, "detection/case_list.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = CaseForm(request.POST or None, suggested=suggested_tags(user))
    if request.method == "GET" or not form.is_valid():
        status = 200 if request.method == "GET" else 400
        return render(request, "detection/case_form.html", {"form": form}, status=status)
    said = form.cleaned_data
    same = [] if "anyway" in request.POST else cases_of_name(user, said["title"])
    if same:
        context = {"form": form, "same_name": same}
        return render(request, "detection/case_form.html", context, status=409)
    case = cases.create(
        by=user, title=said["title"], description=said["description"], tags=said["tags"]
    )
    return redirect("case", case.pk)


@never_cache
@login_required
@require_GET
def case(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return case_page(request, visible_case(request, pk))


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user, row = signed_in(request), visible_case(request, pk)
    if request.method == "GET":
        return _edit_page(request, row, _form_of(row, user))
    form = CaseForm(request.POST, suggested=suggested_tags(user))
    if not form.is_valid():
        return _edit_page(request, row, form, status=400)
    said = form.cleaned_data
    try:
        cases.edit(
            by=user,
            case=row,
            seen_version=said["version"] or 0,
            title=said["title"],
            description=said["description"],
            tags=said["tags"],
        )
    except Refused as refusal:
        return _edit_page(request, row, form, status=gone_or(refusal), refusal=refusal)
    messages.success(request, _("Saved."))
    return redirect("case", row.pk)


@login_required
@require_POST
def state(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Close a case, or open it again."""
    row = visible_case(request, pk)
    change = {"close": cases.close, "reopen": cases.reopen}.get(request.POST.get("action", ""))
    if change is None:
        raise BadRequest("action must be close or reopen")
    return carried_out(request, row, lambda: change(by=signed_in(request), case=row))


@never_cache
@login_required
@require_GET
def history(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user, row = signed_in(request), visible_case(request, pk)
    before = _event_id(request.GET.get("before", ""))
    rows = history_rows(row, user, before=before, size=EVENTS_PAGE)
    context = {
        "case": row,
        "events": rows[:EVENTS_PAGE],
        "older": rows[EVENTS_PAGE - 1].pk if len(rows) > EVENTS_PAGE else None,
        "is_first_page": before is None,
    }
    return render(request, "detection/case_history.html", context)


def visible_case(request: HttpRequest, pk: uuid.UUID) -> Case:
    """The case, for somebody who belongs to it; else 404."""
    rows = Case.objects.visible_to(signed_in(request)).select_related("owner")
    return get_object_or_404(rows, pk=pk)


def carried_out(request: HttpRequest, row: Case, change: Callable[[], object]) -> HttpResponse:
    """Back to the case after a change; its page with the reason where that was refused."""
    try:
        change()
    except Refused as refusal:
        return case_page(request, row, refusal=refusal, status=gone_or(refusal))
    return redirect("case", row.pk)


def gone_or(refusal: Refused) -> int:
    """The status of a refusal; 404 at once where the case is not to be seen any more."""
    if refusal.code == "case_gone":
        raise Http404
    return refusal.status


def case_page(
    request: HttpRequest,
    row: Case,
    *,
    note_form: NoteForm | None = None,
    refusal: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    user = signed_in(request)
    row = visible_case(request, row.pk)  # as it is now
    role = row.role_of(user)
    context = {
        "case": row,
        "tags": [tag.name for tag in row.tags.all()],
        "role": ROLES.get(role, ""),
        "is_owner": role == CaseMember.OWNER,
        "may_write": role in {CaseMember.OWNER, CaseMember.Role.EDITOR} and not row.closed_at,
        "may_take_over": may_take_over(row, user),
        "people": [(person, ROLES[person.role]) for person in people_of(row)],
        "events": history_rows(row, user, before=None, size=LATEST_EVENTS)[:LATEST_EVENTS],
        "targets": [one for one in case_choices(user) if one.pk != row.pk],
        "refusal": refusal,
        "note_form": note_form or NoteForm(label_suffix=""),
        **_images(request, row, user),
        **case_section(row),
        **_notes(request, row, user),
    }
    return render(request, "detection/case_detail.html", context, status=status)


def _images(request: HttpRequest, row: Case, user: User) -> dict[str, object]:
    found = page(row.entries.all(), cursor=request.GET.get("cursor", ""), size=IMAGES_PAGE)
    counts = outcome_counts([row.pk]).get(row.pk, {})
    return {
        "entries": shown_entries(entries_of(row, found.rows, user), user),
        "next_cursor": found.next_cursor,
        "is_first_page": not request.GET.get("cursor"),
        "tallies": tallies(counts),
        "reviewed": review_tallies(reviewed_counts(row, user)),
        "image_count": sum(counts.values()),
    }


def _notes(request: HttpRequest, row: Case, user: User) -> dict[str, object]:
    found: Page[CaseNote] = page(
        with_words(row.notes.all()), cursor=request.GET.get("notes", ""), size=NOTES_PAGE
    )
    return {
        "notes": shown_notes(found.rows, row, user),
        "next_notes": found.next_cursor,
        "is_first_notes": not request.GET.get("notes"),
    }


def _edit_page(
    request: HttpRequest,
    row: Case,
    form: CaseForm,
    *,
    status: int = 200,
    refusal: Refused | None = None,
) -> HttpResponse:
    """The form; after a newer version was saved, with that one beside what was typed."""
    now = visible_case(request, row.pk)
    tags = ", ".join(tag.name for tag in now.tags.all())
    context = {"case": now, "form": form, "refusal": refusal, "tags_now": tags}
    if refusal and refusal.code == "case_changed_meanwhile":
        context["newer_version"] = now.version
    return render(request, "detection/case_form.html", context, status=status)


def _form_of(row: Case, user: User) -> CaseForm:
    said = {name: getattr(row, name) for name in ("title", "description", "version")}
    tags = [tag.name for tag in row.tags.all()]
    suggested = [name for name in suggested_tags(user) if name not in tags]
    return CaseForm(initial={**said, "tags": ", ".join(tags)}, suggested=suggested)


def _filtered(user: User, *, whose: str, state: str, tag: str) -> CaseQuerySet:
    rows: CaseQuerySet = Case.objects.visible_to(user).select_related("owner")
    rows = rows.prefetch_related("tags")
    rows = rows.filter({"mine": Q(owner=user), "shared": ~Q(owner=user)}.get(whose, Q()))
    is_open = {"": Q(closed_at=None), "closed": Q(closed_at__isnull=False)}
    rows = rows.filter(is_open.get(state, Q()))
    return rows.filter(tags__name=tag) if tag else rows


def _event_id(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    number = int(text[:20])
    return number if number <= MAX_EVENT_ID else None
