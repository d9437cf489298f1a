"""The pictures of a report: drawn anew from pixels, so that no metadata of the original is in them.

Each layer is one function that gives one picture or none; `LAYERS` is their order in the report.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import PIL.Image
from django.utils.translation import gettext as _

from detection import detector
from detection.explanation import overlay
from detection.models import Detection
from detection.services import evidence
from ml.errors import DecoderUnavailable, UnreadableImage

SIDE = detector.PREVIEW_SIDES[0]
QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """One picture of a report.

    Attributes:
        name: short and stable, a part of file names.
        caption: in the language of the report.
        jpeg: its bytes, without metadata.
    """

    name: str
    caption: str
    jpeg: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()


def pictures_of(detection: Detection) -> list[Picture]:
    """What there is to show; nothing where the original cannot be decoded any more."""
    return [picture for layer in LAYERS if (picture := layer(detection)) is not None]


def _preview(detection: Detection) -> Picture | None:
    pixels = _pixels(detection)
    if pixels is None:
        return None
    caption = _("The picture, reduced and drawn anew from its pixels. It is not the original file.")
    shown = overlay(detection)
    if shown is not None and not shown.has_marks:
        unmarked = _("No part is marked: nowhere did the model find signs that stand out.")
        caption = f"{caption} {unmarked}"
    return Picture("preview", caption, _encoded(pixels))


def _marks(detection: Detection) -> Picture | None:
    shown = overlay(detection)
    if shown is None or not shown.has_marks:
        return None
    pixels, heatmap = _pixels(detection), evidence.heatmap(detection)
    if pixels is None or heatmap is None:
        return None
    with PIL.Image.open(io.BytesIO(heatmap), formats=["PNG"]) as marks:
        marked = PIL.Image.alpha_composite(pixels.convert("RGBA"), marks.convert("RGBA"))
    caption = _(
        "Marked: where the model found signs of manipulation. It shows where it looked, not what"
        " was changed."
    )
    return Picture("marks", caption, _encoded(marked.convert("RGB")))


LAYERS: tuple[Callable[[Detection], Picture | None], ...] = (_preview, _marks)


def _pixels(detection: Detection) -> PIL.Image.Image | None:
    try:
        path = detector.preview(detection.image, SIDE)
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        return None
    with PIL.Image.open(path, formats=["JPEG"]) as preview:
        return preview.convert("RGB")


def _encoded(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.frombytes("RGB", picture.size, picture.tobytes()).save(
        buffer, "JPEG", quality=QUALITY
    )
    return buffer.getvalue()
