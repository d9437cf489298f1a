"""Images whose truth is known, by which reviewers and models are measured; for administrators."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import administrator_required, signed_in
from detection.errors import Refused
from detection.models import GoldenImage
from detection.review_presentation import golden_rows
from detection.services import review_golden
from detection.web.detection_page import visible
from detection.web.review_desk import look_of
from detection.web.review_forms import GoldenForm

PAGE = 50


@never_cache
@administrator_required
@require_GET
def golden_images(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    found = GoldenImage.objects.select_related("image", "added_by").newest_first()
    pages = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "rows": golden_rows(list(pages), user),
        "pages": pages,
        "total": pages.paginator.count,
        "in_use": GoldenImage.objects.filter(retired_at=None).count(),
        "look": look_of(request),
    }
    return render(request, "review/golden.html", context)


@never_cache
@administrator_required
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """From a detection's page: its truth is known."""
    detection = visible(request, pk)
    form, refusal, status = GoldenForm(request.POST or None), "", 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                review_golden.add(by=signed_in(request), detection=detection, **form.cleaned_data)
            except Refused as error:
                refusal, status = str(error), error.status
            else:
                messages.success(request, _("From now on it is handed to reviewers now and then."))
                return redirect("review_golden")
    context = {"detection": detection, "image": detection.image, "form": form, "refusal": refusal}
    return render(request, "review/golden_new.html", context, status=status)


@administrator_required
@require_POST
def retire(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    review_golden.retire(by=signed_in(request), golden=get_object_or_404(GoldenImage, pk=pk))
    messages.success(request, _("Retired: it is handed to nobody any more."))
    return redirect("review_golden")
