"""Administrators train: order a run, watch it, call it off, and say when one starts by itself."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import administrator_required, signed_in
from detection.errors import Refused
from detection.models import ModelVersion, TrainingRun
from detection.services import training, training_schedule
from detection.services.training import AlreadyTraining, Order
from detection.training_presentation import lost_words, network_words, run_view
from detection.training_words import status_words
from detection.web.training_forms import ScheduleForm, TrainingForm

PAGE = 30


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def runs(request: HttpRequest) -> HttpResponse:
    """What was trained, and a form for the next."""
    if request.method == "GET":
        return _list(request, TrainingForm(initial=_again(request), label_suffix=""))
    form = TrainingForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _list(request, form, status=400)
    wanted = form.cleaned_data
    try:
        run = training.order(
            Order(
                config=wanted["config"],
                via=TrainingRun.Via.PAGE,
                by=signed_in(request),
                start=wanted["start"],
                epochs=wanted["epochs"],
                seed=wanted["seed"],
                snapshot=wanted["snapshot"],
                datasets=tuple(wanted["datasets"]),
                note=wanted["note"],
            )
        )
    except AlreadyTraining as refusal:
        messages.warning(request, _("One is under way already: this one. No other was started."))
        return redirect("training_run", refusal.run.pk)
    except Refused as refusal:
        form.add_error(None, refusal.detail)
        return _list(request, form, status=refusal.status)
    messages.success(request, _("Ordered. The trainer begins in a moment."))
    return redirect("training_run", run.pk)


@never_cache
@administrator_required
@require_GET
def run(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return render(request, "detection/training_run.html", {"view": run_view(_run(pk))})


@never_cache
@administrator_required
@require_GET
def card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What moves on a run's page, which the page asks for again until the run has ended."""
    return render(request, "detection/_training_card.html", {"view": run_view(_run(pk))})


@administrator_required
@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = _run(pk)
    try:
        training.cancel(found, by=signed_in(request))
    except Refused as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, _("Called off. What it had learnt is thrown away."))
    return redirect("training_run", found.pk)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def schedule(request: HttpRequest) -> HttpResponse:
    row = training_schedule.schedule()
    form = ScheduleForm(request.POST or None, initial=_now(row), label_suffix="")
    if request.method == "POST" and form.is_valid():
        wanted = dict(form.cleaned_data)
        chosen = list(wanted.pop("datasets"))
        training_schedule.change(by=signed_in(request), datasets=chosen, **wanted)
        messages.success(request, _("Saved."))
        return redirect("training_schedule")
    state = training_schedule.state(row)
    context = {"form": form, "schedule": row, "state": state, "is_due": state.is_due(row)}
    status = 400 if form.errors else 200
    return render(request, "detection/training_schedule.html", context, status=status)


def _run(pk: uuid.UUID) -> TrainingRun:
    related = ("snapshot", "started_from", "candidate", "by")
    return get_object_or_404(TrainingRun.objects.select_related(*related), pk=pk)


def _list(request: HttpRequest, form: TrainingForm, *, status: int = 200) -> HttpResponse:
    rows = TrainingRun.objects.select_related("candidate", "by").newest_first()
    shown = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    context = {
        "form": form,
        "runs": shown,
        "rows": [(row, network_words(row.config), status_words(row.status)) for row in shown],
        "open_run": training.open_run(),
        "active": active,
        "lost": lost_words(training.lost_sources(active)) if active else "",
        "schedule": training_schedule.schedule(),
    }
    return render(request, "detection/training.html", context, status=status)


def _again(request: HttpRequest) -> dict[str, Any]:
    """What a form begins with: an earlier run's order, or what the desk advises."""
    try:
        like = uuid.UUID(request.GET.get("like", ""))
    except ValueError:
        return {"start": TrainingRun.Start.ACTIVE}
    before = TrainingRun.objects.filter(pk=like).first()
    if before is None:
        return {"start": TrainingRun.Start.ACTIVE}
    names = ("config", "start", "snapshot", "epochs", "seed", "note")
    return {name: getattr(before, name) for name in names}


def _now(row: Any) -> dict[str, Any]:
    names = ("is_on", "new_labels", "days_between", "config", "epochs", "start")
    chosen = list(row.datasets.all()) if row.pk and not row._state.adding else []
    return {**{name: getattr(row, name) for name in names}, "datasets": chosen}
