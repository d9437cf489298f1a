"""Small pictures made anew from an image's pixels: no metadata of the file survives in them."""

import io
import uuid
from pathlib import Path

import numpy as np
import PIL.Image

from detection import detector, storage
from detection.models import Image

PREVIEW_SIDES = (1024, 320)


def write_previews(image: Image, pixels: np.ndarray) -> None:
    """Rebuild the previews of an image from its pixels: no metadata of the original survives.

    JPEG, because WebP costs ten times the processor time (80 ms for both sizes of a 1 megapixel
    picture) that the next image in the queue would wait for.
    """
    picture = PIL.Image.fromarray(pixels)
    for side in PREVIEW_SIDES:
        picture.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
        path = storage.preview_path(image.pk, side)
        if not storage.exists(path):
            storage.write_atomically(path, _encoded(picture))


def write_part_preview(image_id: uuid.UUID, region_id: uuid.UUID, pixels: np.ndarray) -> Path:
    """Rebuild the small preview of one part from its pixels."""
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((PREVIEW_SIDES[-1], PREVIEW_SIDES[-1]), PIL.Image.Resampling.LANCZOS)
    path = storage.region_path(image_id, region_id)
    storage.write_atomically(path, _encoded(picture))
    return path


def labelled_preview(sha256: str) -> Path:
    """Small preview of a labelled file, made now if nobody has looked at it yet.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable: nothing to show.
        OriginalMissing: the file is gone.
    """
    path, source = storage.labelled_preview_path(sha256), storage.labelled_path(sha256)
    if not storage.exists(source):
        raise detector.OriginalMissing(sha256)
    if not storage.exists(path):
        with storage.local(source) as file:
            picture = PIL.Image.fromarray(detector.decode_file(file).pixels)
        picture.thumbnail((PREVIEW_SIDES[-1], PREVIEW_SIDES[-1]), PIL.Image.Resampling.LANCZOS)
        storage.write_atomically(path, _encoded(picture))
    return path


def preview(image: Image, side: int) -> Path:
    """File of one preview, made now if the worker has not made it yet.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable, OriginalMissing: nothing to show.
    """
    path = storage.preview_path(image.pk, side)
    if not storage.exists(path):
        write_previews(image, detector.decode(image).pixels)
    return path


def thumbnail(image: Image) -> bytes:
    """The thumbnail that the file embeds, as a PNG made anew from its pixels.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable, OriginalMissing: nothing to show.
    """
    pixels = detector.decode_thumbnail(image)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _encoded(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
