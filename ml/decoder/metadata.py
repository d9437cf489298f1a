"""A bounded part of what a file says about itself, as plain text and numbers."""

import codecs
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from ml.decoder.text import MAX_TEXT, both_ends, cleaned

MAX_LONG_TEXT = 2000  # generators keep their prompt in a text chunk
MAX_ENTRIES = 16

_MAIN = (
    Base.Make,
    Base.Model,
    Base.Software,
    Base.ProcessingSoftware,
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
    Base.OffsetTime,
    Base.OffsetTimeOriginal,
    Base.OffsetTimeDigitized,
    Base.CameraOwnerName,
    Base.LensMake,
    Base.LensModel,
    Base.LensSerialNumber,
    Base.ExposureTime,
    Base.FNumber,
    Base.ISOSpeedRatings,
    Base.FocalLength,
    Base.BodySerialNumber,
)
# What Pillow raises on damaged EXIF, seen over bit-flipped files.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError)


_NOT_TEXT = ("XML:com.adobe.xmp", "Raw profile type")  # read as what they are, or not at all
_COMMENT_ENCODINGS = {b"UNICODE\0": ("utf-16-be", "utf-16-le"), b"ASCII\0\0\0": ("ascii",)}
for _encodings in _COMMENT_ENCODINGS.values():
    for _encoding in _encodings:
        codecs.lookup(_encoding)  # loaded now: a decode may open no file


@dataclass(frozen=True)
class Metadata:
    """What was read of it.

    Attributes:
        orientation: 1 unless EXIF says 2 to 8.
        kept: `exif`, `gps`, `text` and, when something could not be parsed, `exif_damaged`.
        exif: as Pillow parsed it; empty where it could not.
    """

    orientation: int
    kept: dict[str, Any]
    exif: Image.Exif


def read(image: Image.Image) -> Metadata:
    """EXIF orientation, and a bounded part of EXIF and of the text chunks."""
    orientation: Any = 1
    found: dict[str, Any] = {}
    exif, damaged = Image.Exif(), False
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
    kept = {key: value for key, value in found.items() if value}
    return Metadata(orientation if known else 1, kept, exif)


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
    if comment := _comment(photo.get(Base.UserComment)):
        values["UserComment"] = comment
    gps = exif.get_ifd(IFD.GPSInfo)
    if moment := _moment(gps):
        values["GPSDateTime"] = moment
    return {"exif": values, "gps": _position(gps)}


def _named(tags: Mapping[int, Any], wanted: tuple[Base, ...]) -> dict[str, str]:
    return {tag.name: text for tag in wanted if (text := cleaned(tags.get(tag), MAX_TEXT))}


def _comment(value: Any) -> str:
    """Eight bytes name its encoding; where generators of pictures keep their prompt in a JPEG."""
    if not isinstance(value, bytes):
        return both_ends(value or "", MAX_LONG_TEXT)
    body = value[8 : 1 << 16]
    for encoding in _COMMENT_ENCODINGS.get(value[:8], ("utf-8",)):
        text = body.decode(encoding, "replace").strip("\0 ")
        if text and sum(c.isascii() for c in text) * 2 >= len(text):
            return both_ends(text, MAX_LONG_TEXT)
    return ""


def _moment(gps: Mapping[int, Any]) -> str:
    """Date and time that the satellites gave, in UTC, written as EXIF writes dates."""
    date, time = cleaned(gps.get(GPS.GPSDateStamp), 10), gps.get(GPS.GPSTimeStamp)
    if not date:
        return ""
    if not isinstance(time, tuple) or len(time) != 3:
        return date
    hours, minutes, seconds = (float(part) for part in time)
    if not all(0 <= part < 61 for part in (hours, minutes, seconds)):
        return date
    return f"{date} {int(hours):02}:{int(minutes):02}:{int(seconds):02}"


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
    entries = [
        (key, value)
        for key, value in info.items()
        if (isinstance(value, str) or key == "comment") and not str(key).startswith(_NOT_TEXT)
    ]
    return {
        cleaned(key, 80): text
        for key, value in entries[:MAX_ENTRIES]
        if (text := both_ends(value, MAX_LONG_TEXT))
    }
