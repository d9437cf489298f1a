"""Administrators manage people: invite, change what they may do, disable, hand over links."""

from collections.abc import Callable

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import invitations
from accounts import people as services
from accounts.erasure import erase_person
from accounts.models import User
from accounts.people import LockoutError, Rights
from accounts.permissions import administrator_required, signed_in
from accounts.second_factors import has_second_factor, remove_second_factors
from accounts.sessions import end_sessions

PAGE = 50
STATES = [
    ("", gettext_lazy("Everybody")),
    ("active", gettext_lazy("Active")),
    ("invited", gettext_lazy("Invited, not come yet")),
    ("disabled", gettext_lazy("Disabled")),
]


class SearchForm(forms.Form):
    """Whom to list, from a page's address."""

    q = forms.CharField(label=gettext_lazy("Name or e-mail address"), required=False)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        required=False,
        choices=[("", gettext_lazy("Any role")), *User.Role.choices],
    )
    state = forms.ChoiceField(label=gettext_lazy("State"), required=False, choices=STATES)

    def matching(self) -> Q:
        """What a valid form asks for."""
        asked = self.cleaned_data
        wanted = Q()
        if text := asked["q"].strip():
            wanted &= Q(email__icontains=text) | Q(name__icontains=text)
        if asked["role"]:
            wanted &= Q(role=asked["role"])
        never_came = Q(last_login=None, password__startswith=UNUSABLE_PASSWORD_PREFIX)
        return (
            wanted
            & {
                "": Q(),
                "active": Q(is_active=True) & ~never_came,
                "invited": Q(is_active=True) & never_came,
                "disabled": Q(is_active=False),
            }[asked["state"]]
        )


class RightsForm(forms.Form):
    """Who a person is, and what they may do."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"dir": "ltr", "autocomplete": "off"}),
    )
    name = forms.CharField(label=gettext_lazy("Name"), required=False, max_length=150)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=User.Role.choices)
    is_auditor = forms.BooleanField(label=gettext_lazy("May read the audit trail"), required=False)

    def rights(self) -> Rights:
        return Rights(self.cleaned_data["role"], self.cleaned_data["is_auditor"])


class ErasureForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=500,
        help_text=gettext_lazy("A sentence, kept in the audit trail."),
    )


@never_cache
@administrator_required
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.GET, label_suffix="")
    found = User.objects.order_by("email")
    found = found.filter(form.matching()) if form.is_valid() else found.none()
    shown = Paginator(found, PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "form": form,
        "people": shown,
        "total": shown.paginator.count,
        "query": query.urlencode(),
        "is_filtered": any(request.GET.get(name) for name in SearchForm.base_fields),
    }
    return render(request, "people/people.html", context, status=200 if form.is_valid() else 400)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def invite(request: HttpRequest) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    form = RightsForm(posted, label_suffix="", initial={"role": User.Role.JOURNALIST})
    if posted is None or not form.is_valid():
        return render(request, "people/invite.html", {"form": form}, status=400 if posted else 200)
    try:
        person, path = services.invite(
            by=signed_in(request),
            email=form.cleaned_data["email"],
            name=form.cleaned_data["name"],
            rights=form.rights(),
        )
    except ValidationError as error:
        form.add_error("email", error.messages)
        return render(request, "people/invite.html", {"form": form}, status=400)
    return _with_link(request, person, path, status=201)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    about = get_object_or_404(User, pk=pk)
    if request.method == "GET":
        return _page(request, about)
    form = RightsForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, about, form=form, status=400)
    try:
        services.change_rights(
            by=signed_in(request),
            person=about,
            name=form.cleaned_data["name"].strip(),
            rights=form.rights(),
            email=form.cleaned_data["email"],
        )
    except LockoutError as error:
        form.add_error(None, str(error))
        return _page(request, about, form=form, status=409)
    except ValidationError as error:
        form.add_error("email", error.messages)
        return _page(request, about, form=form, status=400)
    messages.success(request, _("Saved."))
    return redirect("person", about.pk)


@never_cache
@administrator_required
@require_POST
@reauthentication_required
def link(request: HttpRequest, pk: int) -> HttpResponse:
    about = _another(request, pk)
    path = services.password_link(by=signed_in(request), person=about)
    return _with_link(request, about, path, status=201)


@administrator_required
@require_POST
@reauthentication_required
def disable(request: HttpRequest, pk: int) -> HttpResponse:
    return _switch(
        request, pk, services.disable, _("Disabled: signed out everywhere, and no key works.")
    )


@administrator_required
@require_POST
@reauthentication_required
def reactivate(request: HttpRequest, pk: int) -> HttpResponse:
    return _switch(request, pk, services.reactivate, _("Active again."))


@administrator_required
@require_POST
@reauthentication_required
def sign_out(request: HttpRequest, pk: int) -> HttpResponse:
    about = get_object_or_404(User, pk=pk)
    ended = end_sessions(about, by=signed_in(request))
    messages.success(request, _("Sessions ended: %(count)s.") % {"count": ended})
    return redirect("person", about.pk)


@administrator_required
@require_POST
@reauthentication_required
def remove_factors(request: HttpRequest, pk: int) -> HttpResponse:
    about = _another(request, pk)
    remove_second_factors(about)
    messages.success(request, _("Second factors removed: the password alone lets them in."))
    return redirect("person", about.pk)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    about = get_object_or_404(User, pk=pk)
    form = ErasureForm(request.POST if request.method == "POST" else None, label_suffix="")
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                erase_person(
                    by=signed_in(request), person=about, reason=form.cleaned_data["reason"]
                )
            except LockoutError as error:
                form.add_error(None, str(error))
                status = 409
            else:
                messages.success(request, _("Erased. The record knows them by number."))
                return redirect("person", about.pk)
    return render(request, "people/erase.html", {"person": about, "form": form}, status=status)


def _another(request: HttpRequest, pk: int) -> User:
    """An active person who is not oneself: one's own password and factors have pages of theirs."""
    return get_object_or_404(User.objects.exclude(pk=signed_in(request).pk), pk=pk, is_active=True)


def _switch(
    request: HttpRequest, pk: int, change: Callable[..., bool], sentence: str
) -> HttpResponse:
    about = get_object_or_404(User, pk=pk)
    try:
        change(by=signed_in(request), person=about)
    except LockoutError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, sentence)
    return redirect("person", about.pk)


def _with_link(request: HttpRequest, about: User, path: str, *, status: int) -> HttpResponse:
    """The person's page, with the link where no mail takes it to them."""
    address = request.build_absolute_uri(path)
    is_sent = invitations.send_link(about, address)
    return _page(request, about, link="" if is_sent else address, is_sent=is_sent, status=status)


def _page(
    request: HttpRequest,
    about: User,
    *,
    form: RightsForm | None = None,
    link: str = "",
    is_sent: bool = False,
    status: int = 200,
) -> HttpResponse:
    now = {name: getattr(about, name) for name in ("email", "name", "role", "is_auditor")}
    context = {
        "person": about,
        "form": form or RightsForm(initial=now, label_suffix=""),
        "keys": list(about.api_keys.usable()),
        "link": link,
        "has_second_factor": has_second_factor(about),
        "is_sent": is_sent,
        "is_oneself": about.pk == signed_in(request).pk,
    }
    return render(request, "people/person.html", context, status=status)
