"""A person's own webhooks: set one up, see what was told to it, rotate, switch off, send again."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from deepfake_site import outbound
from detection.delivery_presentation import delivery_rows
from detection.errors import Refused
from detection.models import WebhookDelivery, WebhookEndpoint
from detection.models.webhook import WebhookDeliveryQuerySet
from detection.paging import Page, page
from detection.services import webhooks
from detection.words import delivery_error_sentence

PAGE_SIZE = 25
Event = WebhookEndpoint.Event


class EndpointForm(forms.Form):
    """Where to, about what, and a note for oneself."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=outbound.MAX_URL_LENGTH,
        help_text=gettext_lazy("Where your system takes POST requests, over https."),
        widget=forms.URLInput(attrs={"dir": "ltr", "placeholder": "https://cms.example.org/hooks"}),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("It is told when"),
        choices=Event.choices,
        initial=Event.values,
        widget=forms.CheckboxSelectMultiple,
    )
    description = forms.CharField(
        label=gettext_lazy("What is it for?"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Optional."),
    )

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            outbound.check_url(url)
        except outbound.NotPublic:
            raise forms.ValidationError(delivery_error_sentence("address_refused")) from None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return url


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def endpoints(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if request.method == "GET":
        return _list(request, user, EndpointForm(label_suffix=""))
    form = EndpointForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _list(request, user, form, status=400)
    try:
        made = webhooks.add_endpoint(by=user, **form.cleaned_data)
    except Refused as refusal:
        form.add_error(None, refusal.detail)
        return _list(request, user, form, status=refusal.status)
    return _detail(request, made[0], secret=made[1], status=201)


def _deleted_is_not_found(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For what another tab deleted between looking it up and holding it."""

    @wraps(view)
    def guarded(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        try:
            return view(request, pk)
        except Refused as refusal:
            raise Http404 from refusal

    return guarded


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@_deleted_is_not_found
def endpoint(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = _own(request, pk)
    return _detail(request, row) if request.method == "GET" else _change(request, row)


@reauthentication_required
def _change(request: HttpRequest, row: WebhookEndpoint) -> HttpResponse:
    form = EndpointForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _detail(request, row, form=form, status=400)
    webhooks.change_endpoint(by=signed_in(request), endpoint=row, **form.cleaned_data)
    messages.success(request, _("Saved."))
    return redirect("webhook", pk=row.pk)


@never_cache
@login_required
@require_POST
@_deleted_is_not_found
def rotate(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _rotate(request, _own(request, pk))


@reauthentication_required
def _rotate(request: HttpRequest, row: WebhookEndpoint) -> HttpResponse:
    changed, secret = webhooks.rotate_secret(by=signed_in(request), endpoint=row)
    return _detail(request, changed, secret=secret, status=201)


@login_required
@require_POST
@_deleted_is_not_found
def switch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Off if it is on, on if it is off; `on` says which, so that a second click undoes nothing."""
    row = _own(request, pk)
    is_enabled = request.POST.get("on") == "1"
    webhooks.change_endpoint(by=signed_in(request), endpoint=row, is_enabled=is_enabled)
    return redirect("webhook", pk=row.pk)


@login_required
@require_POST
@_deleted_is_not_found
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = _own(request, pk)
    webhooks.delete_endpoint(by=signed_in(request), endpoint=row)
    messages.success(request, _("The webhook is deleted."))
    return redirect("webhooks")


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True)
def callbacks(request: HttpRequest) -> HttpResponse:
    """What signs and logs the callbacks of single submissions; POST makes a new secret."""
    user = signed_in(request)
    row = WebhookEndpoint.objects.filter(owner=user, is_for_callbacks=True).first()
    if request.method == "GET":
        return _callbacks(request, row)
    row, secret = webhooks.rotate_callback_secret(by=user)
    return _callbacks(request, row, secret=secret, status=201)


@login_required
@require_POST
def resend(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    rows = WebhookDelivery.objects.of(user).select_related("endpoint")
    delivery = get_object_or_404(rows, pk=pk)
    try:
        webhooks.resend(by=user, delivery=delivery)
        messages.success(request, _("It is being sent again."))
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return redirect(_address(delivery.endpoint))


@login_required
@require_POST
def resend_failed(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    row = get_object_or_404(WebhookEndpoint.objects.filter(owner=user, deleted_at=None), pk=pk)
    try:
        count = webhooks.resend_failed(by=user, endpoint=row)
        sentence = ngettext(
            "%(count)d delivery is being sent again.",
            "%(count)d deliveries are being sent again.",
            count,
        )
        messages.success(request, sentence % {"count": count})
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return redirect(_address(row))


def _own(request: HttpRequest, pk: uuid.UUID) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.receivers_of(signed_in(request)).select_related("owner")
    return get_object_or_404(rows, pk=pk)


def _address(row: WebhookEndpoint) -> str:
    return (
        reverse("webhook_callbacks") if row.is_for_callbacks else reverse("webhook", args=[row.pk])
    )


def _list(
    request: HttpRequest, user: User, form: EndpointForm, *, status: int = 200
) -> HttpResponse:
    rows = WebhookEndpoint.objects.receivers_of(user)
    context = {
        "form": form,
        "endpoints": [(row, urlsplit(row.url).hostname, _events(row)) for row in rows],
        "has_room": len(rows) < webhooks.MAX_ENDPOINTS,
        "most": webhooks.MAX_ENDPOINTS,
    }
    return render(request, "detection/webhook_list.html", context, status=status)


def _detail(
    request: HttpRequest,
    row: WebhookEndpoint,
    *,
    form: EndpointForm | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    initial = {"url": row.url, "events": row.events, "description": row.description}
    context = {
        "endpoint": row,
        "here": _address(row),
        "host": urlsplit(row.url).hostname,
        "events": _events(row),
        "form": form or EndpointForm(initial=initial, label_suffix=""),
        "secret": secret,
        **_log(request, row),
    }
    return render(request, "detection/webhook_detail.html", context, status=status)


def _callbacks(
    request: HttpRequest, row: WebhookEndpoint | None, *, secret: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "endpoint": row,
        "here": reverse("webhook_callbacks"),
        "secret": secret,
        **_log(request, row),
    }
    return render(request, "detection/webhook_callbacks.html", context, status=status)


def _log(request: HttpRequest, row: WebhookEndpoint | None) -> dict[str, Any]:
    """One page of what was told to an endpoint."""
    wanted = request.GET.get("status", "")
    wanted = wanted if wanted in WebhookDelivery.Status.values else ""
    cursor = request.GET.get("cursor", "")
    told: WebhookDeliveryQuerySet = WebhookDelivery.objects.filter(endpoint=row)
    found: Page[WebhookDelivery] = page(
        told.filter(status=wanted) if wanted else told, cursor=cursor, size=PAGE_SIZE
    )
    return {
        "deliveries": delivery_rows(found.rows),
        "next_cursor": found.next_cursor,
        "is_first_page": not cursor,
        "statuses": WebhookDelivery.Status.choices,
        "status": wanted,
        "has_failed": row is not None and row.disabled_at is None and told.resendable().exists(),
    }


def _events(row: WebhookEndpoint) -> list[str]:
    return [str(label) for code, label in Event.choices if code in row.events]
