"""The stored picture of a layer as an answer, for page and API."""

from django.http import FileResponse, Http404

from detection import storage
from detection.models import EvidenceLayer
from detection.sandbox import FOR_TEN_MINUTES, sandboxed


def layer_file(row: EvidenceLayer | None) -> FileResponse:
    """The PNG of a layer that is done.

    Raises:
        Http404: there is none.
    """
    if row is None or row.status != EvidenceLayer.Status.DONE:
        raise Http404
    try:
        file = storage.opened(storage.layer_path(row.image_id, row.kind, row.version))
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(file, content_type="image/png")
    return sandboxed(response, cache_control=FOR_TEN_MINUTES)
