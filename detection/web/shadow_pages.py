"""A model that judges silently for a time: what it would have said, started and ended here."""

import uuid
from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import administrator_required, reviewer_required, signed_in
from detection.errors import Refused
from detection.models import ModelVersion
from detection.services import shadowing
from detection.services.shadow_figures import changed_verdicts, shadow_figures
from detection.shadow_presentation import shadow_page

DAYS, PERCENT = 7, 25


class ShadowForm(forms.Form):
    """For how long, and how much of the traffic."""

    days = forms.IntegerField(
        label=gettext_lazy("Days"), min_value=1, max_value=shadowing.LONGEST.days, initial=DAYS
    )
    percent = forms.IntegerField(
        label=gettext_lazy("Of all verdicts, in per cent"),
        min_value=1,
        max_value=100,
        initial=PERCENT,
        help_text=gettext_lazy("Each costs as much as a verdict, when nothing else is waiting."),
    )


@never_cache
@reviewer_required
@require_GET
def shadow(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _page(request, get_object_or_404(ModelVersion, pk=pk), ShadowForm(label_suffix=""))


@administrator_required
@require_POST
def start(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    version = get_object_or_404(ModelVersion, pk=pk)
    form = ShadowForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, version, form, status=422)
    until = timezone.now() + timedelta(days=form.cleaned_data["days"])
    try:
        shadowing.start(
            version,
            by=signed_in(request),
            until=until,
            share=form.cleaned_data["percent"] / 100,
        )
    except Refused as refused:
        messages.error(request, refused.detail)
    else:
        messages.success(request, _("It judges silently from now on. Nobody who submits sees it."))
    return redirect("model_shadow", pk)


@administrator_required
@require_POST
def stop(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    version = get_object_or_404(ModelVersion, pk=pk)
    try:
        shadowing.stop(version, by=signed_in(request))
    except Refused as refused:
        messages.error(request, refused.detail)
    else:
        messages.success(request, _("Ended. What it said so far stays here."))
    return redirect("model_shadow", pk)


def _page(
    request: HttpRequest, version: ModelVersion, form: ShadowForm, status: int = 200
) -> HttpResponse:
    changed, count = changed_verdicts(version, by=signed_in(request))
    context = {
        "version": version,
        "form": form,
        **shadow_page(version, shadow_figures(version), changed, count),
    }
    return render(request, "detection/shadow.html", context, status=status)
