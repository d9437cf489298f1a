"""Writing in a case: a note, a newer version of it, taking its words away."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.permissions import signed_in
from detection.errors import Refused
from detection.models import Case, CaseMember, CaseNote
from detection.services import case_notes
from detection.services.case_summary import with_words
from detection.web.case_forms import NoteForm
from detection.web.case_pages import case_page, gone_or, visible_case


@login_required
@require_POST
def add(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = visible_case(request, pk)
    form = NoteForm(request.POST, label_suffix="")
    if not form.is_valid():
        return case_page(request, row, note_form=form, status=400)
    try:
        case_notes.add_note(by=signed_in(request), case=row, text=form.cleaned_data["text"])
    except Refused as refusal:
        status = gone_or(refusal)
        return case_page(request, row, note_form=form, refusal=refusal, status=status)
    return redirect("case", row.pk)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def note(request: HttpRequest, pk: uuid.UUID, note: uuid.UUID) -> HttpResponse:
    """A note with its earlier versions, and for its author the form to write a newer one."""
    row = visible_case(request, pk)
    found = get_object_or_404(with_words(row.notes.all()), pk=note)
    if request.method == "GET":
        return _page(request, row, found)
    action = request.POST.get("action", "")
    if action not in {"save", "remove"}:
        raise BadRequest("action must be save or remove")
    form = NoteForm(request.POST, label_suffix="") if action == "save" else None
    if form is not None and not form.is_valid():
        return _page(request, row, found, form=form, status=400)
    try:
        _change(request, found, form)
    except Refused as refusal:
        status = gone_or(refusal)
        return _page(request, row, found, form=form, refusal=refusal, status=status)
    messages.success(request, _("Saved.") if form else _("The note was removed."))
    return redirect("case", row.pk)


def _change(request: HttpRequest, found: CaseNote, form: NoteForm | None) -> None:
    user = signed_in(request)
    if form is None:
        case_notes.remove_note(by=user, note=found)
        return
    seen = form.cleaned_data["version"] or 0
    case_notes.edit_note(by=user, note=found, text=form.cleaned_data["text"], seen_version=seen)


def _page(
    request: HttpRequest,
    row: Case,
    found: CaseNote,
    *,
    form: NoteForm | None = None,
    refusal: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    user = signed_in(request)
    found = with_words(row.notes.all()).get(pk=found.pk)  # as it is now
    versions = sorted(found.versions.all(), key=lambda one: one.number, reverse=True)
    initial = {"text": versions[0].text, "version": found.version}
    is_newer = refusal is not None and refusal.code == "case_changed_meanwhile"
    may_write = row.role_of(user) in {CaseMember.OWNER, CaseMember.Role.EDITOR}
    may_write = may_write and not row.closed_at and not found.removed_at
    context = {
        "case": row,
        "note": found,
        "latest": versions[0],
        "earlier": versions[1:],
        "form": form or NoteForm(initial=initial, label_suffix=""),
        "newer_version": found.version if is_newer else None,
        "refusal": refusal,
        "may_edit": may_write and found.author_id == user.pk,
        "may_remove": may_write and user.pk in (found.author_id, row.owner_id),
    }
    return render(request, "detection/case_note.html", context, status=status)
