"""What the desk did of late, whether something is wrong, and who looks after it."""

import json
import uuid

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import administrator_required, reviewer_required, signed_in
from detection.errors import Refused
from detection.models import DriftAlert, PeriodFigures
from detection.monitoring_data import monitoring_csv, monitoring_data
from detection.monitoring_presentation import page_of, wrong_words
from detection.services import drift_alerts
from detection.services.monitoring import MOST, USUAL, Monitoring, monitoring

VIEWS = (
    ("week", 12, gettext_lazy("12 weeks")),
    ("week", 26, gettext_lazy("26 weeks")),
    ("week", 52, gettext_lazy("52 weeks")),
    ("day", 28, gettext_lazy("28 days")),
    ("day", 90, gettext_lazy("90 days")),
)


class NoteForm(forms.Form):
    """What somebody does about an alert."""

    note = forms.CharField(
        label=gettext_lazy("What is it, and what do you do about it?"),
        max_length=drift_alerts.MOST_NOTE,
    )


@never_cache
@reviewer_required
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    found = _found(request)
    wrong = len(found.alerts)
    context = {
        **page_of(found),
        "wrong": wrong_words(wrong) if wrong else "",
        "views": [
            (unit, count, name, (unit, count) == _asked(request)) for unit, count, name in VIEWS
        ],
        "query": request.GET.urlencode(),
        "note_form": NoteForm(label_suffix=""),
        "is_any_silent": any(worker.is_silent for worker in found.workers),
    }
    return render(request, "detection/monitoring.html", context)


@never_cache
@reviewer_required
@require_GET
def figures(request: HttpRequest, kind: str) -> HttpResponse:
    """The periods as a table, or all of the page as data."""
    found = _found(request)
    if kind == "csv":
        answer = HttpResponse(monitoring_csv(found), content_type="text/csv; charset=utf-8")
    else:
        data = json.dumps(monitoring_data(found), ensure_ascii=False, indent=1)
        answer = HttpResponse(data, content_type="application/json")
    first = found.periods[0].starts_on.isoformat() if found.periods else "empty"
    name = f"unmask-{found.unit}s-{first}.{kind}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@administrator_required
@require_POST
def acknowledge(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    alert = get_object_or_404(DriftAlert, pk=pk)
    form = NoteForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Write a note first, so that others know what you found."))
        return redirect("monitoring")
    try:
        drift_alerts.acknowledge(by=signed_in(request), alert=alert, note=form.cleaned_data["note"])
    except Refused as refused:
        messages.error(request, refused.detail)
    else:
        messages.success(request, _("Noted. The alert ends by itself once it has passed."))
    return redirect("monitoring")


def _found(request: HttpRequest) -> Monitoring:
    unit, count = _asked(request)
    return monitoring(by=signed_in(request), unit=unit, count=count)


def _asked(request: HttpRequest) -> tuple[str, int]:
    """The unit and number of periods in the address.

    Raises:
        BadRequest: no such unit, or no number within bounds.
    """
    unit = request.GET.get("unit", str(PeriodFigures.Unit.WEEK))
    if unit not in MOST:
        raise BadRequest("unit must be week or day")
    count = request.GET.get("count", str(USUAL[unit]))
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:4]) <= MOST[unit]):
        raise BadRequest(f"count must be 1 to {MOST[unit]}")
    return unit, int(count)
