"""What in a picture speaks against judging it at all, measured on its pixels alone."""

from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

BLOCK = 8
# Blocks are counted in the middle of larger pictures: enough of them, at a bounded cost.
BLOCKS_SIDE_PX = 128 * BLOCK
VIEW_SIDE_PX = 128
DETAIL_SIDE_PX = 32


@dataclass(frozen=True)
class Quality:
    """Figures that vetoes compare with the limits of the artifact.

    Attributes:
        blockiness: mean step across the borders of 8x8 blocks over the mean step elsewhere; about
            1 without compression, far above 1 where blocks are all that is left.
        detail: spread of what a 128 pixel view loses when it is reduced to 32, of 255; near 0 for
            a plain picture or one enlarged from a tiny one.
    """

    blockiness: float
    detail: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure(image: Image.Image) -> Quality:
    """Measure a decoded picture; its blocks must start at its corner, as JPEG's do."""
    return Quality(blockiness(np.asarray(_middle(image).convert("L"))), _detail(image))


def blockiness(grey: np.ndarray) -> float:
    """Mean of the ratio across and down; 1 for pictures of fewer than three blocks a side.

    Args:
        grey: (h, w) uint8.
    """
    ratios = [_ratio(part) for part in (grey, grey.T) if part.shape[1] >= 3 * BLOCK]
    return float(np.mean(ratios)) if ratios else 1.0


def _ratio(grey: np.ndarray) -> float:
    steps = np.abs(np.diff(grey.astype(np.int16), axis=1)).mean(axis=0)
    is_border = np.arange(1, grey.shape[1]) % BLOCK == 0
    # half a level, so that plain pictures do not divide nothing by nothing
    return float((steps[is_border].mean() + 0.5) / (steps[~is_border].mean() + 0.5))


def _middle(image: Image.Image) -> Image.Image:
    """At most `BLOCKS_SIDE_PX` of each side, cut along the borders of blocks."""
    left, top = (max(0, (side - BLOCKS_SIDE_PX) // 2) // BLOCK * BLOCK for side in image.size)
    width, height = (min(side, BLOCKS_SIDE_PX) for side in image.size)
    return image.crop((left, top, left + width, top + height))


def _detail(image: Image.Image) -> float:
    side = (VIEW_SIDE_PX, VIEW_SIDE_PX)
    view = image.resize(side, Image.Resampling.BICUBIC, reducing_gap=3.0).convert("L")
    coarse = view.resize((DETAIL_SIDE_PX, DETAIL_SIDE_PX), Image.Resampling.BOX)
    lost = np.asarray(view, np.float32) - np.asarray(
        coarse.resize(side, Image.Resampling.BICUBIC), np.float32
    )
    return float(lost.std())
