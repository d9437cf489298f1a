"""The pictures of a report: drawn anew from pixels, so that no metadata of the original is in them.

Each of the first is one function that gives one picture or none, in the order of `SHOWN`; the
layers of evidence that somebody had drawn follow, smaller.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import PIL.Image
from django.utils.translation import gettext as _

from detection import detector, previews, storage
from detection.explanation import overlay
from detection.layer_presentation import LAID, OVER
from detection.layer_words import LAYERS as LAYER_WORDS
from detection.models import Detection, EvidenceLayer
from detection.services import evidence, layers
from ml.errors import DecoderUnavailable, UnreadableImage

SIDE = previews.PREVIEW_SIDES[0]
LAYER_SIDE = 480  # five of them take some 200 kB at most
LAYER = "layer-"  # the names of their pictures begin so
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
    return [picture for draw in SHOWN if (picture := draw(detection)) is not None]


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


SHOWN: tuple[Callable[[Detection], Picture | None], ...] = (_preview, _marks)


def layer_pictures_of(detection: Detection) -> list[Picture]:
    """The layers of evidence that were drawn before, small; marks lie over the picture."""
    rows = layers.of_image(detection.image)
    shown = (rows[kind] for kind in LAID if kind in rows and layers.is_there(rows[kind]))
    return [picture for row in shown if (picture := _layer(detection, row)) is not None]


def _layer(detection: Detection, row: EvidenceLayer) -> Picture | None:
    below = _pixels(detection) if LAID[row.kind] == OVER else None
    if below is None and LAID[row.kind] == OVER:
        return None
    path = storage.layer_path(row.image_id, row.kind, row.version)
    try:
        with storage.opened(path) as file, PIL.Image.open(file, formats=["PNG"]) as picture:
            drawn = picture.convert("RGBA")
    except FileNotFoundError:  # disposable: gone since it was looked for
        return None
    drawn.thumbnail((LAYER_SIDE, LAYER_SIDE), PIL.Image.Resampling.LANCZOS)
    under = below.resize(drawn.size) if below else PIL.Image.new("RGB", drawn.size)
    under.paste(drawn, mask=drawn.getchannel("A"))
    caption = f"{EvidenceLayer.Kind(row.kind).label}. {LAYER_WORDS[row.kind].reads}"
    return Picture(f"{LAYER}{row.kind}", caption, _encoded(under))


def _pixels(detection: Detection) -> PIL.Image.Image | None:
    try:
        path = previews.preview(detection.image, SIDE)
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        return None
    with storage.opened(path) as file, PIL.Image.open(file, formats=["JPEG"]) as preview:
        return preview.convert("RGB")


def _encoded(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.frombytes("RGB", picture.size, picture.tobytes()).save(
        buffer, "JPEG", quality=QUALITY
    )
    return buffer.getvalue()
