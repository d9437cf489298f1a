"""Whether a file carries content credentials (C2PA), by its structure alone.

The library that reads them is called only then; asking it about every file costs more.
"""

import struct
from collections.abc import Iterator

from ml.decoder.ending import Data

MAX_PARTS = 100_000
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_GIF_EXTENSION = b"\x21\xff\x0bC2PA_GIF"


def is_there(data: Data, name: str) -> bool:
    """True for a JUMBF box where C2PA puts one in that format."""
    try:
        return _holds(data, name)
    except (struct.error, IndexError):
        return False


def _holds(data: Data, name: str) -> bool:
    if name == "JPEG":
        return any(
            marker == 0xEB and data[at : at + 2] == b"JP" and b"c2pa" in data[at : at + 128]
            for marker, at in _jpeg_segments(data)
        )
    if name == "PNG":
        return any(kind == b"caBX" for kind in _png_chunks(data))
    if name == "WEBP":
        return any(kind == b"C2PA" for kind in _webp_chunks(data))
    if name == "GIF":
        return data.find(_GIF_EXTENSION) >= 0
    return any(
        kind == b"uuid" and data[at : at + 16] == _C2PA_UUID for kind, at in _isobmff_boxes(data)
    )


def _jpeg_segments(data: Data) -> Iterator[tuple[int, int]]:
    """(marker, where its content begins) up to the first scan."""
    at = 2
    for _ in range(MAX_PARTS):
        if data[at] != 0xFF or data[at + 1] in (0xDA, 0xD9):
            return
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        yield data[at + 1], at + 4
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])


def _png_chunks(data: Data) -> Iterator[bytes]:
    at = 8
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind
        at += 12 + length


def _webp_chunks(data: Data) -> Iterator[bytes]:
    at = 12
    for _ in range(MAX_PARTS):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind
        at += 8 + length + (length & 1)


def _isobmff_boxes(data: Data) -> Iterator[tuple[bytes, int]]:
    at = 0
    for _ in range(MAX_PARTS):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        yield kind, at + head
        if size < head:
            return
        at += size
