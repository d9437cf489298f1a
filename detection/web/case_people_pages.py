"""Who belongs to a case: a page for its owner, and what everybody in it may do for themselves."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.permissions import signed_in
from detection.case_presentation import ROLES
from detection.errors import Refused
from detection.models import Case, CaseMember
from detection.services import case_people
from detection.services.case_people import colleagues, confidential_in, may_take_over
from detection.services.case_summary import people_of
from detection.web.case_forms import PersonForm
from detection.web.case_pages import gone_or, visible_case

MOST_COLLEAGUES = 50


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def people(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = visible_case(request, pk)
    if request.method == "GET":
        return _page(request, row)
    action = request.POST.get("action", "")
    if action == "add":
        return _add(request, row)
    change = {
        "role": _change_role,
        "remove": _remove,
        "transfer": _transfer,
        "leave": _leave,
        "take_over": _take_over,
    }.get(action)
    if change is None:
        raise BadRequest("unknown action")
    return _carried_out(request, row, change)


def _add(request: HttpRequest, row: Case) -> HttpResponse:
    form = PersonForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, row, form=form, status=400)
    said = form.cleaned_data
    try:
        is_new = case_people.add_person(
            by=signed_in(request),
            case=row,
            who=said["who"],
            role=said["role"],
            shares_confidential=said["confidential"],
        )
    except Refused as refusal:
        return _page(request, row, form=form, status=gone_or(refusal), refusal=refusal)
    messages.success(request, _("Added.") if is_new else _("They belong to the case already."))
    return redirect("case_people", row.pk)


def _carried_out(
    request: HttpRequest, row: Case, change: Callable[[HttpRequest, Case], HttpResponse]
) -> HttpResponse:
    try:
        return change(request, row)
    except Refused as refusal:
        return _page(request, row, status=gone_or(refusal), refusal=refusal)


def _change_role(request: HttpRequest, row: Case) -> HttpResponse:
    role = request.POST.get("role", "")
    if role not in CaseMember.Role.values:
        raise BadRequest("no such role")
    case_people.change_role(by=signed_in(request), case=row, person=_named(request, row), role=role)
    return redirect("case_people", row.pk)


def _remove(request: HttpRequest, row: Case) -> HttpResponse:
    case_people.remove_person(by=signed_in(request), case=row, person=_named(request, row))
    messages.success(request, _("Removed: they see nothing of the case any more."))
    return redirect("case_people", row.pk)


def _transfer(request: HttpRequest, row: Case) -> HttpResponse:
    case_people.transfer(by=signed_in(request), case=row, person=_named(request, row))
    messages.success(request, _("Handed over. You work on the case from now on."))
    return redirect("case_people", row.pk)


def _leave(request: HttpRequest, row: Case) -> HttpResponse:
    case_people.leave(by=signed_in(request), case=row)
    messages.success(request, _("You left the case."))
    return redirect("cases")


def _take_over(request: HttpRequest, row: Case) -> HttpResponse:
    case_people.take_over(by=signed_in(request), case=row)
    messages.success(request, _("The case is yours now."))
    return redirect("case", row.pk)


def _named(request: HttpRequest, row: Case) -> User:
    """The person of the case whom the form is about."""
    number = request.POST.get("person", "")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise BadRequest("person must be a number")
    person = User.objects.filter(pk=int(number), case_memberships__case=row).first()
    if person is None:
        raise Refused("person_not_in_case")
    return person


def _page(
    request: HttpRequest,
    row: Case,
    *,
    form: PersonForm | None = None,
    refusal: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    user = signed_in(request)
    row = visible_case(request, row.pk)
    context = {
        "case": row,
        "form": form or PersonForm(label_suffix=""),
        "people": [(person, ROLES[person.role]) for person in people_of(row)],
        "roles": CaseMember.Role.choices,
        "is_owner": row.owner_id == user.pk,
        "may_take_over": may_take_over(row, user),
        "confidential_count": confidential_in(row),
        "colleagues": colleagues(user).order_by("name", "pk")[:MOST_COLLEAGUES],
        "refusal": refusal,
    }
    return render(request, "detection/case_people.html", context, status=status)
