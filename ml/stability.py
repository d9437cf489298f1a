"""Mild alterations that every publishing tool makes, and that must not change a verdict."""

from collections.abc import Callable, Iterable
from io import BytesIO

from PIL import Image

# Wider than any network input here and cheap to encode: 12 megapixels cost as much as 0.2.
VIEW_SIDE_PX = 384


def view_of(image: Image.Image) -> Image.Image:
    """The picture with its longer side reduced to `VIEW_SIDE_PX`; never enlarged."""
    view = image.copy() if max(image.size) <= VIEW_SIDE_PX else _reduced(image)
    return view.convert("RGB")


def _reduced(image: Image.Image) -> Image.Image:
    ratio = VIEW_SIDE_PX / max(image.size)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return _encoded(image, "JPEG", quality=quality)


def webp(image: Image.Image, quality: int) -> Image.Image:
    # method 0 is a fifth of the time of the default, for the same kind of loss
    return _encoded(image, "WEBP", quality=quality, method=0)


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """The picture at another size; the network's own resize follows."""
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _encoded(image: Image.Image, image_format: str, **options: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    # Bytes of our own making, a moment old: this is no decoding of anybody's file.
    return Image.open(buffer, formats=[image_format]).convert("RGB")


TRANSFORMS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg_85": lambda image: jpeg(image, 85),
    "webp_85": lambda image: webp(image, 85),
    "scale_75": lambda image: scaled(image, 0.75),
    "jpeg_60": lambda image: jpeg(image, 60),
    "scale_65": lambda image: scaled(image, 0.65),
}


def transformed(view: Image.Image, names: Iterable[str]) -> dict[str, Image.Image]:
    """A picture, already of the size to be judged at, under each named transform.

    Raises:
        KeyError: a name that is not in `TRANSFORMS`.
    """
    return {name: TRANSFORMS[name](view) for name in names}
