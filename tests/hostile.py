"""Hostile image files, generated: HOSTILE maps a name to a builder of its bytes, FAMILIES the same
by what is wrong with them, which is the first word of each name.

Nobody says whether one decodes: many do, with damage that no format can see. What counts is that
every one of them ends with an answer.
"""

import functools
import gzip
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests import images

Builder = Callable[[], bytes]

SMALL = (96, 72)
FORMATS: dict[str, Builder] = {
    "jpeg": functools.partial(images.jpeg_bytes, *SMALL),
    "progressive": functools.partial(images.jpeg_bytes, *SMALL, progressive=True),
    "png": functools.partial(images.png_bytes, *SMALL),
    "gif": functools.partial(images.gif_bytes, *SMALL),
    "webp": functools.partial(images.webp_bytes, *SMALL),
    "lossless": functools.partial(images.webp_bytes, *SMALL, lossless=True),
    "heic": functools.partial(images.heic_bytes, *SMALL),
    "avif": functools.partial(images.avif_bytes, *SMALL),
}
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\r\nX-Injected: yes\x1b[31m"
FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3")
PNG_START = b"\x89PNG\r\n\x1a\n"


def png_of(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (64, 48), bits: int = 8) -> bytes:
    """A PNG of RGB samples with these chunks between its header and its pixels."""
    width, height = size
    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    rows = zlib.compress((b"\x00" + bytes(3 * width * bits // 8)) * height)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    return PNG_START + b"".join(images.png_chunk(*part) for part in parts)


def png_header(
    width: int, height: int, bits: int, colour: int, *, packed: int = 0, filtered: int = 0
) -> bytes:
    """A PNG whose header says so, over pixels of nothing."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, packed, filtered, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(9999))), (b"IEND", b"")]
    return PNG_START + b"".join(images.png_chunk(*part) for part in parts)


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def marker_at(jpeg: bytes, marker: int) -> int:
    """Where the first segment of this kind begins."""
    return jpeg.index(bytes([0xFF, marker]))


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    plain = FORMATS["jpeg"]()
    return plain[:2] + b"".join(segments) + plain[2:]


def jpeg_frame(*, at: int, new: bytes) -> bytes:
    """A JPEG with other numbers in its frame header: 4 is the precision, 5 the height, 7 the width,
    9 how many components.
    """
    plain = FORMATS["jpeg"]()
    return put(plain, marker_at(plain, 0xC0) + at, new)


def jpeg_without(marker: int) -> bytes:
    plain = FORMATS["jpeg"]()
    at = marker_at(plain, marker)
    (length,) = struct.unpack_from(">H", plain, at + 2)
    return plain[:at] + plain[at + 2 + length :]


def many_scans(times: int = 150) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each is decoded over all pixels."""
    plain = images.jpeg_bytes(1200, 900, progressive=True)
    at = plain.rindex(b"\xff\xda")
    return plain[:-2] + plain[at:-2] * times + plain[-2:]


def gif_frames(count: int) -> bytes:
    return images.encode(
        Image.new("L", (16, 16)),
        "GIF",
        save_all=True,
        append_images=[Image.new("L", (16, 16), 37 * n % 256) for n in range(1, count)],
    )


def riff_length(data: bytes, length: int) -> bytes:
    return put(data, 4, struct.pack("<I", length))


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def nested_boxes(depth: int) -> bytes:
    """HEIC whose boxes lie in each other."""
    inner = b""
    for _ in range(depth):
        inner = box(b"meta", bytes(4) + inner)
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + inner


def _cut() -> Iterator[tuple[str, Builder]]:
    shares = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 0.995)
    for name, build in FORMATS.items():
        for share in shares:
            yield f"cut {name} at {share}", lambda b=build, s=share: images.truncated(b(), s)
        for length in (1, 3, 11, 24):
            yield f"cut {name} after {length} bytes", lambda b=build, n=length: b()[:n]


def _flipped() -> Iterator[tuple[str, Builder]]:
    for name, build in FORMATS.items():
        for seed in range(8):
            # the first half of them anywhere, their header too
            after = 0 if seed < 4 else 64
            flips = (1, 8, 40, 200)[seed % 4]
            yield (
                f"flipped {name} {flips} bits, {seed}",
                lambda b=build, f=flips, s=seed, a=after: images.bit_flipped(b(), f, s, a),
            )


def _bombs() -> Iterator[tuple[str, Builder]]:
    text = zlib.compress(bytes(60_000_000), 9)
    yield "bomb png of 177 megapixels", images.png_bomb
    yield "bomb png header", images.huge_png_header
    yield "bomb jpeg header", images.huge_jpeg_header
    yield "bomb png text", lambda: png_of((b"zTXt", b"Comment\0\0" + text))
    yield "bomb png international text", lambda: png_of((b"iTXt", b"XML\0\1\0\0\0" + text))
    yield "bomb png profile", lambda: png_of((b"iCCP", b"profile\0\0" + text))
    yield "bomb png of many chunks", lambda: png_of(*[(b"tEXt", b"a\0b")] * 40_000)
    yield "bomb png of pixels beyond its size", lambda: png_header(10, 10, 8, 2) + text
    yield "bomb png of black", lambda: images.encode(Image.new("1", (7000, 7000)), "PNG")
    yield "bomb jpeg of many scans", many_scans
    yield "bomb jpeg of many segments", lambda: jpeg_with(segment(0xE5, b"x") * 5000)
    yield "bomb jpeg of much metadata", lambda: jpeg_with(segment(0xE1, bytes(65_000)) * 60)
    yield "bomb jpeg of fill bytes", lambda: b"\xff\xd8" + b"\xff" * 300_000 + b"\xd9"
    yield "bomb gif screen", lambda: put(FORMATS["gif"](), 6, b"\xff\xff\xff\xff")
    yield "bomb heic of nested boxes", lambda: nested_boxes(2000)
    yield (
        "bomb heic of many boxes",
        lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"free", b"") * 20_000,
    )
    yield "bomb webp canvas", lambda: _webp_canvas(16_777_215)
    yield (
        "bomb profile in jpeg",
        lambda: jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\xff" + text[:60_000])),
    )


def _webp_canvas(side: int) -> bytes:
    plain = images.animated("WEBP", 2)
    return put(plain, plain.index(b"VP8X") + 12, struct.pack("<I", side)[:3] * 2)


def _lies() -> Iterator[tuple[str, Builder]]:
    for colour in (0, 1, 2, 3, 4, 5, 6, 7, 255):
        for bits in (0, 3, 8, 16, 255):
            yield (
                f"lie png colour {colour}, {bits} bits",
                lambda b=bits, c=colour: png_header(40, 30, b, c),
            )
    for width, height in ((0, 0), (0, 9), (9, 0), (1, 2**31 - 1), (2**31, 2)):
        yield f"lie png of {width} by {height}", lambda w=width, h=height: png_header(w, h, 8, 2)
    yield "lie png packed otherwise", lambda: png_header(40, 30, 8, 2, packed=1)
    yield "lie png filtered otherwise", lambda: png_header(40, 30, 8, 2, filtered=1)
    yield "lie png sum", lambda: put(FORMATS["png"](), 29, b"\0\0\0\0")
    yield "lie png chunk length", lambda: put(FORMATS["png"](), 33, b"\xff\xff\xff\xff")
    yield "lie png without pixels", lambda: PNG_START + FORMATS["png"]()[8:33]
    yield "lie png palette too short", lambda: put(images.palette_png(), 37, b"XXXX")
    yield "lie png transparency too long", lambda: png_of((b"tRNS", bytes(5000)))
    yield "lie png animated without frames", lambda: png_of((b"acTL", struct.pack(">II", 2**31, 0)))
    for name, at, new in (
        ("precision 0", 4, b"\0"),
        ("precision 16", 4, b"\x10"),
        ("height 0", 5, b"\0\0"),
        ("width 0", 7, b"\0\0"),
        ("height 65535", 5, b"\xff\xff"),
        ("width 60000", 7, b"\xea\x60"),
        ("no components", 9, b"\0"),
        ("255 components", 9, b"\xff"),
        ("sampling 15 by 15", 11, b"\xff"),
        ("sampling 0 by 0", 11, b"\0"),
        ("an unknown table", 12, b"\x09"),
    ):
        yield f"lie jpeg {name}", lambda a=at, n=new: jpeg_frame(at=a, new=n)
    for name, marker in (("tables", 0xDB), ("codes", 0xC4), ("scan header", 0xDA), ("frame", 0xC0)):
        yield f"lie jpeg without {name}", lambda m=marker: jpeg_without(m)
    for marker in (0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCF):
        yield (
            f"lie jpeg coded as {marker:x}",
            lambda m=marker: jpeg_frame(at=1, new=bytes([m])),
        )
    yield "lie jpeg restarts", lambda: jpeg_with(segment(0xDD, b"\0\1"))
    yield "lie jpeg lines said later", lambda: jpeg_with(segment(0xDC, b"\xff\xff"))
    yield "lie jpeg colours of adobe", lambda: jpeg_with(segment(0xEE, b"Adobe\0\x64\0\0\0\0\xff"))
    yield "lie jpeg two in one", lambda: FORMATS["jpeg"]()[:-2] + FORMATS["jpeg"]()
    yield "lie gif code size", lambda: _gif_code_size(0)
    yield "lie gif code size 255", lambda: _gif_code_size(255)
    yield "lie gif of no size", lambda: put(FORMATS["gif"](), 6, bytes(4))
    for length in (0, 10, 2**31, 2**32 - 1):
        yield f"lie webp length {length}", lambda n=length: riff_length(FORMATS["webp"](), n)
    yield "lie webp chunk length", lambda: put(FORMATS["webp"](), 16, b"\xff\xff\xff\x7f")
    yield "lie heic box length", lambda: put(FORMATS["heic"](), 0, b"\xff\xff\xff\xff")
    yield "lie avif box length", lambda: put(FORMATS["avif"](), 0, b"\0\0\0\1")
    yield "lie heic of no boxes", lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic")


def _gif_code_size(size: int) -> bytes:
    plain = FORMATS["gif"]()
    at = plain.index(b"\x2c", 13 + 3 * 256) if b"\x2c" in plain[13 + 3 * 256 :] else len(plain) // 2
    return put(plain, at + 10, bytes([size]))


def _polyglots() -> Iterator[tuple[str, Builder]]:
    tails: dict[str, Builder] = {
        "zip": images.zip_bytes,
        "pdf": images.pdf_bytes,
        "svg": images.svg_bytes,
        "script": lambda: b"<?php system($_GET['x']); ?><script>alert(1)</script>",
        "executable": lambda: b"\x7fELF\2\1\1" + bytes(500),
        "another jpeg": FORMATS["jpeg"],
        "a megabyte": lambda: bytes(1 << 20),
    }
    for name in ("jpeg", "png", "gif", "webp", "heic", "avif"):
        for tail, build in tails.items():
            yield f"polyglot {name} and {tail}", lambda n=name, t=build: FORMATS[n]() + t()
    for name, head in (("pdf", b"%PDF-1.7\n"), ("html", b"<html>"), ("zip", b"PK\x03\x04")):
        yield f"polyglot {name} before jpeg", lambda h=head: h + FORMATS["jpeg"]()
    yield "polyglot gif and script", lambda: b"GIF89a/*" + FORMATS["gif"]()[8:] + b"*/=1;alert(1)"


def _injections() -> Iterator[tuple[str, Builder]]:
    texts = {"markup": MARKUP, "long": "a" * 60_000, "nul": "a\0b", "bidi": "\u202egpj.exe\u2066"}
    for name, text in {**texts, **{f"formula {one[0]}": one for one in FORMULAS}}.items():
        yield f"injection comment, {name}", lambda t=text: jpeg_with(segment(0xFE, t.encode()))
        yield f"injection png text, {name}", lambda t=text: _png_text(t)
        yield f"injection exif, {name}", lambda t=text: _exif(t)
    yield "injection exif that points outside", images.damaged_exif_jpeg
    yield "injection of all at once", images.injecting_jpeg
    yield "injection xmp with entities", lambda: jpeg_with(segment(0xE1, _XMP))


_XMP = (
    b"http://ns.adobe.com/xap/1.0/\0<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"<!ENTITY f SYSTEM 'file:///etc/passwd'>]><x>&j;&f;</x>"
)


def _png_text(text: str) -> bytes:
    info = PngInfo()
    info.add_itxt("parameters", text)
    return images.encode(images.photo_like(*SMALL), "PNG", pnginfo=info)


def _exif(text: str) -> bytes:
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x0131, 0x013B, 0x8298):
        exif[tag] = text[:10_000]
    return images.encode(images.photo_like(*SMALL), "JPEG", exif=exif.tobytes())


