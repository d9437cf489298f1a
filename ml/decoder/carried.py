"""What a file carries beside pixels, EXIF and text chunks: a bounded part, each piece by itself.

A piece that cannot be read is left out; it never stops the picture from being decoded.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, JpegImagePlugin

from ml.decoder import iptc, jpeg_tables, jumbf, thumbnail, trailing, xmp
from ml.decoder.ending import Data
from ml.decoder.facts import FILE_READ
from ml.decoder.metadata import Metadata
from ml.decoder.text import cleaned

MAX_IPTC_BYTES = 1 << 18
# What Pillow and the library under it were seen to raise on damaged bytes.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError)
Facts = dict[str, Any]


def of_file(
    image: Image.Image,
    data: Data,
    *,
    name: str,
    described: Metadata,
    picture: Image.Image,
    turned: Image.Transpose | None,
    trailing_bytes: int,
) -> Facts:
    """XMP, IPTC, thumbnail, JPEG tables, name of the profile, kind of the bytes after the end.

    Args:
        image: as Pillow opened and loaded it.
        data: the whole file.
        name: its format, as `ml.header` names it.
        picture: its pixels, not yet turned.
        turned: how they are turned for display; None for not at all.
    """
    found: Facts = {"read": FILE_READ}
    pieces: tuple[Callable[[], Facts], ...] = (
        lambda: _xmp(image),
        lambda: _iptc(image),
        lambda: _tables(image),
        lambda: _profile(image),
        lambda: _thumbnail(image, described, picture, turned),
        lambda: {"trailing_kind": trailing.kind(data, trailing_bytes)},
        lambda: {"has_credentials": jumbf.is_there(data, name)},
    )
    for piece in pieces:
        found |= {key: value for key, value in _or_nothing(piece).items() if value}
    return found


def _or_nothing(piece: Callable[[], Facts]) -> Facts:
    try:
        return piece()
    except _DAMAGE:
        return {}


def _xmp(image: Image.Image) -> Facts:
    packet = image.info.get("xmp")
    return xmp.read(packet) if isinstance(packet, bytes) and packet else {}


def _iptc(image: Image.Image) -> Facts:
    resources = image.info.get("photoshop")
    block = resources.get(iptc.RESOURCE) if isinstance(resources, dict) else None
    return iptc.read(block[:MAX_IPTC_BYTES]) if isinstance(block, bytes) else {}


def _tables(image: Image.Image) -> Facts:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return {}
    return {"jpeg": jpeg_tables.read(image.quantization)}


def _profile(image: Image.Image) -> Facts:
    if not (profile := image.info.get("icc_profile")):
        return {}
    opened = ImageCms.ImageCmsProfile(BytesIO(profile)).profile
    return {"icc_name": cleaned(opened.profile_description, 80)}


def _thumbnail(
    image: Image.Image, described: Metadata, picture: Image.Image, turned: Image.Transpose | None
) -> Facts:
    small = thumbnail.of_exif(described.exif, image.info.get("exif"))
    return {"thumbnail": thumbnail.compared(small, picture, turned)} if small else {}
