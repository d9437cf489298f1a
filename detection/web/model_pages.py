"""A model's card, and the share of manipulated images that this desk expects."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.permissions import administrator_required, signed_in
from detection.expected_share import calibration_fake_share
from detection.figures import share_words
from detection.model_card import model_card
from detection.models import Installation, ModelVersion
from detection.services.installation import expect_fakes


class ExpectedShareForm(forms.Form):
    """A share in per cent; empty for that of the model's calibration."""

    percent = forms.DecimalField(
        label=gettext_lazy("Manipulated among all submitted images, in per cent"),
        required=False,
        min_value=0,
        max_value=100,
        max_digits=5,
        decimal_places=2,
        help_text=gettext_lazy("Leave it empty to go by the share in the model’s calibration."),
    )

    def clean_percent(self) -> float | None:
        value = self.cleaned_data["percent"]
        if value is None:
            return None
        if not 0 < value < 100:
            raise forms.ValidationError(
                _("More than 0 and less than 100: at 0 or 100 no image could change anything.")
            )
        return float(value) / 100


@never_cache
@login_required
@require_GET
def model(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    version = get_object_or_404(ModelVersion, pk=pk)
    context = {
        "version": version,
        "model_card": model_card(version),
        "expected": _expected(version),
    }
    return render(request, "detection/model_card.html", context)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def expected_share(request: HttpRequest) -> HttpResponse:
    form = ExpectedShareForm(request.POST or None, initial=_initial(), label_suffix="")
    if request.method == "POST" and form.is_valid():
        expect_fakes(form.cleaned_data["percent"], by=signed_in(request))
        messages.success(request, _("Saved. Verdicts stay as they are."))
        return redirect("expected_share")
    version = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    calibrated = calibration_fake_share(version) if version else None
    context = {
        "form": form,
        "version": version,
        "calibrated_at": "" if calibrated is None else share_words(calibrated),
    }
    status = 400 if form.errors else 200
    return render(request, "detection/expected_share.html", context, status=status)


def _initial() -> dict[str, Any]:
    share = Installation.objects.expected_fake_share()
    return {"percent": None if share is None else f"{100 * share:.4g}"}


def _expected(version: ModelVersion) -> str:
    """The share that pages about this version's detections assume; empty where none is known."""
    calibrated = calibration_fake_share(version)
    if calibrated is None:
        return ""
    share = Installation.objects.expected_fake_share()
    return share_words(calibrated if share is None else share)