def _orientations() -> Iterator[tuple[str, Builder]]:
    for name in ("JPEG", "PNG", "WEBP"):
        for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535):
            yield (
                f"orientation {value} of {name}",
                lambda v=value, n=name: images.with_orientation(v, n),
            )


def _frames() -> Iterator[tuple[str, Builder]]:
    yield "frames png 300", lambda: images.animated("PNG", 300)
    yield "frames webp 300", lambda: images.animated("WEBP", 300)
    yield "frames gif 3000", lambda: gif_frames(3000)
    yield "frames avif", lambda: images.animated("AVIF", 8)
    yield "frames mpo 12", lambda: images.mpo_bytes(12)


def _shapes() -> Iterator[tuple[str, Builder]]:
    for width, height in ((1, 1), (1, 4000), (4000, 1), (2, 2), (16, 9000), (40_000, 16)):
        for name in ("JPEG", "PNG", "WEBP", "GIF"):
            if name == "WEBP" and max(width, height) > 16_383:
                continue
            yield (
                f"shape {width} by {height} {name}",
                lambda w=width, h=height, n=name: images.encode(Image.new("RGB", (w, h)), n),
            )


def _types() -> Iterator[tuple[str, Builder]]:
    for name, (build, _code) in images.REFUSED.items():
        yield f"type {name}", build
    for name in ("ICO", "PPM", "PCX", "TGA", "SGI", "DDS", "JPEG2000", "ICNS"):
        yield f"type {name}", lambda n=name: images.encode(Image.new("RGB", (64, 64)), n)
    for name, head in (
        ("psd", b"8BPS\0\1"),
        ("wmf", b"\xd7\xcd\xc6\x9a"),
        ("jxl", b"\xff\x0a"),
        ("rar", b"Rar!\x1a\x07"),
        ("class", b"\xca\xfe\xba\xbe"),
        ("nothing", bytes(4)),
        ("jpeg that is not one", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    ):
        yield f"type {name}", lambda h=head: h + bytes(900)
    yield "type gzip", lambda: gzip.compress(FORMATS["jpeg"]())
    yield "type noise", lambda: random.Random(1).randbytes(20_000)


def _broken() -> Iterator[tuple[str, Builder]]:
    for name, (build, _code) in images.BROKEN.items():
        yield f"broken {name}", build


FAMILIES = {
    family: dict(pairs())
    for family, pairs in {
        "cut": _cut,
        "flipped": _flipped,
        "bomb": _bombs,
        "lie": _lies,
        "polyglot": _polyglots,
        "injection": _injections,
        "orientation": _orientations,
        "frames": _frames,
        "shape": _shapes,
        "type": _types,
        "broken": _broken,
    }.items()
}
HOSTILE: dict[str, Builder] = {
    name: build for family in FAMILIES.values() for name, build in family.items()
}
