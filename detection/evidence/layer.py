"""What every method of evidence takes and gives, and how a large picture is walked through.

Each method works on all pixels at their own size, strip by strip, so that memory stays bounded;
only what is shown is reduced. (`clones` compares a reduced copy first; it says so.)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

SHOWN_SIDE = 1600  # the longer side of a layer at most, in pixels
STRIP_ROWS = 512
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG has it


@dataclass(frozen=True)
class Source:
    """The picture a method looks at.

    Attributes:
        pixels: shape (h, w, 3), uint8, sRGB, opaque, at full size.
        table: quantisation steps of the file's luminance, shape (8, 8), lowest frequency first;
            None where the file is no JPEG.
    """

    pixels: np.ndarray
    table: np.ndarray | None = None


@dataclass(frozen=True)
class Drawn:
    """A layer: what is shown, and the figures that stand beside it (JSON)."""

    picture: Image.Image
    figures: dict[str, Any] = field(default_factory=dict)


class NotDrawn(Exception):  # noqa: N818 (it names what happened)
    """A method that has nothing to say about this picture; `code` is one of `words.FAILURES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def shrink_factor(height: int, width: int) -> int:
    """By which whole number the picture is reduced to be shown."""
    return -(-max(height, width) // SHOWN_SIDE)


def strips(height: int, step: int = 8) -> Iterator[tuple[int, int]]:
    """First and last row (exclusive) of each strip; all but the last have a multiple of `step`."""
    rows = max(step, STRIP_ROWS // step * step)
    for top in range(0, height, rows):
        yield top, min(height, top + rows)


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Y of BT.601, shape (h, w), float32, 0 to 255."""
    return pixels.astype(np.float32) @ LUMA


def pooled(values: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of this many pixels; those at the right and lower edge may be cut off."""
    height, width = values.shape
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    tall = np.minimum(factor, height - rows)
    wide = np.minimum(factor, width - columns)
    return sums / (tall[:, None] * wide[None, :])


def grey(values: np.ndarray, black: float, white: float) -> Image.Image:
    """A grey picture of these values between two ends."""
    share = (values - black) / max(white - black, 1e-9)
    return Image.fromarray((np.clip(share, 0.0, 1.0) * 255).round().astype(np.uint8))
