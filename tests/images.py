"""Images drawn in code, as bytes: every accepted kind, every refused one, every broken one.

`photo_like` gives the picture; `*_bytes` encode it; ACCEPTED, REFUSED and BROKEN map a name to a
builder, so that a test over all of them is one `parametrize`.
"""

import functools
import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

SIZE = (320, 240)

HOSTILE_NAMES = (
    "../../../etc/passwd.jpg",
    "..\\..\\windows\\system32\\photo.jpg",
    "/absolute/photo.jpg",
    "quo\"te's.jpg",
    "photo\u202egpj.exe",
    "\u200fصورة\u200e.jpg",
    "a" * 400 + ".jpg",
    "line\r\nX-Injected: yes.jpg",
    "<script>alert(1)</script>.jpg",
    '<img src=x onerror="alert(1)">.jpg',
    "=cmd|' /C calc'!A0.jpg",
    "+1+1.jpg",
    "@SUM(A1).jpg",
    "-2+3.jpg",
    "null\x00byte.jpg",
    ".hidden.jpg",
    "照片 📷.jpg",
    "%00%2e%2e%2f.jpg",
    "{{7*7}}${7*7}.jpg",
    "photo.jpg.exe",
    " ",
)


@functools.cache
def _register_heif() -> None:
    pillow_heif.register_heif_opener()


