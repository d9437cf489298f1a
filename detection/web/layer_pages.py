"""Layers of evidence: the section of the page, asking for one, and its picture."""

import uuid

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.permissions import signed_in
from detection.errors import Refused
from detection.evidence.methods import METHODS
from detection.layer_file import layer_file
from detection.layer_presentation import LayersView, layers_view
from detection.models import Detection
from detection.services import layers


def chosen_layers(request: HttpRequest, detection: Detection) -> LayersView | None:
    """For the page; an unknown layer in the address shows the picture alone."""
    return layers_view(detection, request.GET.get("layer", ""))


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def section(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The section alone, which the page asks for again; or have one layer drawn."""
    row = _visible(request, pk)
    if request.method == "POST":
        return _ask(request, row)
    context = {"detection": row, "image": row.image, "layers": chosen_layers(request, row)}
    return render(request, "detection/_layers.html", context)


@login_required
@require_GET
def picture(request: HttpRequest, pk: uuid.UUID, kind: str) -> FileResponse:
    """The PNG of one layer; 404 where it was not drawn."""
    if kind not in METHODS:
        raise Http404
    return layer_file(layers.of_image(_visible(request, pk).image).get(kind))


def _ask(request: HttpRequest, row: Detection) -> HttpResponse:
    kind = request.POST.get("kind", "")
    if kind not in METHODS:
        raise BadRequest("There is no such layer.")
    try:
        layers.ask(image=row.image, kind=kind)
    except Refused:  # erased in this moment
        raise Http404 from None
    return redirect(f"{reverse('detection', args=[row.pk])}?layer={kind}#layers")


def _visible(request: HttpRequest, pk: uuid.UUID) -> Detection:
    rows = Detection.objects.visible_to(signed_in(request)).select_related("image")
    return get_object_or_404(rows, pk=pk)
