"""Where an image ends inside its file, so that bytes after it can be told."""

import re
import struct
from collections.abc import Callable
from mmap import mmap

Data = bytes | mmap
# A marker inside entropy-coded data: not stuffing (00), not a restart (D0-D7), not a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


def image_end(data: Data, name: str) -> int | None:
    """Offset just past the image of that format; None when the file stops before its end marker."""
    try:
        end = _ENDS[name](data)
    except (struct.error, IndexError):
        return None
    return end if end is not None and end <= len(data) else None


def last_jpeg_end(data: Data, starts: list[int]) -> int | None:
    """Offset past the last of the JPEGs that begin there, by walking them: declared sizes lie."""
    ends = [_jpeg_end(data, start) for start in starts if data[start : start + 2] == b"\xff\xd8"]
    return max((end for end in ends if end is not None), default=None)


def gif_frames(data: Data) -> int:
    """Images in a GIF, counted up to the first damage; at least 1."""
    try:
        return max(1, sum(kind == 0x2C for kind, _ in _gif_blocks(data)))
    except IndexError:
        return 1


def _jpeg_end(data: Data, start: int = 0) -> int | None:
    at = start + 2
    while at < len(data):
        found = _MARKER.search(data, at)
        if found is None:
            return None
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return at
        if marker not in (0x01, 0xD8):
            at += struct.unpack_from(">H", data, at)[0]
    return None


def _png_end(data: Data) -> int | None:
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if kind == b"IEND":
            return at
    return None


def _gif_end(data: Data) -> int | None:
    for kind, at in _gif_blocks(data):
        if kind == 0x3B:
            return at
    return None


def _gif_blocks(data: Data) -> "list[tuple[int, int]]":
    """(introducer, offset past the block) of each block up to the trailer or the first damage."""
    at = 13 + _palette_bytes(data[10])
    blocks = []
    while at < len(data) and data[at] in (0x21, 0x2C):
        kind = data[at]
        at += 2 if kind == 0x21 else 11 + _palette_bytes(data[at + 9])
        while data[at]:
            at += data[at] + 1
        at += 1
        blocks.append((kind, at))
    if at < len(data) and data[at] == 0x3B:
        blocks.append((0x3B, at + 1))
    return blocks


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_end(data: Data) -> int | None:
    length = int(struct.unpack_from("<I", data, 4)[0])
    return 8 + length + (length & 1)


def _isobmff_end(data: Data) -> int | None:
    """Past the last box; what follows is not a box, or claims more bytes than there are."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size == 0:
            return len(data)
        if size < 8 or at + size > len(data) or not kind.isalnum():
            return None if kind in (b"mdat", b"meta") else at
        at += size
    return at


_ENDS: dict[str, Callable[[Data], int | None]] = {
    "JPEG": _jpeg_end,
    "PNG": _png_end,
    "GIF": _gif_end,
    "WEBP": _webp_end,
    "HEIC": _isobmff_end,
    "AVIF": _isobmff_end,
}
