"""Format and dimensions from the first bytes of a file, without decoding a pixel.

The `imagesize` package does the same walk, but reads JPEG byte by byte to the end of the file and
whole boxes of any declared length into memory; this one is bounded, since it runs inside requests.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ml.errors import UnreadableImage

MEGAPIXEL = 1_000_000
MAX_PIXELS: dict[str, int] = {
    "JPEG": 64 * MEGAPIXEL,
    "PNG": 64 * MEGAPIXEL,
    "WEBP": 40 * MEGAPIXEL,
    "GIF": 40 * MEGAPIXEL,
    "HEIC": 40 * MEGAPIXEL,
    "AVIF": 40 * MEGAPIXEL,
}
MEDIA_TYPES = {name: f"image/{name.lower()}" for name in MAX_PIXELS}
ACCEPTED_MEDIA_TYPES = frozenset(MEDIA_TYPES.values())
ACCEPTED_SENTENCE = "JPEG, PNG, WebP, GIF, HEIC or AVIF"

MAX_JPEG_SEGMENTS = 4096  # 50 MB of full APP segments are 800
MAX_FILL_BYTES = 1024
MAX_BOXES = 4096
MAX_META_BYTES = 1 << 20  # a 48-megapixel HEIC of 512-pixel tiles needs about 10 kB

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
GENERIC_BRANDS = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})


@dataclass(frozen=True)
class ImageHeader:
    """What a file claims to be; width and height are as stored, before any orientation."""

    format: str
    width: int
    height: int
    media_type: str


def read_header(stream: BinaryIO) -> ImageHeader:
    """Identify a seekable stream by its content; the name and declared type play no part.

    Raises:
        UnreadableImage: empty_file, unsupported_format, or corrupt for a header that breaks off.
    """
    stream.seek(0)
    magic = stream.read(32)
    if not magic:
        raise UnreadableImage("empty_file", "the file has no bytes")
    name = format_of(magic)
    if name is None:
        raise UnreadableImage("unsupported_format", f"not {ACCEPTED_SENTENCE}")
    try:
        width, height = _SIZE_READERS[name](stream)
    except (struct.error, IndexError) as error:
        raise UnreadableImage("corrupt", f"the {name} header breaks off") from error
    if width < 1 or height < 1:
        raise UnreadableImage("corrupt", f"the {name} header says {width} × {height} pixels")
    return ImageHeader(name, width, height, MEDIA_TYPES[name])


def check_pixels(header: ImageHeader) -> None:
    """Refuse an image larger than its format's limit.

    Raises:
        UnreadableImage: too_many_pixels.
    """
    limit = MAX_PIXELS[header.format]
    if header.width * header.height > limit:
        raise UnreadableImage(
            "too_many_pixels",
            f"{header.width} × {header.height} pixels; the limit for {header.format} is"
            f" {limit // MEGAPIXEL} megapixels",
        )


def format_of(magic: bytes) -> str | None:
    """Name of the format that a file's first 32 bytes announce; None when it is not accepted."""
    if magic.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if magic.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if magic[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if magic[:4] == b"RIFF" and magic[8:12] == b"WEBP":
        return "WEBP"
    if magic[4:8] == b"ftyp":
        return _format_of_brands(magic)
    return None


def _format_of_brands(magic: bytes) -> str | None:
    """The major brand decides; a generic one leaves it to the compatible brands in sight."""
    length = min(int.from_bytes(magic[:4], "big"), len(magic))
    compatible = [magic[at : at + 4] for at in range(16, length - 3, 4)]
    major = magic[8:12]
    for brand in [major, *compatible] if major in GENERIC_BRANDS else [major]:
        if brand in AVIF_BRANDS:
            return "AVIF"
        if brand in HEIC_BRANDS:
            return "HEIC"
    return None


def _jpeg_size(stream: BinaryIO) -> tuple[int, int]:
    stream.seek(2)
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = _next_marker(stream)
        if marker in (0x01, *range(0xD0, 0xD9)):
            continue
        if marker in (0xD9, 0xDA):
            break
        (length,) = struct.unpack(">H", stream.read(2))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", stream.read(5))
            return width, height
        if length < 2:
            break
        stream.seek(length - 2, io.SEEK_CUR)
    raise UnreadableImage("corrupt", "the JPEG has no frame header before its data")


def _next_marker(stream: BinaryIO) -> int:
    if stream.read(1) != b"\xff":
        raise UnreadableImage("corrupt", "the JPEG has bytes between its segments")
    for _ in range(MAX_FILL_BYTES):
        (marker,) = struct.unpack("B", stream.read(1))
        if marker != 0xFF:
            return int(marker)
    raise UnreadableImage("corrupt", "the JPEG has no marker after its fill bytes")


def _png_size(stream: BinaryIO) -> tuple[int, int]:
    stream.seek(8)
    length, kind, width, height = struct.unpack(">I4sII", stream.read(16))
    if kind != b"IHDR" or length != 13:
        raise UnreadableImage("corrupt", "the PNG does not begin with its header chunk")
    return width, height


def _gif_size(stream: BinaryIO) -> tuple[int, int]:
    stream.seek(6)
    width, height = struct.unpack("<HH", stream.read(4))
    return width, height


def _webp_size(stream: BinaryIO) -> tuple[int, int]:
    stream.seek(12)
    kind, chunk = stream.read(4), stream.read(14)[4:]
    if len(chunk) < 10 and kind != b"VP8L":
        raise UnreadableImage("corrupt", "the WEBP header breaks off")
    if kind == b"VP8X":
        return 1 + int.from_bytes(chunk[4:7], "little"), 1 + int.from_bytes(chunk[7:10], "little")
    if kind == b"VP8L":
        signature, bits = struct.unpack("<BI", chunk[:5])
        if signature == 0x2F:
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and chunk[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", chunk[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise UnreadableImage("corrupt", "the WEBP does not begin with an image chunk")


def _isobmff_size(stream: BinaryIO) -> tuple[int, int]:
    meta = _meta_box(stream)
    primary, sizes, owned = 0, {}, {}
    for kind, start, end in _boxes(meta, 4, len(meta)):
        if kind == b"pitm":
            primary = _integer(meta, start + 4, 4 if meta[start] else 2)
        elif kind == b"iprp":
            for inner, inner_start, inner_end in _boxes(meta, start, end):
                if inner == b"ipco":
                    sizes = _spatial_extents(meta, inner_start, inner_end)
                elif inner == b"ipma":
                    owned = _associations(meta, inner_start)
    candidates = [sizes[index] for index in owned.get(primary, ()) if index in sizes]
    if not (candidates or sizes):
        raise UnreadableImage("corrupt", "the file declares no image size")
    return max(candidates or sizes.values(), key=lambda size: size[0] * size[1])


def _meta_box(stream: BinaryIO) -> bytes:
    """Payload of the top-level `meta` box; a file without one holds tracks, so it is a video."""
    at = 0
    for _ in range(64):
        stream.seek(at)
        size, kind = struct.unpack(">I4s", head) if len(head := stream.read(8)) == 8 else (0, b"")
        header_bytes = 8
        if size == 1:
            (size,) = struct.unpack(">Q", stream.read(8))
            header_bytes = 16
        if kind == b"meta":
            if not 12 <= size <= MAX_META_BYTES:
                raise UnreadableImage("corrupt", f"the image description claims {size} bytes")
            return stream.read(size - header_bytes)
        if size < header_bytes or size > 1 << 40:
            break
        at += size
    raise UnreadableImage("unsupported_format", f"no still image inside; not {ACCEPTED_SENTENCE}")


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, payload start, payload end) of the boxes side by side in `data[start:end]`."""
    for _ in range(MAX_BOXES):
        if start + 8 > min(end, len(data)):
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        size = size or end - start
        if size < 8 or start + size > end:
            return
        yield kind, start + 8, start + size
        start += size


def _spatial_extents(data: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Sizes by property index, which counts from 1."""
    return {
        index: struct.unpack_from(">II", data, at + 4)
        for index, (kind, at, _) in enumerate(_boxes(data, start, end), start=1)
        if kind == b"ispe"
    }


def _associations(data: bytes, start: int) -> dict[int, list[int]]:
    """Property indices of each item."""
    id_bytes = 4 if data[start] else 2
    index_bytes = 2 if data[start + 3] & 1 else 1
    mask = 0x7FFF if index_bytes == 2 else 0x7F
    count, at = min(_integer(data, start + 4, 4), MAX_BOXES), start + 8
    owned: dict[int, list[int]] = {}
    for _ in range(count):
        item, amount = _integer(data, at, id_bytes), data[at + id_bytes]
        at += id_bytes + 1
        owned[item] = [
            _integer(data, at + i * index_bytes, index_bytes) & mask for i in range(amount)
        ]
        at += amount * index_bytes
    return owned


def _integer(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


_SIZE_READERS = {
    "JPEG": _jpeg_size,
    "PNG": _png_size,
    "GIF": _gif_size,
    "WEBP": _webp_size,
    "HEIC": _isobmff_size,
    "AVIF": _isobmff_size,
}
