"""Evidence that is drawn when somebody asks for it."""

import PIL.Image

from detection import detector, previews, storage
from detection.evidence.heatmap import draw_heatmap
from detection.models import Detection
from ml.errors import DecoderUnavailable, UnreadableImage

HEATMAP_SIDE = previews.PREVIEW_SIDES[0]


def heatmap(detection: Detection) -> bytes | None:
    """PNG to lie over the larger preview; None where there is no map, or nothing to lay it on."""
    cells = detection.activation_map() if detection.has_heatmap else None
    if cells is None:
        return None
    try:
        path = previews.preview(detection.image, HEATMAP_SIDE)
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        return None
    with storage.opened(path) as file, PIL.Image.open(file, formats=["JPEG"]) as preview:
        size = preview.size
    return draw_heatmap(cells, detection.faces, size)
