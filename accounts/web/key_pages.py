"""A person's own API keys: make one, see when each was last used, rotate it, end it."""

from datetime import timedelta

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.keys import issue_key, revoke_key, rotate_key
from accounts.models import ApiKey, User
from accounts.permissions import signed_in

Scope = ApiKey.Scope
# What the API lets a key do today.
USUAL = (Scope.DETECTIONS_WRITE, Scope.DETECTIONS_READ)
OFFERED = (
    *USUAL,
    Scope.FEEDBACK_WRITE,
    Scope.CASES_WRITE,
    Scope.CASES_READ,
    Scope.MODELS_READ,
    Scope.WEBHOOKS_WRITE,
)
LIFETIMES = [
    ("90", gettext_lazy("90 days")),
    ("30", gettext_lazy("30 days")),
    ("365", gettext_lazy("One year")),
    ("", gettext_lazy("Until it is revoked")),
]


PAGE = 50


class KeyForm(forms.Form):
    """The terms of a new key."""

    name = forms.CharField(label=gettext_lazy("What is it for?"), max_length=100)
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        choices=[(scope.value, scope.label) for scope in OFFERED],
        initial=[scope.value for scope in USUAL],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.ChoiceField(
        label=gettext_lazy("It ends after"), choices=LIFETIMES, required=False, initial="90"
    )
    networks = forms.CharField(
        label=gettext_lazy("Only from these networks"),
        required=False,
        max_length=1000,
        help_text=gettext_lazy("Optional. Addresses or CIDR networks, such as 192.0.2.0/24."),
        widget=forms.TextInput(attrs={"dir": "ltr"}),
    )

    def clean_networks(self) -> list[str]:
        """One by one; whether each is a network, the key itself says."""
        return str(self.cleaned_data["networks"]).replace(",", " ").split()


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def keys(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if request.method == "GET":
        return _page(request, user, KeyForm(label_suffix=""))
    form = KeyForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, user, form, status=400)
    days = form.cleaned_data["days"]
    try:
        made = issue_key(
            by=user,
            owner=user,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
            networks=form.cleaned_data["networks"],
        )
    except ValidationError as error:
        form.add_error(None, error)
        return _page(request, user, form, status=400)
    return _page(request, user, KeyForm(label_suffix=""), made=made, status=201)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    user = signed_in(request)
    key = get_object_or_404(user.api_keys, pk=pk)
    if revoke_key(by=user, key=key):
        messages.success(request, _("The key “%(name)s” is revoked.") % {"name": key.name})
    return redirect("keys")


@never_cache
@login_required
@require_POST
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    user = signed_in(request)
    return _rotate(request, user, get_object_or_404(user.api_keys, pk=pk))


@reauthentication_required
def _rotate(request: HttpRequest, user: User, key: ApiKey) -> HttpResponse:
    made = rotate_key(by=user, key=key)
    if made is None:
        messages.error(request, _("This key has ended; make a new one."))
        return redirect("keys")
    return _page(request, user, KeyForm(label_suffix=""), made=made, status=201)


def _page(
    request: HttpRequest,
    user: User,
    form: KeyForm,
    *,
    made: tuple[ApiKey, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    usable = set(user.api_keys.usable().values_list("pk", flat=True))
    shown = Paginator(user.api_keys.order_by("-created_at", "-pk"), PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "form": form,
        "keys": [(key, key.pk in usable, _labels(key)) for key in shown],
        "pages": shown,
        "made": made,
    }
    return render(request, "account/keys.html", context, status=status)


def _labels(key: ApiKey) -> list[str]:
    labels = dict(Scope.choices)
    return [str(labels.get(scope, scope)) for scope in key.scopes]
