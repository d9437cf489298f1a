"""Turn the first image of a file into sRGB pixels. Runs in the decoder's child only."""

import mmap
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from ml.decoder import carried, ending, metadata, thumbnail
from ml.decoder.facts import ImageFacts
from ml.errors import UnreadableImage
from ml.header import ImageHeader, check_pixels, read_header

PLUGINS = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
FORMATS = {"HEIC": "HEIF"}  # header.py's name to Pillow's, where they differ

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Everything that Pillow and the libraries under it were seen to raise on damaged bytes.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    AssertionError,
    Warning,
    Image.DecompressionBombError,
)


def prepare() -> None:
    """Load and set up the libraries once, before any fork."""
    pillow_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = None  # header.check_pixels is the limit, by format and without slack
    ImageCms.createProfile("sRGB")
    for name in ("JPEG", "PNG", "WEBP", "AVIF"):
        sample = BytesIO()
        Image.new("RGB", (16, 16)).save(sample, name)
        decode(sample, None)  # the first use of each library costs what the forks then inherit


def decode(stream: BinaryIO, min_side: int | None) -> tuple[Image.Image, ImageFacts]:
    """Decode the first image of a seekable stream into an opaque, oriented sRGB image.

    Raises:
        UnreadableImage: with its code.
    """
    with _opened(stream) as (image, header, data):
        return _decode_opened(image, header, data, min_side)


def decode_thumbnail(stream: BinaryIO) -> tuple[Image.Image, ImageFacts]:
    """Decode the thumbnail that the file embeds, turned like the picture itself.

    Raises:
        UnreadableImage: with its code; unsupported_format where there is none.
    """
    with _opened(stream) as (image, header, _):
        if header.format != "JPEG":
            image.load()  # a PNG may have its EXIF after its pixels
        described = metadata.read(image)
        small = thumbnail.of_exif(described.exif, image.info.get("exif"))
        if small is None:
            raise UnreadableImage("unsupported_format", "the file embeds no thumbnail")
        turned = _TRANSPOSE.get(described.orientation)
        upright = small if turned is None else small.transpose(turned)
        return upright, ImageFacts(header.format, upright.width, upright.height, upright.mode)


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[tuple[Image.Image, ImageHeader, ending.Data]]:
    """The image, its header and its bytes; what damage raises inside gets one of our codes."""
    header = read_header(stream)
    check_pixels(header)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("something switched LOAD_TRUNCATED_IMAGES on")
    data = _bytes_of(stream)
    with _damage_named(data, header.format), warnings.catch_warnings():
        warnings.simplefilter("error")
        # Damaged EXIF (parsed by this module) is a finding of metadata.py, not a reason to refuse.
        warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")
        # Cameras and editors write both: the first image is whole, only the index is not.
        warnings.filterwarnings("ignore", message="Image appears to be a malformed MPO")
        warnings.filterwarnings("ignore", message="Invalid APNG")
        stream.seek(0)
        yield Image.open(stream, formats=[FORMATS.get(header.format, header.format)]), header, data


def _decode_opened(
    image: Image.Image, header: ImageHeader, data: ending.Data, min_side: int | None
) -> tuple[Image.Image, ImageFacts]:
    full = _check_size(header, image)
    frames = _frames(image, header, data)
    bits = _bits(image, header, data)
    if min_side is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (min_side, min_side))
        image.load()
    else:
        image.load()
        full = _check_size(header, image)  # libheif may find out only while decoding
    described = metadata.read(image)
    orientation, turned = described.orientation, _TRANSPOSE.get(described.orientation)
    flat, has_transparency = _flatten(image)
    trailing_bytes = _trailing_bytes(image, header, data)
    facts = ImageFacts(
        format="MPO" if image.format == "MPO" else header.format,
        width=full[1] if orientation > 4 else full[0],
        height=full[0] if orientation > 4 else full[1],
        mode=image.mode,
        frames=frames,
        has_transparency=has_transparency,
        orientation=orientation,
        trailing_bytes=trailing_bytes,
        icc=bool(image.info.get("icc_profile")),
        bits=bits,
        metadata=described.kept,
        file=carried.of_file(
            image,
            data,
            name=header.format,
            described=described,
            picture=flat,
            turned=turned,
            trailing_bytes=trailing_bytes,
        ),
    )
    return flat if turned is None else flat.transpose(turned), facts


