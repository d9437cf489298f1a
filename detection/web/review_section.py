"""What the page of a detection tells reviewers about the desk, and bringing it there."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection.errors import Refused
from detection.models import Detection
from detection.review_presentation import desk_section
from detection.services import review


def review_section(row: Detection, user: User) -> dict[str, object]:
    """Empty for everybody but reviewers."""
    return {"desk": desk_section(row, user)} if user.is_reviewer else {}


@login_required
@require_POST
def bring(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Bring a detection to the desk, for whoever sees it, as a pipeline would flag it."""
    user = signed_in(request)
    row = get_object_or_404(Detection.objects.visible_to(user), pk=pk)
    try:
        review.flag(by=user, detection=row)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _brought(user))
    return redirect("detection", pk)


def _brought(user: User) -> str:
    if user.is_reviewer:
        return _("It waits on the review desk now.")
    return _("A moderator will look at it, and you are told what they decide.")
