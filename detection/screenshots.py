"""The photograph inside a screenshot, looked for once an image and kept beside its previews."""

import json
import uuid
from pathlib import Path

import PIL.Image

from detection import previews, storage
from detection.errors import StorageAway
from detection.evidence.screenshot import VERSION, Shares, photograph_inside
from detection.models import Image


def photograph_in(image: Image) -> Shares | None:
    """Looked for in the preview, if it was made; that costs 12 ms of processor time."""
    kept = storage.photograph_path(image.pk, VERSION)
    try:
        found = json.loads(storage.read(kept))
    except (OSError, ValueError):
        return _look(image.pk, kept)
    except StorageAway:  # the page goes on without it
        return None
    return tuple(found) if found else None


def _look(image_id: uuid.UUID, kept: Path) -> Shares | None:
    path = storage.preview_path(image_id, previews.PREVIEW_SIDES[0])
    try:
        with storage.opened(path) as file, PIL.Image.open(file, formats=["JPEG"]) as preview:
            found = photograph_inside(preview)
        storage.write_beside(kept, json.dumps(found).encode())
    except (OSError, StorageAway):
        return None
    return found
