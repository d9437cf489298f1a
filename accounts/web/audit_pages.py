"""The audit trail for auditors and administrators: search it, read one object's life, export."""

import logging
import re
from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import audit, checkpoints
from accounts.action_words import ACTIONS, TARGETS, target_words
from accounts.audit_export import TooLarge, refuse_too_large, write_export
from accounts.models import AuditChain, AuditEvent, User
from accounts.models.audit_event import SYSTEM_CHAIN
from accounts.permissions import trail_reader_required
from accounts.presentation import event_rows
from accounts.trail import Filter, life_of, place_of, read_place
from accounts.web.downloads import zip_download

logger = logging.getLogger(__name__)

PAGE = 50
# A life longer than this is read by export; the page says so.
LIFE_EVENTS = 500
MAX_TARGET_ID = 64
# A row's number, a UUID, a SHA-256.
NUMBER = re.compile(r"[0-9]{1,19}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")


class FilterForm(forms.Form):
    """What to look for, from a page's address."""

    person = forms.CharField(
        label=_("Person"),
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"placeholder": _("e-mail address"), "dir": "ltr"}),
    )
    about = forms.CharField(
        label=_("Object"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": _("number or SHA-256"), "dir": "ltr"}),
    )
    action = forms.ChoiceField(
        label=_("What happened"), required=False, choices=[("", _("Anything")), *ACTIONS.items()]
    )
    since = forms.DateField(
        label=_("From (UTC)"), required=False, widget=forms.DateInput({"type": "date"})
    )
    until = forms.DateField(
        label=_("To (UTC)"), required=False, widget=forms.DateInput({"type": "date"})
    )

    def filter(self) -> Filter:
        """What a valid form asks for."""
        values: dict[str, Any] = self.cleaned_data
        return Filter(
            person=values["person"].strip(),
            about=values["about"].strip(),
            action=values["action"],
            since=values["since"],
            until=values["until"],
        )


@never_cache
@trail_reader_required
@require_GET
def trail(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET, label_suffix="")
    asked = form.filter() if form.is_valid() else None
    before = read_place(request.GET.get("before", ""))
    found = asked.newest(PAGE + 1, before=before) if asked else []
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "form": form,
        "same_search": FilterForm(request.GET, auto_id=False),
        "rows": event_rows(found[:PAGE]),
        "older": place_of(found[PAGE - 1]) if len(found) > PAGE else "",
        "is_first_page": not before,
        "is_filtered": asked is None or asked != Filter(),
        "query": query.urlencode(),
    }
    return render(request, "audit/trail.html", context, status=200 if asked else 400)


@never_cache
@trail_reader_required
@require_GET
def life(request: HttpRequest, target_type: str, target_id: str) -> HttpResponse:
    """One object's chain of custody; an object that nothing ever happened to has none."""
    events = life_of(target_type, target_id).select_related("detail")
    found = list(events[: LIFE_EVENTS + 1])
    if not found:
        raise Http404
    rows = event_rows(found[:LIFE_EVENTS])
    context = {
        "target": target_words(target_type),
        "target_type": target_type,
        "target_id": target_id,
        "sha256": next((row.event.target_sha256 for row in rows if row.event.target_sha256), ""),
        "rows": rows,
        "has_more": len(found) > LIFE_EVENTS,
        "broken": [row for row in rows if not row.is_whole],
    }
    return render(request, "audit/life.html", context)


@trail_reader_required
@require_POST
def export(request: HttpRequest) -> HttpResponseBase:
    """A ZIP with the events and their proof; that it was made is an event too."""
    form = FilterForm(request.POST)
    if not form.is_valid():
        raise Http404
    asked = form.filter()
    rows = asked.events()
    if target := request.POST.get("life", ""):
        target_type, _slash, target_id = target.partition("/")
        if target_type not in TARGETS or len(target_id) > MAX_TARGET_ID:
            raise Http404
        rows = life_of(target_type, target_id)
    try:
        refuse_too_large(rows)
    except TooLarge as error:
        context = {"events": error.events, "limit": settings.AUDIT_EXPORT_EVENTS}
        return render(request, "audit/too_large.html", context, status=413)
    _record_export(request, asked, target, rows)
    _seal()
    return zip_download("unmask-audit", lambda file: write_export(rows, file))


def _record_export(
    request: HttpRequest, asked: Filter, target: str, rows: QuerySet[AuditEvent]
) -> None:
    # whoever searches may type anything, a name too: only what is surely none is hashed
    is_number = NUMBER.fullmatch(asked.about.lower()) is not None
    typed = {"person": asked.person, "about": "" if is_number else asked.about}
    stated = {
        "about": asked.about if is_number else "",
        "action": asked.action,
        "since": asked.since.isoformat() if asked.since else "",
        "until": asked.until.isoformat() if asked.until else "",
        "life": target,
        "events": rows.count(),
    }
    with transaction.atomic():
        audit.record(
            "audit.exported",
            actor=request.user if isinstance(request.user, User) else None,
            target=AuditChain(number=SYSTEM_CHAIN),
            after={name: value for name, value in stated.items() if value != ""},
            detail={name: text for name, text in typed.items() if text},
        )


def _seal() -> None:
    """Have the newest events signed for; without that, the export says which are not."""
    try:
        checkpoints.seal()
    except (OSError, ValueError):  # no room or no right to write; the file was damaged
        logger.exception("No checkpoint before an export")
