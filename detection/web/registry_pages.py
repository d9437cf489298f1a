"""The registry of models: reviewers read it; administrators compare, promote and go back."""

import uuid

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import administrator_required, reviewer_required, signed_in
from detection.comparison_presentation import (
    changed_rows,
    changed_verdicts,
    failure,
    gate,
    shown_comparison,
)
from detection.errors import Refused
from detection.models import Comparison, ModelVersion, Snapshot
from detection.registry_presentation import activations, shown_versions
from detection.services import comparisons, registry
from detection.web.judging_again_pages import rejudging_section

PAGE = 25
CHANGED_PAGE = 24
ACTIVATIONS_SHOWN = 25
MAX_REASON = 500


class ReasonForm(forms.Form):
    """Why; kept in the history of models and in the audit trail."""

    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=MAX_REASON,
        help_text=gettext_lazy("A sentence, kept with the change."),
    )


class PromotionForm(ReasonForm):
    """Why, and whether the obstacles are taken upon oneself."""

    overrules = forms.BooleanField(
        label=gettext_lazy("I have read what the gate found, and promote it all the same."),
        required=False,
    )


class SnapshotForm(forms.Form):
    """On which frozen images."""

    snapshot = forms.ModelChoiceField(
        label=gettext_lazy("Frozen images"),
        queryset=Snapshot.objects.filter(broken_at=None).order_by("-created_at"),
        empty_label=None,
    )


@never_cache
@reviewer_required
@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """Every version with its state and figures, and the history of which judged."""
    user = signed_in(request)
    rows = ModelVersion.objects.order_by("-created_at", "-pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    active = rows.filter(state=ModelVersion.State.ACTIVE).first()
    snapshots = Snapshot.objects.filter(broken_at=None)
    context = {
        "page": page,
        "versions": shown_versions(list(page)),
        "active": active,
        "before": registry.model_before(active),
        "damaged": list(rows.exclude(damaged_at=None)),
        "activations": activations(ACTIVATIONS_SHOWN),
        "snapshot_form": SnapshotForm(label_suffix="") if snapshots.exists() else None,
        "reason_form": ReasonForm(label_suffix=""),
        **rejudging_section(user),
    }
    return render(request, "detection/model_list.html", context)


@administrator_required
@require_POST
def compare(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Have a candidate compared with the model that judges now."""
    version = get_object_or_404(ModelVersion, pk=pk)
    form = SnapshotForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose frozen images that are still whole."))
        return redirect("models")
    try:
        row = comparisons.order(version, form.cleaned_data["snapshot"], by=signed_in(request))
    except Refused as refusal:
        messages.error(request, refusal.detail)
        return redirect("models")
    return redirect("comparison", version.pk, row.pk)


@never_cache
@reviewer_required
@require_GET
def comparison(request: HttpRequest, pk: uuid.UUID, comparison_pk: uuid.UUID) -> HttpResponse:
    return _comparison_page(request, _comparison(pk, comparison_pk))


@never_cache
@administrator_required
@require_POST
@reauthentication_required
def promote(request: HttpRequest, pk: uuid.UUID, comparison_pk: uuid.UUID) -> HttpResponse:
    """Let a compared candidate judge from now on."""
    row = _comparison(pk, comparison_pk)
    form = PromotionForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _comparison_page(request, row, form, status=400)
    try:
        made = registry.promote(
            row.candidate,
            comparison=row,
            by=signed_in(request),
            reason=form.cleaned_data["reason"],
            overrules=form.cleaned_data["overrules"],
        )
    except Refused as refusal:
        form.add_error(None, refusal.detail)
        return _comparison_page(request, row, form, status=refusal.status)
    told = {"model": made.version, "before": made.previous}
    messages.success(
        request,
        _("%(model)s judges from now on. Every verdict before keeps the model it was given by.")
        % told,
    )
    return redirect("models")


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def roll_back(request: HttpRequest) -> HttpResponse:
    """Let the model judge again that the present one followed."""
    form = ReasonForm(request.POST if request.method == "POST" else None, label_suffix="")
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                made = registry.roll_back(by=signed_in(request), reason=form.cleaned_data["reason"])
            except Refused as refusal:
                form.add_error(None, refusal.detail)
                status = refusal.status
            else:
                messages.success(request, _("%(model)s judges again.") % {"model": made.version})
                return redirect("models")
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    context = {"form": form, "active": active, "before": registry.model_before(active)}
    return render(request, "detection/roll_back.html", context, status=status)


def _comparison(pk: uuid.UUID, comparison_pk: uuid.UUID) -> Comparison:
    rows = Comparison.objects.select_related("candidate", "against", "snapshot", "by")
    return get_object_or_404(rows, pk=comparison_pk, candidate=pk)


def _comparison_page(
    request: HttpRequest,
    row: Comparison,
    form: PromotionForm | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    user, is_done = signed_in(request), row.status == Comparison.Status.DONE
    context: dict[str, object] = {"comparison": row, "failure": failure(row)}
    if is_done:
        ids, hidden = changed_verdicts(row, user)
        page = Paginator(ids, CHANGED_PAGE).get_page(request.GET.get("page"))
        is_current = row.against.state == ModelVersion.State.ACTIVE
        context |= {
            "shown": shown_comparison(row),
            "gate": gate(row),
            "page": page,
            "changed": changed_rows(row, list(page), user),
            "hidden": hidden,
            "is_current": is_current,
            "form": form or PromotionForm(label_suffix=""),
            "may_promote": user.is_superuser and is_current,
        }
    return render(request, "detection/comparison.html", context, status=status)
