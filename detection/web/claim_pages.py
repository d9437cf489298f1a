"""Saying that a verdict is wrong, or right, and whether an image may be learnt from."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import audit
from accounts.models import User
from accounts.permissions import signed_in
from detection.claim_presentation import SAYINGS, claims_section
from detection.errors import Refused
from detection.models import Detection, Image
from detection.services import feedback
from detection.services.consent import set_training_consent
from detection.web.detection_page import visible

MAX_COMMENT = 2000


class ClaimForm(forms.Form):
    """What somebody says about a verdict; the choices depend on which it is."""

    says = forms.ChoiceField()
    comment = forms.CharField(required=False, max_length=MAX_COMMENT)
    allows_training = forms.BooleanField(required=False)

    def __init__(self, data: object, *, detection: Detection) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        field = self.fields["says"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = SAYINGS.get(detection.verdict, [])

    def claim(self) -> dict[str, Any]:
        """The claim of a valid form, as the service takes it."""
        category, _dot, label = self.cleaned_data["says"].partition(".")
        return {"category": category, "label": label, "comment": self.cleaned_data["comment"]}


@never_cache
@login_required
@require_POST
def claim(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Keep a claim, or take it back; what was typed into a form that is refused comes again."""
    detection, user = visible(request, pk), signed_in(request)
    if request.POST.get("action") == "withdraw":
        return _withdrawn(request, detection, user)
    form = ClaimForm(request.POST, detection=detection)
    if not form.is_valid():
        return _again(request, detection, _problem(form), 422)
    try:
        # Events last: what consent lets be learnt holds the datasets, and others hold these first.
        with transaction.atomic(), audit.together():
            feedback.give(by=user, detection=detection, **form.claim())
            if form.cleaned_data["allows_training"]:
                set_training_consent(by=user, image=detection.image, is_allowed=True)
    except Refused as refusal:
        return _again(request, detection, refusal.detail, refusal.status)
    messages.success(request, _("Thank you. The verdict stays until a person has looked at it."))
    return _back(detection)


@login_required
@require_POST
def training_consent(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Allow that one's image is learnt from, or withdraw that."""
    user = signed_in(request)
    rows = Image.objects.visible_to(user).select_related("owner")
    image = get_object_or_404(rows, pk=pk)
    if image.owner_id != user.pk:
        raise Http404
    wish = {"1": True, "0": False}.get(request.POST.get("is_allowed", ""))
    if wish is None:
        raise BadRequest("is_allowed must be 1 or 0")
    try:
        set_training_consent(by=user, image=image, is_allowed=wish)
    except Refused as refusal:
        messages.error(request, refusal.detail)
    else:
        allowed, withdrawn = _("It may be learnt from."), _("It is not learnt from any more.")
        messages.success(request, allowed if wish else withdrawn)
    return redirect(
        f"{reverse('detection', args=[image.detections.latest('created_at').pk])}#custody"
    )


def _withdrawn(request: HttpRequest, detection: Detection, user: User) -> HttpResponse:
    if feedback.withdraw(by=user, detection=detection):
        messages.success(request, _("You took back what you said."))
    return _back(detection)


def _problem(form: ClaimForm) -> str:
    if "says" in form.errors:
        return _("Choose what you say about the verdict.")
    return _("The comment is too long: at most 2,000 characters.")


def _again(request: HttpRequest, detection: Detection, problem: str, status: int) -> HttpResponse:
    context = {
        "detection": detection,
        **claims_section(detection, signed_in(request)),
        "chosen_saying": request.POST.get("says", ""),
        "claim_comment": request.POST.get("comment", ""),
        "allows_training": "allows_training" in request.POST,
        "problem": problem,
    }
    return render(request, "detection/claim.html", context, status=status)


def _back(detection: Detection) -> HttpResponse:
    return redirect(f"{reverse('detection', args=[detection.pk])}#claims")
