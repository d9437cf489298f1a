"""A case on paper and as JSON: all images with verdicts and limits, all notes."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import AuditEvent, User
from accounts.permissions import signed_in
from detection.case_presentation import (
    ROLES,
    ShownEntry,
    review_tallies,
    shown_entries,
    shown_notes,
    tallies,
)
from detection.models import Case, CaseNote
from detection.presentation import verdict_card
from detection.services.case_summary import CaseSummary, Entry, case_summary
from detection.services.cases import record
from detection.stated_reasons import stated_reasons
from detection.web.case_pages import visible_case
from detection.words import reason_sentence

ONCE_PER = timedelta(hours=1)  # who opens the page of a report again within it made one report


@never_cache
@login_required
@require_GET
def report(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    found = _opened(visible_case(request, pk), user)
    context = {
        "case": found.case,
        "summary": found,
        "tallies": tallies(found.counts),
        "reviewed": review_tallies(found.reviewed),
        "people": [(person, ROLES[person.role]) for person in found.people],
        "entries": shown_entries(found.entries, user),
        "notes": shown_notes(found.notes, found.case, user),
        "made_at": timezone.now(),
    }
    return render(request, "detection/case_report.html", context)


@never_cache
@login_required
@require_GET
def report_json(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    user = signed_in(request)
    found = _recorded(visible_case(request, pk), user)
    shown = shown_entries(found.entries, user)
    body = {
        "case": _case(found),
        "made_at": timezone.now(),
        "people": [{"name": str(one.user), "role": one.role} for one in found.people],
        "counts": found.counts,
        "reviewed": found.reviewed,
        "image_count": found.image_count,
        "images": [
            _image(request, entry) | _review(beside)
            for entry, beside in zip(found.entries, shown, strict=True)
        ],
        "note_count": found.note_count,
        "notes": [_note(note) for note in found.notes],
    }
    answer = JsonResponse(body, json_dumps_params={"ensure_ascii": False, "indent": 2})
    answer["Content-Disposition"] = f'attachment; filename="case-{found.case.pk}.json"'
    return answer


def _opened(row: Case, user: User) -> CaseSummary:
    """As `_recorded`, but a page that somebody looks at again is no event of its own."""
    made = AuditEvent.objects.filter(
        action="case.reported", actor_id=user.pk, at__gt=timezone.now() - ONCE_PER
    )
    if made.filter(target_type="case", target_id=str(row.pk)).exists():
        return case_summary(row, user)
    return _recorded(row, user)


def _recorded(row: Case, user: User) -> CaseSummary:
    """What the case holds; that somebody took it along is an event."""
    with transaction.atomic():
        found = case_summary(row, user)
        record("case.reported", by=user, case=found.case, after={"images": len(found.entries)})
    return found


def _case(found: CaseSummary) -> dict[str, Any]:
    return {
        "id": found.case.pk,
        "title": found.case.title,
        "description": found.case.description,
        "tags": found.tags,
        "created_at": found.case.created_at,
        "closed_at": found.case.closed_at,
    }


def _image(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    row, judged = entry.row, entry.detection
    about = {"added_at": row.created_at, "added_by": str(row.added_by) if row.added_by else None}
    if judged is None:
        return about
    card = verdict_card(judged)
    return {
        **about,
        "file_name": entry.file_name,
        "sha256": judged.image.sha256,
        "detection": judged.pk,
        "page": request.build_absolute_uri(reverse("detection", args=[judged.pk])),
        "status": judged.status,
        "verdict": judged.verdict or None,
        "verdict_in_words": str(card.title),
        "meaning": str(card.meaning),
        "probability": judged.probability,
        "reasons": [
            {"code": code, "detail": reason_sentence(code)} for code in stated_reasons(judged)
        ],
        "limits": [str(limit) for limit in card.limits],
        "model": f"{judged.model_version.name} {judged.model_version.version}",
        "model_sha256": judged.model_version.artifact_sha256,
        "completed_at": judged.completed_at,
    }


def _review(shown: ShownEntry) -> dict[str, Any]:
    """What a reviewer decided, in words; nobody's name."""
    card = shown.review
    if card is None:
        return {"review": None}
    because = list(card.because)
    return {"review": {"in_words": card.title, "because": because, "decided_at": card.decided_at}}


def _note(note: CaseNote) -> dict[str, Any]:
    return {
        "author": str(note.author),
        "written_at": note.created_at,
        "text": note.latest.text,
        "version": note.version,
        "changed_at": note.latest.created_at if note.version > 1 else None,
        "removed_at": note.removed_at,
        "removed_by": str(note.removed_by) if note.removed_by else None,
    }
