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
        flatness: share of neighbouring pixels that are exactly equal; near 1 for drawings.
        correlation: of neighbouring pixels; near 1 for photographs, near 0 for noise.
    """

    blockiness: float
    detail: float
    flatness: float
    correlation: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure(image: Image.Image) -> Quality:
    """Measure a decoded picture; its blocks must start at its corner, as JPEG's do."""
    grey = np.asarray(_middle(image).convert("L"))
    return Quality(blockiness(grey), _detail(image), flatness(grey), correlation(grey))


def blockiness(grey: np.ndarray) -> float:
    """Mean of the ratio across and down; 1 for pictures of fewer than three blocks a side.

    Args:
        grey: (h, w) uint8.
    """
    ratios = [_ratio(part) for part in (grey, grey.T) if part.shape[1] >= 3 * BLOCK]
    return float(np.mean(ratios)) if ratios else 1.0


def flatness(grey: np.ndarray) -> float:
    """Share of equal neighbours across; 1 for a picture one pixel wide.

    Args:
        grey: (h, w) uint8.
    """
    return float((grey[:, 1:] == grey[:, :-1]).mean()) if grey.shape[1] > 1 else 1.0


def correlation(grey: np.ndarray) -> float:
    """Correlation of neighbours across; 1 where there is nothing to correlate.

    Args:
        grey: (h, w) uint8.
    """
    left, right = (part.astype(np.float32).ravel() for part in (grey[:, :-1], grey[:, 1:]))
    if not left.size or not left.std() or not right.std():
        return 1.0
    return float(((left - left.mean()) * (right - right.mean())).mean() / left.std() / right.std())


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
