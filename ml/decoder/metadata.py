"""A bounded part of what a file says about itself, as plain text and numbers."""

import math
import unicodedata
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

MAX_TEXT = 300
MAX_LONG_TEXT = 2000  # generators keep their prompt in a text chunk
MAX_ENTRIES = 16

_MAIN = (
    Base.Make,
    Base.Model,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
    Base.ImageDescription,
    Base.HostComputer,
    Base.Orientation,
)
_PHOTO = (
    Base.DateTimeOriginal,
    Base.DateTimeDigitized,
    Base.OffsetTimeOriginal,
    Base.LensMake,
    Base.LensModel,
    Base.ExposureTime,
    Base.FNumber,
    Base.ISOSpeedRatings,
    Base.FocalLength,
    Base.BodySerialNumber,
)
# What Pillow raises on damaged EXIF, seen over bit-flipped files.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError)


def read(image: Image.Image) -> tuple[int, dict[str, Any]]:
    """EXIF orientation (1 unless 2 to 8), and what is kept of the metadata.

    The keys are `exif`, `gps`, `text` and, when something could not be parsed, `exif_damaged`.
    """
    orientation: Any = 1
    found: dict[str, Any] = {}
    damaged = False
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        try:
            exif = _exif(image)
            orientation = exif.get(Base.Orientation)
            found = _of_exif(exif)
        except _DAMAGE:
            damaged = True
    found |= {"text": _text_chunks(image.info), "exif_damaged": damaged or bool(complaints)}
    known = isinstance(orientation, int) and 2 <= orientation <= 8
    return orientation if known else 1, {key: value for key, value in found.items() if value}


def _exif(image: Image.Image) -> Image.Exif:
    """Not `getexif()`, which also takes an orientation from XMP: browsers do not."""
    exif = Image.Exif()
    raw = image.info.get("exif")
    if isinstance(raw, bytes):
        exif.load(raw)
    return exif


def _of_exif(exif: Image.Exif) -> dict[str, Any]:
    photo = exif.get_ifd(IFD.Exif)
    values = _named(exif, _MAIN) | _named(photo, _PHOTO)
    return {"exif": values, "gps": _position(exif.get_ifd(IFD.GPSInfo))}


def _named(tags: Mapping[int, Any], wanted: tuple[Base, ...]) -> dict[str, str]:
    return {tag.name: text for tag in wanted if (text := _clean(tags.get(tag), MAX_TEXT))}


def _position(gps: Mapping[int, Any]) -> dict[str, float]:
    """Decimal degrees, north and east positive; empty unless both are there and possible."""
    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef) == "S")
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef) == "W")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return {}
    return {"latitude": latitude, "longitude": longitude}


def _degrees(parts: Any, negative: bool) -> float | None:
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value):
        return None
    return round(-value if negative else value, 6)


def _text_chunks(info: Mapping[Any, Any]) -> dict[str, str]:
    """PNG text chunks, JPEG and GIF comments."""
    entries = [(k, v) for k, v in info.items() if isinstance(v, str) or k == "comment"]
    return {
        _clean(key, 80): text
        for key, value in entries[:MAX_ENTRIES]
        if (text := _clean(value, MAX_LONG_TEXT))
    }


def _clean(value: Any, limit: int) -> str:
    """One line of printable text, cut at the limit."""
    if value is None:
        return ""
    text = value[: limit * 4].decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    line = "".join(" " if c in "\r\n\t" else c for c in text[: limit * 2])
    kept = (c for c in line if unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co"))
    return "".join(kept).strip()[:limit]
