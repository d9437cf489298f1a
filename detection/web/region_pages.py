"""Have a part of an image judged, and see what became of it."""

import uuid

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import signed_in
from detection import detector, previews, storage
from detection.errors import Refused
from detection.models import Region
from detection.region_presentation import region_card
from detection.sandbox import FOR_TEN_MINUTES, sandboxed
from detection.services import regions
from detection.web.detection_page import visible
from ml.errors import DecoderUnavailable, UnreadableImage


class PartForm(forms.Form):
    """A part of the picture in percent of its width and height."""

    left = forms.FloatField()
    top = forms.FloatField()
    width = forms.FloatField()
    height = forms.FloatField()

    def shares(self) -> list[float]:
        return [self.cleaned_data[name] / 100 for name in ("left", "top", "width", "height")]


@login_required
@require_POST
def judge(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    detection = visible(request, pk)
    form = PartForm(request.POST, use_required_attribute=False)
    if not form.is_valid():
        messages.error(request, _("Give four numbers in percent: left, top, width and height."))
        return _back(pk)
    try:
        regions.request(by=signed_in(request), detection=detection, box=form.shares())
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return _back(pk)


@never_cache
@login_required
@require_GET
def card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One part alone, which the page asks for again until its verdict is there."""
    return render(request, "detection/_region_card.html", {"part": region_card(_seen(request, pk))})


@login_required
@require_GET
def preview(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    """A JPEG of the part, rebuilt from its pixels; 404 where nothing could be decoded."""
    region = _seen(request, pk)
    image = region.detection.image
    path = storage.region_path(image.pk, region.pk)
    if not storage.exists(path):
        try:
            pixels = detector.decode_part(image, region.box_px)
        except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
            raise Http404 from None
        previews.write_part_preview(image.pk, region.pk, pixels)
    response = FileResponse(storage.opened(path), content_type="image/jpeg")
    return sandboxed(response, cache_control=FOR_TEN_MINUTES)


@login_required
@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    region = _seen(request, pk)
    regions.retry(by=signed_in(request), region=region)
    return _back(region.detection_id)


def _seen(request: HttpRequest, pk: uuid.UUID) -> Region:
    """The part, for somebody who may see its image; else 404."""
    return get_object_or_404(Region.objects.visible_to(signed_in(request)).with_detection(), pk=pk)


def _back(detection_id: uuid.UUID) -> HttpResponse:
    return redirect(reverse("detection", args=[detection_id]) + "#parts")
