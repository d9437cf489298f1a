"""Bytes of images: previews rebuilt from pixels, heatmaps, originals as downloads only."""

import uuid

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.permissions import signed_in
from detection import detector, previews, storage
from detection.models import Detection, Image
from detection.sandbox import FOR_TEN_MINUTES, sandboxed
from detection.services import evidence
from ml.errors import DecoderUnavailable, UnreadableImage


@login_required
@require_GET
def preview(request: HttpRequest, pk: uuid.UUID, side: int) -> FileResponse:
    """A JPEG without any metadata of the original; 404 where nothing could be decoded."""
    image = _visible(request, pk)
    if side not in previews.PREVIEW_SIDES:
        raise Http404
    try:
        path = previews.preview(image, side)
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        raise Http404 from None
    response = FileResponse(storage.opened(path), content_type="image/jpeg")
    return sandboxed(response, cache_control=FOR_TEN_MINUTES)


@login_required
@require_GET
def heatmap(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Where the model found signs of manipulation: a transparent PNG as large as the preview."""
    rows = Detection.objects.visible_to(signed_in(request)).select_related("image")
    png = evidence.heatmap(get_object_or_404(rows, pk=pk))
    if png is None:
        raise Http404
    return sandboxed(HttpResponse(png, content_type="image/png"), cache_control=FOR_TEN_MINUTES)


@login_required
@require_GET
def thumbnail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The thumbnail that the file embeds, rebuilt from its pixels; 404 where there is none."""
    image = _visible(request, pk)
    try:
        png = previews.thumbnail(image)
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        raise Http404 from None
    return sandboxed(HttpResponse(png, content_type="image/png"), cache_control=FOR_TEN_MINUTES)


@login_required
@require_GET
def original(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    """The unaltered bytes as a download; every look at an original is recorded."""
    image = _visible(request, pk)
    try:
        file = storage.opened(storage.original_path(image.pk))
    except FileNotFoundError:
        raise Http404 from None
    with transaction.atomic():
        audit.record(
            "image.downloaded",
            actor=signed_in(request),
            target=image,
            owner=image.owner,
            target_sha256=image.sha256,
        )
    response = FileResponse(
        file,
        as_attachment=True,
        filename=f"{image.sha256[:16]}.{image.format.lower()}",
        content_type="application/octet-stream",
    )
    return sandboxed(response, cache_control="no-store")


def _visible(request: HttpRequest, pk: uuid.UUID) -> Image:
    rows = Image.objects.visible_to(signed_in(request)).select_related("owner")
    return get_object_or_404(rows, pk=pk)
