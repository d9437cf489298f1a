"""Pixels to network input: the one copy, for training, evaluation and serving."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from PIL import Image

FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# Kinds of views, see `ml.views`.
VIEWS = ("whole", "cut", "face")

# A large picture is first averaged down by whole factors to three times the wanted size, which
# makes a 12 megapixel picture several times cheaper; under six times the wanted size it does
# nothing.
REDUCING_GAP = 3.0


@dataclass(frozen=True)
class Preprocessing:
    """How an RGB picture of any size becomes a network's input; part of the artifact.

    Attributes:
        size: side of the square input in pixels; the whole picture is stretched to it.
        resample: name of the resize filter, a key of `FILTERS`.
        scale: factor from bytes (0 to 255), less `offset`, to the network's range.
        offset: the byte that becomes 0.
        views: kinds of views the network judges, see `ml.views`; the whole picture always.
    """

    size: int
    resample: str
    scale: float
    offset: float = 0.0
    views: tuple[str, ...] = ("whole",)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")
        if self.resample not in FILTERS:
            raise ValueError(f"unknown filter {self.resample!r}; one of {', '.join(FILTERS)}")
        if "whole" not in self.views or not set(self.views) <= set(VIEWS):
            raise ValueError(f"views {self.views}: the whole always, and any of {', '.join(VIEWS)}")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**{**value, "views": tuple(value.get("views", ("whole",)))})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def resize(self, image: Image.Image) -> np.ndarray:
        """The picture at the network's size as bytes, shape (size, size, 3), RGB."""
        # converting copies, and most pictures here are RGB already
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        size = (self.size, self.size)
        return np.asarray(rgb.resize(size, FILTERS[self.resample], reducing_gap=REDUCING_GAP))

    def normalise(self, resized: np.ndarray) -> np.ndarray:
        """Bytes of shape (..., size, size, 3) to float32 in the network's range."""
        return (resized.astype(np.float32) - np.float32(self.offset)) * np.float32(self.scale)

    def to_input(self, pixels: np.ndarray) -> np.ndarray:
        """One decoded picture, (h, w, 3) uint8 sRGB, to float32 (size, size, 3)."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(f"expected (h, w, 3) uint8, not {pixels.shape} {pixels.dtype}")
        return self.normalise(self.resize(Image.fromarray(pixels)))


def face_square(
    box: Sequence[float], margin: float, width: int, height: int
) -> tuple[int, int, int, int]:
    """The square around a face that its view shows: left, top, right, bottom, within the picture.

    Args:
        box: left, top, width and height of the face.
        margin: side of the square over the longer side of the face, where the picture has room.
        width, height: of the picture.
    """
    side = max(1, min(round(margin * max(box[2], box[3])), width, height))
    left = min(max(round(box[0] + (box[2] - side) / 2), 0), width - side)
    top = min(max(round(box[1] + (box[3] - side) / 2), 0), height - side)
    return left, top, left + side, top + side
