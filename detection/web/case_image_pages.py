"""Images and cases: from the page of a detection, and from that of a case."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.permissions import signed_in
from detection.case_presentation import case_choices, cases_of_name
from detection.errors import Refused
from detection.models import Case, CaseImage, CaseMember, Image
from detection.models.case import MAX_TITLE
from detection.services import cases
from detection.web.case_pages import carried_out, gone_or, visible_case


def cases_section(image: Image, user: User) -> dict[str, object]:
    """What the page of a detection shows of the cases its image is in."""
    mine = Case.objects.visible_to(user).filter(entries__image=image).newest_first()
    found = list(mine.select_related("owner"))
    inside = {case.pk for case in found}
    is_owner = image.owner_id == user.pk
    unseen = CaseImage.objects.filter(image=image).exclude(case__in=inside).count()
    return {
        "in_cases": [(case, is_owner or _works_on(case, user)) for case in found],
        "case_choices": [case for case in case_choices(user) if case.pk not in inside],
        "may_add_to_case": cases.may_share(user, image),
        "unseen_cases": unseen if is_owner else 0,
    }


@login_required
@require_POST
def image_cases(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Put one image into a case, an old or a new one, or take it out."""
    user = signed_in(request)
    image = get_object_or_404(Image.objects.visible_to(user).select_related("owner"), pk=pk)
    change = {"add": _add, "remove": _remove, "withdraw": _withdraw}.get(
        request.POST.get("action", "")
    )
    if change is None:
        raise BadRequest("action must be add, remove or withdraw")
    if change is _add and (same := _same_name(request, image, user)):
        return _asked(request, image, same)
    try:
        change(request, image, user)
    except Refused as refusal:
        return _refused(request, image, refusal)
    latest = image.detections.order_by("-created_at").first()
    if latest is None or not Image.objects.visible_to(user).filter(pk=image.pk).exists():
        return redirect("cases")
    return redirect("detection", latest.pk)


@login_required
@require_POST
def case_images(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take an image out of a case, or move it to another."""
    user, row = signed_in(request), visible_case(request, pk)
    image = row.images.select_related("owner").filter(pk=_image_id(request)).first()
    if image is None:
        return redirect("case", row.pk)  # somebody was quicker, or it never was there
    if request.POST.get("action") == "remove":
        return carried_out(request, row, lambda: cases.remove_image(by=user, case=row, image=image))
    if request.POST.get("action") != "move":
        raise BadRequest("action must be remove or move")
    target = get_object_or_404(Case.objects.visible_to(user), pk=_case_id(request))
    return carried_out(
        request,
        row,
        lambda: cases.move_image(
            by=user,
            image=image,
            source=row,
            target=target,
            shares_confidential=bool(request.POST.get("confidential")),
        ),
    )


def _title(request: HttpRequest) -> str:
    title = request.POST.get("title", "").strip()
    if len(title) > MAX_TITLE or not title.isprintable():
        raise BadRequest("the title is too long, or holds what cannot be printed")
    return title


# A case, whether the image is in it, and whether this person may put it there.
SameName = tuple[Case, bool, bool]


def _same_name(request: HttpRequest, image: Image, user: User) -> list[SameName]:
    """Cases that are called as the new one would be.

    Empty where no case is to be made, or another of this name is wanted.
    """
    title = _title(request)
    if not title or "anyway" in request.POST:
        return []
    same = cases_of_name(user, title)
    inside = {entry.case_id for entry in CaseImage.objects.filter(image=image, case__in=same)}
    return [(case, case.pk in inside, _works_on(case, user)) for case in same]


def _asked(request: HttpRequest, image: Image, same: list[SameName]) -> HttpResponse:
    """What was said of a confidential image counts for the new case, and for no other."""
    context = {
        "detection": image.detections.latest("created_at"),
        "knows": bool(request.POST.get("confidential")),
        "same_name": same,
        "title": _title(request),
    }
    return render(request, "detection/case_same_name.html", context, status=409)


def _add(request: HttpRequest, image: Image, user: User) -> None:
    title = _title(request)
    knows = bool(request.POST.get("confidential"))
    if title:
        row = cases.create(by=user, title=title, images=[image], shares_confidential=knows)
    else:
        row = _chosen(request, user)
        cases.add_images(by=user, case=row, images=[image], shares_confidential=knows)
    messages.success(request, _("It is in “%(case)s” now.") % {"case": row.title})


def _remove(request: HttpRequest, image: Image, user: User) -> None:
    row = _chosen(request, user)
    cases.remove_image(by=user, case=row, image=image)


def _withdraw(request: HttpRequest, image: Image, user: User) -> None:
    cases.withdraw_unseen(by=user, image=image)


def _chosen(request: HttpRequest, user: User) -> Case:
    row = Case.objects.visible_to(user).filter(pk=_case_id(request)).first()
    if row is None:
        raise Refused("case_unavailable")
    return row


def _works_on(case: Case, user: User) -> bool:
    roles = {CaseMember.OWNER, CaseMember.Role.EDITOR}
    return not case.closed_at and case.role_of(user) in roles


def _case_id(request: HttpRequest) -> uuid.UUID:
    return _uuid(request, "case")


def _image_id(request: HttpRequest) -> uuid.UUID:
    return _uuid(request, "image")


def _uuid(request: HttpRequest, name: str) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get(name, ""))
    except ValueError:
        raise BadRequest(f"{name} must be the number of one") from None


def _refused(request: HttpRequest, image: Image, refusal: Refused) -> HttpResponse:
    status = gone_or(refusal)
    latest = image.detections.latest("created_at")
    context = {"detection": latest, "refusal": str(refusal)}
    return render(request, "detection/refused.html", context, status=status)