def _check_size(header: ImageHeader, image: Image.Image) -> tuple[int, int]:
    """A GIF frame may exceed its screen, a HEIC item its declaration: ask again what was opened."""
    width, height = image.size
    check_pixels(ImageHeader(header.format, width, height, header.media_type))
    return width, height


def _frames(image: Image.Image, header: ImageHeader, data: ending.Data) -> int:
    """Pillow parses a whole GIF to count, and stops with an error at damage in a later frame."""
    if header.format == "GIF":
        return ending.gif_frames(data)
    return int(getattr(image, "n_frames", 1))


def _bits(image: Image.Image, header: ImageHeader, data: ending.Data) -> int:
    if header.format == "PNG":
        return data[24]
    return int(image.info.get("bit_depth", 8))


def _trailing_bytes(image: Image.Image, header: ImageHeader, data: ending.Data) -> int:
    end = ending.image_end(data, header.format)
    if isinstance(image, MpoImagePlugin.MpoImageFile) and image.mpinfo:
        base = data.find(b"MPF\0") + 4  # offsets in the index count from here
        entries = image.mpinfo.get(0xB002, [])[1:]
        starts = [base + entry["DataOffset"] for entry in entries]
        end = ending.last_jpeg_end(data, starts) or end
    return 0 if end is None else len(data) - end


def _flatten(image: Image.Image) -> tuple[Image.Image, bool]:
    """Opaque RGB on white, and whether any pixel was not opaque."""
    image, alpha = _split(image)
    colour = _to_srgb(image)
    if alpha is None or alpha.getextrema()[0] == 255:
        return colour, False
    canvas = Image.new("RGB", colour.size, "white")
    canvas.paste(colour, mask=alpha)
    return canvas, True


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour without alpha, and alpha; 16-bit grey keeps its high byte, as Pillow does for RGB."""
    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if (clear := image.info.get("transparency")) is not None:
            alpha = Image.fromarray(np.where(deep == clear, 0, 255).astype(np.uint8))
        image = Image.fromarray((deep >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        _narrow_transparency(image)
        image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert(image.mode.removesuffix("A"))
    if profile:
        image.info["icc_profile"] = profile
    return image, alpha


def _narrow_transparency(image: Image.Image) -> None:
    """A 16-bit RGB PNG names its transparent colour in 16 bits, its pixels arrive in 8."""
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def _to_srgb(image: Image.Image) -> Image.Image:
    """By its profile where that fits the pixels and can be used, else by Pillow's own rule."""
    if image.mode not in _PROFILE_MODES.values():
        profile, image = image.info.get("icc_profile"), image.convert("RGB")
    else:
        profile = image.info.get("icc_profile")
    transform = _transform(profile, image.mode) if profile else None
    if transform is not None and not _changes_nothing(transform, image.mode):
        return ImageCms.applyTransform(image, transform) or image
    return image if image.mode == "RGB" else image.convert("RGB")


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if _PROFILE_MODES.get(source.profile.xcolor_space.strip()) != mode:
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # browsers ignore a profile that they cannot use, too


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """True for sRGB under any name: a grid of 9³ colours moves by at most 2 of 255."""
    if mode != "RGB":
        return False
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = ImageCms.applyTransform(Image.fromarray(grid), transform)
    return bool(np.abs(np.asarray(moved).astype(int) - grid).max() <= 2)


def _bytes_of(stream: BinaryIO) -> ending.Data:
    if isinstance(stream, BytesIO):
        return stream.getvalue()
    return mmap.mmap(stream.fileno(), os.fstat(stream.fileno()).st_size, access=mmap.ACCESS_READ)


@contextmanager
def _damage_named(data: ending.Data, name: str) -> Iterator[None]:
    """Turn what the libraries raise into one of our codes."""
    try:
        yield
    except UnreadableImage:
        raise
    except MemoryError as error:
        raise UnreadableImage("decoder_memory", "decoding needs more than allowed") from error
    except _DAMAGE as error:
        raise UnreadableImage(_damage_code(error, data, name), _one_line(error)) from error


def _damage_code(error: BaseException, data: ending.Data, name: str) -> str:
    text = str(error).lower()
    if "memory" in text or "alloc" in text:
        return "decoder_memory"
    if isinstance(error, EOFError) or "truncated" in text or "end of file" in text:
        return "truncated"
    return "truncated" if ending.image_end(data, name) is None else "corrupt"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
