"""The machine room for administrators: what runs, what waits, what failed and is tried again."""

import uuid

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import administrator_required, signed_in
from detection.models import Detection
from detection.operations_presentation import page_of
from detection.services import failures
from detection.services.operations import operations
from detection.services.waiting import retry_detection
from detection.words import failure_sentence

USUAL_RETRIES = 50


class RetryForm(forms.Form):
    """How many of the failures of one code are to be queued again."""

    at_most = forms.IntegerField(
        label=gettext_lazy("How many, the oldest first?"),
        min_value=1,
        max_value=failures.MOST_AT_ONCE,
        initial=USUAL_RETRIES,
    )


@never_cache
@administrator_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    code, cursor = request.GET.get("code", ""), request.GET.get("cursor", "")
    user = signed_in(request)
    found = operations(by=user, code=code, cursor=cursor)
    context = {**page_of(found, user), "code": code, "is_first_page": not cursor}
    return render(request, "detection/operations.html", context)


@administrator_required
@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Queue one failed detection again, whosever image it is: nothing of it is shown."""
    row = get_object_or_404(Detection.objects.select_related("image__owner"), pk=pk)
    is_worth = row.failure_code in failures.WORTH_RETRYING
    if is_worth and retry_detection(by=signed_in(request), detection=row):
        messages.success(request, _("It is queued again."))
    else:
        messages.error(request, _("It is not failed any more, or another try cannot help."))
    return redirect("operations")


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def retry_many(request: HttpRequest) -> HttpResponse:
    """Ask first, by a page of its own, and then queue again what failed with one code."""
    code = request.GET.get("code", "")
    if code not in failures.WORTH_RETRYING:
        raise BadRequest("code must be one after which another try may help")
    form = RetryForm(request.POST if request.method == "POST" else None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        count = failures.retry_failed(
            by=signed_in(request), code=code, at_most=form.cleaned_data["at_most"]
        )
        sentence = ngettext("%(count)s is queued again.", "%(count)s are queued again.", count)
        messages.success(request, sentence % {"count": count})
        return redirect("operations")
    context = {"form": form, "words": failure_sentence(code), "most": failures.MOST_AT_ONCE}
    status = 400 if form.is_bound else 200
    return render(request, "detection/operations_retry.html", context, status=status)
