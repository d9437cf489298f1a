"""What its owner decides about an image, and what reviewers may forbid."""

import uuid
from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection.errors import Refused
from detection.models import Image
from detection.services import custody, erasure

MAX_REASON = 500


class ReasonForm(forms.Form):
    """Why; kept in the audit trail as text about persons."""

    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=MAX_REASON,
        help_text=gettext_lazy("A sentence, kept in the audit trail."),
    )


def may_erase(user: User, image: Image) -> bool:
    """Whether this person, who sees the image, may also erase it."""
    return image.owner_id == user.pk or user.role == User.Role.ADMIN


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def erase(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    image = _allowed(request, pk, may_erase)
    refusal = str(Refused("on_hold")) if image.held_at else ""
    form = ReasonForm(request.POST or None, label_suffix="")
    if request.method == "POST" and not refusal and form.is_valid():
        try:
            erasure.erase_image(
                by=signed_in(request), image=image, reason=form.cleaned_data["reason"]
            )
        except Refused as error:  # put on hold in this moment
            refusal = str(error)
        else:
            messages.success(request, _("The image was erased."))
            return redirect("history")
    status = 200 if request.method == "GET" else 409 if refusal else 400
    return _page(request, "detection/erase.html", image, form, status, refusal=refusal)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def hold(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Put an image on legal hold, or lift it; which of the two, the button says."""
    image = _allowed(request, pk, lambda user, _image: user.is_reviewer)
    form = ReasonForm(request.POST or None, label_suffix="")
    changes = {"hold": custody.hold, "lift": custody.lift_hold}
    change = changes.get(request.POST.get("action", ""))
    if change and form.is_valid():
        change(by=signed_in(request), image=image, reason=form.cleaned_data["reason"])
        return _back(image)
    status = 200 if request.method == "GET" else 400
    return _page(request, "detection/hold.html", image, form, status)


@login_required
@require_POST
def confidential(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hide an image from reviewers or show it to them, as its owner says."""
    image = _allowed(request, pk, lambda user, image: image.owner_id == user.pk)
    wish = {"1": True, "0": False}.get(request.POST.get("is_confidential", ""))
    if wish is None:
        raise BadRequest("is_confidential must be 1 or 0")
    try:
        custody.set_confidential(by=signed_in(request), image=image, is_confidential=wish)
    except Refused as refusal:
        return _page(
            request, "detection/refused.html", image, None, refusal.status, refusal=str(refusal)
        )
    return _back(image)


def _allowed(request: HttpRequest, pk: uuid.UUID, may: Callable[[User, Image], bool]) -> Image:
    """The image, if this person sees it and may do this with it; else it does not exist."""
    user = signed_in(request)
    image = get_object_or_404(Image.objects.visible_to(user).select_related("owner"), pk=pk)
    if not may(user, image):
        raise Http404
    return image


def _back(image: Image) -> HttpResponse:
    return redirect("detection", image.detections.latest("created_at").pk)


def _page(
    request: HttpRequest,
    template: str,
    image: Image,
    form: ReasonForm | None,
    status: int,
    *,
    refusal: str = "",
) -> HttpResponse:
    latest = image.submissions.order_by("-created_at").first()
    context = {
        "image": image,
        "form": form,
        "refusal": refusal,
        "file_name": latest.file_name if latest and latest.by == request.user else "",
        "detection": image.detections.latest("created_at"),
    }
    return render(request, template, context, status=status)