def photo_like(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0) -> Image.Image:
    """A smooth sky, a few shapes and sensor-like noise: compresses as a photograph does."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 225, (max(2, height // 40), max(2, width // 40), 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8))


def corners(width: int = 80, height: int = 60) -> Image.Image:
    """Red, green, blue and white quarters: shows which way up an image is."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    image.paste("lime", (width // 2, 0, width, height // 2))
    image.paste("blue", (0, height // 2, width // 2, height))
    return image


def encode(image: Image.Image, name: str, **options: Any) -> bytes:
    """Bytes of an image in one of Pillow's formats, HEIF included."""
    if name == "HEIF":
        _register_heif()
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


# --- plain pictures


def jpeg_bytes(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0, **options: Any) -> bytes:
    return encode(photo_like(width, height, seed), "JPEG", **({"quality": 88} | options))


def png_bytes(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0, **options: Any) -> bytes:
    return encode(photo_like(width, height, seed), "PNG", **options)


def webp_bytes(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0, **options: Any) -> bytes:
    return encode(photo_like(width, height, seed), "WEBP", **options)


def gif_bytes(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0) -> bytes:
    return encode(photo_like(width, height, seed).quantize(64), "GIF")


def heic_bytes(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0, **options: Any) -> bytes:
    return encode(photo_like(width, height, seed), "HEIF", **options)


def avif_bytes(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0, **options: Any) -> bytes:
    return encode(photo_like(width, height, seed), "AVIF", **({"speed": 10} | options))


# --- unusual pixels


def grey_jpeg() -> bytes:
    return encode(photo_like().convert("L"), "JPEG")


def cmyk_jpeg() -> bytes:
    """Pillow writes CMYK the way Adobe does: inverted, with an Adobe segment."""
    return encode(photo_like().convert("CMYK"), "JPEG", quality=95)


def rgba_png(alpha: int = 128) -> bytes:
    """Red under an alpha of the left half; the right half is opaque."""
    image = Image.new("RGBA", (80, 60), (255, 0, 0, 255))
    image.paste((255, 0, 0, alpha), (0, 0, 40, 60))
    return encode(image, "PNG")


def opaque_rgba_png() -> bytes:
    return encode(photo_like().convert("RGBA"), "PNG")


def la_png() -> bytes:
    image = Image.new("LA", (80, 60), (0, 255))
    image.paste((0, 0), (0, 0, 40, 60))
    return encode(image, "PNG")


def palette_png() -> bytes:
    return encode(corners().quantize(8), "PNG")


def transparent_palette_png() -> bytes:
    """Four quarters, the red one transparent through the palette."""
    image = corners().quantize(8)
    return encode(image, "PNG", transparency=image.getpixel((0, 0)))


def keyed_rgb_png() -> bytes:
    """RGB whose pure red is transparent by tRNS."""
    return encode(corners(), "PNG", transparency=(255, 0, 0))


def bilevel_png() -> bytes:
    return encode(corners().convert("1"), "PNG")


def transparent_gif() -> bytes:
    image = corners().quantize(8)
    return encode(image, "GIF", transparency=image.getpixel((0, 0)))


def transparent_webp() -> bytes:
    return encode(photo_like(64, 48).convert("RGBA").rotate(45), "WEBP", lossless=True)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def raw_png(samples: np.ndarray, bits: int, colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG from samples of shape (h, w, channels); Pillow cannot write 16-bit colour."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    body = b"".join(b"\x00" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + extra
        + png_chunk(b"IDAT", zlib.compress(body))
        + png_chunk(b"IEND", b"")
    )


def grey16_png() -> bytes:
    """A horizontal ramp over all 16 bits: clipped instead of scaled it would be nearly white."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (16, 1))
    return raw_png(ramp[:, :, None], 16, 0)


def grey16_png_transparent() -> bytes:
    """The same ramp with its black transparent."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (16, 1))
    return raw_png(ramp[:, :, None], 16, 0, png_chunk(b"tRNS", struct.pack(">H", 0)))


def rgb16_png() -> bytes:
    """The ramp in red; green and blue at half."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (16, 1))
    return raw_png(np.stack([ramp, ramp // 2, ramp // 2], axis=-1), 16, 2)


def rgba16_png() -> bytes:
    """Opaque red ramp in 16-bit RGBA."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (16, 1))
    full = np.full_like(ramp, 65535)
    return raw_png(np.stack([ramp, ramp // 2, ramp // 2, full], axis=-1), 16, 6)


# --- metadata


def with_orientation(value: int, name: str = "JPEG") -> bytes:
    """The four quarters stored so that applying this EXIF orientation brings them upright."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = corners()
    stored = image.transpose(undo[value]) if value in undo else image
    exif = Image.Exif()
    exif[0x0112] = value
    return encode(stored, name, exif=exif.tobytes())


def gps_jpeg() -> bytes:
    """As from a telephone: camera, time, and 48° 51' 30" N, 2° 17' 40" E."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Maker", "Model 5", "Firmware 1.0"
    exif.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0xA431: "SERIAL-1234"})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return encode(photo_like(), "JPEG", exif=exif.tobytes())


def injecting_jpeg() -> bytes:
    """EXIF and a comment that try to be markup, a formula, a header."""
    exif = Image.Exif()
    exif[0x010E] = "<script>alert('exif')</script>"
    exif[0x013B] = "=HYPERLINK(1)\r\nSet-Cookie: a=b"
    return encode(photo_like(), "JPEG", exif=exif.tobytes(), comment=b"<b>comment</b>\x00\x1b[31m")


def damaged_exif_jpeg() -> bytes:
    """A whole picture whose EXIF points outside itself."""
    body = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09" + b"\x01\x0f\x00\x02\x7f\xff\xff\xff" * 6
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    plain = jpeg_bytes()
    return plain[:2] + segment + plain[2:]


def png_with_prompt() -> bytes:
    """The text chunk in which image generators keep their prompt."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a portrait, Steps: 20, Sampler: Euler a")
    return encode(photo_like(), "PNG", pnginfo=info)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An RGB profile whose red and green primaries changed places: red means green."""
    profile = bytearray(srgb_profile())
    count = struct.unpack_from(">I", profile, 128)[0]
    entries = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def icc_jpeg(profile: bytes | None = None) -> bytes:
    return encode(corners(), "JPEG", quality=95, icc_profile=profile or srgb_profile())


# --- several frames, and bytes after the end


def mpo_bytes(frames: int = 2) -> bytes:
    """What a stereo camera or a telephone with a gain map writes."""
    first, *rest = (photo_like(seed=seed) for seed in range(frames))
    return encode(first, "MPO", save_all=True, append_images=rest)


def animated(name: str, frames: int = 5) -> bytes:
    """GIF, WEBP, PNG or AVIF of so many frames; the first is seed 0."""
    pictures = [photo_like(96, 64, seed) for seed in range(frames)]
    if name == "GIF":
        pictures = [picture.quantize(32) for picture in pictures]
    options = {"speed": 10} if name == "AVIF" else {}
    return encode(pictures[0], name, save_all=True, append_images=pictures[1:], **options)


def with_trailing(data: bytes, tail: bytes = b"PK\x03\x04 and more") -> bytes:
    return data + tail


# --- refused by their header


def mp4_bytes() -> bytes:
    """The first box of a video and a little more."""
    return (
        struct.pack(">I", 24)
        + b"ftypisom\x00\x00\x02\x00isommp41"
        + struct.pack(">I4s", 16, b"mdat")
        + bytes(8)
    )


def mov_bytes() -> bytes:
    return struct.pack(">I", 20) + b"ftypqt  \x00\x00\x02\x00qt  " + struct.pack(">I4s", 8, b"moov")


def webm_bytes() -> bytes:
    return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01" + bytes(64)


def text_bytes() -> bytes:
    return b"This is a text file that somebody named photo.jpg.\n" * 20


def huge_jpeg_header() -> bytes:
    """65,535 by 65,535 pixels in 600 bytes: only the numbers in the frame header lie."""
    data = bytearray(encode(Image.new("RGB", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65535, 65535)
    return bytes(data)


def huge_png_header(width: int = 2**31 - 1, height: int = 2**31 - 1) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + body + png_chunk(b"IEND", b"")


def zip_bytes() -> bytes:
    import zipfile

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("photo.jpg", jpeg_bytes(64, 48))
    return buffer.getvalue()


def pdf_bytes() -> bytes:
    return encode(photo_like(64, 48), "PDF")


def svg_bytes() -> bytes:
    return b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def eps_bytes() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"


def tiff_bytes() -> bytes:
    return encode(photo_like(64, 48), "TIFF")


def bmp_bytes() -> bytes:
    return encode(photo_like(64, 48), "BMP")


# --- broken inside


def truncated(data: bytes, share: float = 0.6) -> bytes:
    return data[: int(len(data) * share)]


def bit_flipped(data: bytes, flips: int = 20, seed: int = 0, after: int = 64) -> bytes:
    """Flip single bits past the header; the result may well still decode."""
    rng = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(flips):
        damaged[rng.randrange(after, len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def corrupt_png() -> bytes:
    """Whole chunks with correct checksums around data that do not inflate."""
    head = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", b"\x78\x9c" + b"\xff" * 400)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + body + png_chunk(b"IEND", b"")


def png_bomb(side: int = 13_300) -> bytes:
    """Black, within no limit: 177 megapixels in about 500 kB when it is built to be decoded."""
    return huge_png_header(side, side)


ACCEPTED: dict[str, Callable[[], bytes]] = {
    "jpeg": jpeg_bytes,
    "progressive_jpeg": functools.partial(jpeg_bytes, progressive=True),
    "grey_jpeg": grey_jpeg,
    "cmyk_jpeg": cmyk_jpeg,
    "mpo": mpo_bytes,
    "gps_jpeg": gps_jpeg,
    "injecting_jpeg": injecting_jpeg,
    "damaged_exif_jpeg": damaged_exif_jpeg,
    "icc_jpeg": icc_jpeg,
    "rotated_jpeg": functools.partial(with_orientation, 6),
    "png": png_bytes,
    "png_with_prompt": png_with_prompt,
    "grey16_png": grey16_png,
    "grey16_png_transparent": grey16_png_transparent,
    "rgb16_png": rgb16_png,
    "rgba16_png": rgba16_png,
    "rgba_png": rgba_png,
    "la_png": la_png,
    "palette_png": palette_png,
    "transparent_palette_png": transparent_palette_png,
    "keyed_rgb_png": keyed_rgb_png,
    "bilevel_png": bilevel_png,
    "apng": functools.partial(animated, "PNG"),
    "gif": gif_bytes,
    "transparent_gif": transparent_gif,
    "animated_gif": functools.partial(animated, "GIF"),
    "webp": webp_bytes,
    "lossless_webp": functools.partial(webp_bytes, lossless=True),
    "transparent_webp": transparent_webp,
    "animated_webp": functools.partial(animated, "WEBP"),
    "heic": heic_bytes,
    "avif": avif_bytes,
    "animated_avif": functools.partial(animated, "AVIF"),
    "jpeg_trailing": lambda: with_trailing(jpeg_bytes()),
    "png_trailing": lambda: with_trailing(png_bytes()),
}

# name -> (builder, code)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty_file"),
    "text": (text_bytes, "unsupported_format"),
    "mp4": (mp4_bytes, "unsupported_format"),
    "mov": (mov_bytes, "unsupported_format"),
    "webm": (webm_bytes, "unsupported_format"),
    "zip": (zip_bytes, "unsupported_format"),
    "pdf": (pdf_bytes, "unsupported_format"),
    "svg": (svg_bytes, "unsupported_format"),
    "eps": (eps_bytes, "unsupported_format"),
    "tiff": (tiff_bytes, "unsupported_format"),
    "bmp": (bmp_bytes, "unsupported_format"),
    "huge_jpeg": (huge_jpeg_header, "too_many_pixels"),
    "huge_png": (huge_png_header, "too_many_pixels"),
    "png_bomb": (png_bomb, "too_many_pixels"),
}

BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated_jpeg": (lambda: truncated(jpeg_bytes()), "truncated"),
    "truncated_png": (lambda: truncated(png_bytes()), "truncated"),
    "truncated_webp": (lambda: truncated(webp_bytes()), "truncated"),
    "truncated_gif": (lambda: truncated(gif_bytes()), "truncated"),
    "truncated_heic": (lambda: truncated(heic_bytes()), "truncated"),
    "truncated_avif": (lambda: truncated(avif_bytes()), "truncated"),
    "corrupt_png": (corrupt_png, "corrupt"),
}
