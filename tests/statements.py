"""Files that say much about themselves: EXIF, XMP, IPTC, thumbnails, text chunks, honest or not."""

import struct
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests import images

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
NAMESPACES = """
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="adobe:ns:meta/"
xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:dcterms="http://purl.org/dc/terms/"
xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
"""


def xmp_packet(body: str = "", *, attributes: str = "", before: str = "") -> bytes:
    """A packet with one description."""
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{before}'
        f"<x:xmpmeta {NAMESPACES}><rdf:RDF>"
        f'<rdf:Description rdf:about="" {attributes}>{body}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes, picture: bytes | None = None) -> bytes:
    """A JPEG with these segments right after its start."""
    plain = picture or images.jpeg_bytes()
    return plain[:2] + b"".join(segments) + plain[2:]


def xmp_jpeg(packet: bytes) -> bytes:
    return jpeg_with(segment(0xE1, XMP_HEAD + packet))


def iptc_block(values: Mapping[int, str], *, charset: bytes = b"\x1b%G") -> bytes:
    """IIM datasets of the application record, in UTF-8."""
    datasets = [(1, 90, charset), *((2, number, text.encode()) for number, text in values.items())]
    return b"".join(
        struct.pack(">BBBH", 0x1C, record, number, len(body)) + body
        for record, number, body in datasets
    )


def iptc_jpeg(block: bytes) -> bytes:
    resource = (
        b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block + b"\0" * (len(block) % 2)
    )
    return jpeg_with(segment(0xED, b"Photoshop 3.0\0" + resource))


def exif_with_thumbnail(small: bytes, orientation: int = 1) -> bytes:
    """TIFF of two directories: the second points at the thumbnail."""
    first = struct.pack("<H", 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    second_at = 8 + len(first) + 4
    second_length = 2 + 3 * 12 + 4
    entries = (
        struct.pack("<HHIHH", 0x0103, 3, 1, 6, 0)
        + struct.pack("<HHII", 0x0201, 4, 1, second_at + second_length)
        + struct.pack("<HHII", 0x0202, 4, 1, len(small))
    )
    second = struct.pack("<H", 3) + entries + struct.pack("<I", 0)
    tiff = b"II*\0\x08\0\0\0" + first + struct.pack("<I", second_at) + second + small
    return b"Exif\0\0" + tiff


def thumbnail_jpeg(
    picture: Image.Image, small: Image.Image | None = None, *, orientation: int = 1
) -> bytes:
    """A JPEG of the picture that embeds `small`, or a reduced copy of itself."""
    reduced = picture.resize((160, round(160 * picture.height / picture.width)))
    embedded = images.encode(small or reduced, "JPEG", quality=60)
    exif = exif_with_thumbnail(embedded, orientation)
    return images.encode(picture, "JPEG", quality=88, exif=exif)


def letterboxed(picture: Image.Image) -> Image.Image:
    """160 × 120 with black bars above and below, as cameras make of a wider picture."""
    small = Image.new("RGB", (160, 120))
    inner = picture.resize((160, round(160 * picture.height / picture.width)))
    small.paste(inner, (0, (120 - inner.height) // 2))
    return small


def png_with_text(**chunks: str) -> bytes:
    info = PngInfo()
    for key, value in chunks.items():
        info.add_itxt(key, value)
    return images.encode(images.photo_like(), "PNG", pnginfo=info)


def exif_of_many_entries(count: int = 10_000) -> bytes:
    """A PNG whose EXIF has that many entries."""
    entries = b"".join(
        struct.pack("<HHI4s", 0x8000 + n % 0x7000, 2, 4, b"abc\0") for n in range(count)
    )
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + struct.pack("<I", 0)
    plain = images.png_bytes()
    return plain[:33] + images.png_chunk(b"eXIf", tiff) + plain[33:]


def full_of_everything() -> bytes:
    """As much as a file can say: every text as long as a segment allows."""
    long = "\u00e9" * 3000
    history = "".join(
        f'<rdf:li stEvt:action="saved" stEvt:softwareAgent="{long}"'
        f' stEvt:when="{long}" stEvt:parameters="{long}"/>'
        for _ in range(3)
    )
    packet = xmp_packet(f"<xmpMM:History><rdf:Seq>{history}</rdf:Seq></xmpMM:History>")
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x0110, 0x0131, 0x013B, 0x8298):
        exif[tag] = "x" * 8000
    picture = images.encode(images.photo_like(), "JPEG", exif=exif.tobytes(), comment=b"c" * 60_000)
    block = iptc_block(dict.fromkeys((5, 25, 80, 105, 110, 115, 116, 120), "y" * 4000))
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block
    photoshop = segment(0xED, b"Photoshop 3.0\0" + resource)
    return jpeg_with(segment(0xE1, XMP_HEAD + packet), photoshop, picture=picture)
