"""Judging again with the model that judges now: one image, a case's, or all."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import administrator_required, signed_in
from detection.errors import Refused
from detection.models import Case, Detection, ModelVersion, Rejudging
from detection.presentation import TONES
from detection.services import judging_again

SPANS = [
    ("7", gettext_lazy("the last seven days")),
    ("30", gettext_lazy("the last 30 days")),
    ("365", gettext_lazy("the last year")),
    ("", gettext_lazy("all time")),
]


class RejudgingForm(forms.Form):
    """How far back."""

    days = forms.ChoiceField(
        label=gettext_lazy("Images received in"), choices=SPANS, required=False, initial="30"
    )


def rejudging_section(user: User) -> dict[str, object]:
    """What the page of models shows administrators of judging again."""
    if not user.is_superuser:
        return {}
    rows = Rejudging.objects.filter(case=None).select_related("version").newest_first()
    return {"rejudgings": list(rows[:5]), "rejudging_form": RejudgingForm(label_suffix="")}


def case_section(case: Case) -> dict[str, object]:
    """What the page of a case shows: an open order, or how many images one would be for."""
    under_way = Rejudging.objects.open().filter(case=case).first()
    count = 0 if under_way else judging_again.outstanding_in(case)
    return {"rejudging": under_way, "judged_by_others": count}


def other_verdicts(detection: Detection, user: User) -> dict[str, Any]:
    """The same image judged by other models, for whoever sees this detection; oldest first."""
    rows = (
        Detection.objects.filter(image=detection.image_id)
        .exclude(pk=detection.pk)
        .select_related("model_version")
        .defer("activation")
        .order_by("created_at", "id")
    )
    others = [(row, _tone(row), _what_changed(detection, row)) for row in rows]
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    is_open = active is not None and all(row.model_version_id != active.pk for row, *_ in others)
    may_ask = user.is_reviewer or detection.image.owner_id == user.pk
    return {
        "other_verdicts": others,
        "newest_model": active,
        "may_judge_again": may_ask
        and is_open
        and detection.status == Detection.Status.DONE
        and active is not None
        and detection.model_version_id != active.pk,
    }


@login_required
@require_POST
def judge_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One image, for its owner and for reviewers."""
    user = signed_in(request)
    rows = Detection.objects.visible_to(user).select_related("image")
    row = get_object_or_404(rows, pk=pk)
    if not (user.is_reviewer or row.image.owner_id == user.pk):
        raise PermissionDenied
    try:
        again = judging_again.ask(by=user, detection=row)
    except Refused as refusal:
        messages.error(request, refusal.detail)
        return redirect("detection", pk)
    return redirect("detection", again.pk)


@login_required
@require_POST
def judge_case_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All images of a case, for whoever may change it."""
    user = signed_in(request)
    case = get_object_or_404(Case.objects.visible_to(user), pk=pk)
    if not Case.objects.writable_by(user).filter(pk=case.pk).exists():
        raise PermissionDenied
    sentence = _("%(count)s images of this case are being judged again; their verdicts follow.")
    return _ordered(request, lambda: judging_again.order(by=user, case=case), sentence, "case", pk)


@administrator_required
@require_POST
def judge_all_again(request: HttpRequest) -> HttpResponse:
    """What the desk received, back to a chosen day."""
    form = RejudgingForm(request.POST)
    if not form.is_valid():
        return redirect("models")
    days = form.cleaned_data["days"]
    since = timezone.now() - timedelta(days=int(days)) if days else None
    sentence = _("%(count)s images are being judged again, whenever nothing else waits.")
    user = signed_in(request)
    return _ordered(request, lambda: judging_again.order(by=user, since=since), sentence, "models")


@never_cache
@administrator_required
@require_GET
def rejudging(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How far an order is, and how many verdicts it changed."""
    row = _of_the_desk(pk)
    judged = row.judged()
    ended = judged.filter(status=Detection.Status.DONE)
    context = {
        "rejudging": row,
        "judged": ended.count(),
        "failed": judged.filter(status=Detection.Status.FAILED).count(),
        "differ": ended.exclude(verdict=F("judged_before__verdict")).count(),
    }
    return render(request, "detection/rejudging.html", context)


@administrator_required
@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = _of_the_desk(pk)
    if judging_again.cancel(by=signed_in(request), rejudging=row):
        messages.success(request, _("Cancelled. What was handed over already is still judged."))
    return redirect("rejudging", pk)


def _of_the_desk(pk: uuid.UUID) -> Rejudging:
    """An order for the whole desk: what is in a case is its people's."""
    rows = Rejudging.objects.select_related("version", "by")
    return get_object_or_404(rows, pk=pk, case=None)


def _ordered(
    request: HttpRequest, order: Callable[[], Rejudging], sentence: str, *back: Any
) -> HttpResponse:
    try:
        row = order()
    except Refused as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, sentence % {"count": row.total})
    return redirect(*back)


def _tone(row: Detection) -> str:
    if row.status == Detection.Status.FAILED:
        return "failed"
    return TONES.get(row.verdict, "waiting")


def _what_changed(shown: Detection, other: Detection) -> str:
    """What the other verdict says beside the one that is shown."""
    if {other.status, shown.status} != {Detection.Status.DONE}:
        return ""
    if other.verdict == shown.verdict:
        return _("the same verdict")
    return _("another verdict")
