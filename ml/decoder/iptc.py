"""A bounded part of an IPTC block (IIM datasets), as Photoshop resources carry it in a JPEG."""

import struct
from collections.abc import Iterator
from typing import Any

from ml.decoder.text import MAX_TEXT, cleaned

RESOURCE = 0x0404
MAX_DATASETS = 2000
_UTF8 = b"\x1b%G"
_NAMES = {
    5: "ObjectName",
    25: "Keywords",
    40: "SpecialInstructions",
    55: "DateCreated",
    60: "TimeCreated",
    62: "DigitalCreationDate",
    63: "DigitalCreationTime",
    65: "OriginatingProgram",
    70: "ProgramVersion",
    80: "Byline",
    85: "BylineTitle",
    90: "City",
    101: "Country",
    103: "TransmissionReference",
    105: "Headline",
    110: "Credit",
    115: "Source",
    116: "CopyrightNotice",
    118: "Contact",
    120: "Caption",
    122: "CaptionWriter",
}


def read(block: bytes) -> dict[str, Any]:
    """`iptc` by dataset, repeated ones joined, and `iptc_damaged` when it breaks off."""
    found: dict[str, str] = {}
    encoding, damaged = "utf-8", False
    try:
        for record, dataset, value in _datasets(block):
            if (record, dataset) == (1, 90):
                encoding = "utf-8" if value == _UTF8 else "latin-1"
            elif record == 2 and (name := _NAMES.get(dataset)):
                text = cleaned(_decoded(value, encoding), MAX_TEXT)
                found[name] = f"{found[name]}; {text}"[:MAX_TEXT] if name in found else text
    except (struct.error, ValueError, IndexError):
        damaged = True
    kept = {"iptc": {name: text for name, text in found.items() if text}, "iptc_damaged": damaged}
    return {key: value for key, value in kept.items() if value}


def _datasets(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    for _ in range(MAX_DATASETS):
        if at >= len(block) or not block[at : at + 5].strip(b"\0"):
            return
        marker, record, dataset, length = struct.unpack_from(">BBBH", block, at)
        if marker != 0x1C or length & 0x8000 or at + 5 + length > len(block):
            raise ValueError("not a dataset")
        yield record, dataset, block[at + 5 : at + 5 + length]
        at += 5 + length
    raise ValueError("too many datasets")


def _decoded(value: bytes, encoding: str) -> str:
    value = value[: 4 * MAX_TEXT]
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return value.decode("latin-1")
