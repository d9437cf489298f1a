"""A person's own account: name, language, time zone, appearance, and their data to take away."""

from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit
from accounts.models import User
from accounts.own_data import write_own_data
from accounts.permissions import signed_in
from accounts.web.downloads import zip_download
from deepfake_site.rate_limits import Limit, take

# The tz database's areas; the rest are old names, and offsets with their signs turned round.
AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)

DOWNLOADS = Limit(4, per_s=3600)


def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if name.split("/")[0] in AREAS)
    return [("", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class ProfileForm(forms.ModelForm):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=[("", gettext_lazy("As my browser says")), *settings.LANGUAGES],
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False, choices=_zones)
    theme = forms.ChoiceField(
        label=gettext_lazy("Appearance"),
        required=False,
        choices=[("", gettext_lazy("As my device says")), *User.Theme.choices],
    )

    wants_mail = forms.BooleanField(
        label=gettext_lazy("Mail me when there is news"),
        required=False,
        help_text=gettext_lazy(
            "Such as what a reviewer decided about an image that you sent, or that you were added"
            " to a case. It is on the page News in any case."
        ),
    )

    class Meta:
        model = User
        fields = ("name", "language", "time_zone", "theme", "wants_mail")


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if request.method == "GET":
        return render(
            request, "account/account.html", {"form": ProfileForm(instance=user, label_suffix="")}
        )
    with transaction.atomic():
        row = get_object_or_404(User.objects.select_for_update(), pk=user.pk, is_active=True)
        form = ProfileForm(request.POST, instance=row, label_suffix="")
        if form.is_valid():
            _save(form)
    if form.errors:
        return render(request, "account/account.html", {"form": form}, status=400)
    with translation.override(form.instance.language or None):
        messages.success(request, _("Saved."))
    response = redirect("account")
    # the footer's choice of a language is this browser's own, and would outlive the new one
    response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return response


def _save(form: ProfileForm) -> None:
    """No more than the form's columns, of a row that is locked."""
    before, person = form.initial, form.instance
    if not form.changed_data:
        return
    names = [name for name in form.changed_data if name != "name"]
    person.save(update_fields=form.changed_data)
    audit.record(
        "user.profile_changed",
        actor=person,
        target=person,
        owner=person,
        before={name: before[name] for name in names},
        after={name: getattr(person, name) for name in names},
        detail={"old_name": before["name"], "name": person.name}
        if "name" in form.changed_data
        else None,
    )


@login_required
@require_POST
def own_data(request: HttpRequest) -> HttpResponseBase:
    """A ZIP of everything kept about the person who asks, a few times an hour."""
    person = signed_in(request)
    if not take("own_data", str(person.pk), DOWNLOADS).is_allowed:
        messages.error(request, _("You had this a few times just now. Try again in an hour."))
        return redirect("account")
    return zip_download("unmask-my-data", lambda file: write_own_data(person, file))
