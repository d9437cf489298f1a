"""Pictures with a known history, drawn and saved in memory."""

import io
from typing import Any

import numpy as np
from PIL import Image

from detection.evidence.layer import Source
from detection.evidence.quantisation import standard_table
from tests import images


def textured(height: int = 600, width: int = 800, seed: int = 5) -> np.ndarray:
    """Detail of every size, as landscapes have it, and a little noise; nothing repeats."""
    rng = np.random.default_rng(seed)
    across, down = np.fft.fftfreq(width) * width, np.fft.fftfreq(height) * height
    distance = np.hypot(across[None, :], down[:, None])
    distance[0, 0] = 1
    waves = np.fft.fft2(rng.normal(size=(height, width))) / distance**1.1
    plane = np.fft.ifft2(waves).real
    plane = (plane - plane.mean()) / plane.std() * 40 + 125
    colours = np.stack([plane, 0.9 * plane + 10, 0.8 * plane + 25], axis=-1)
    noisy = colours + rng.normal(0, 2, (height, width, 1))
    return np.clip(noisy, 1, 254).astype(np.uint8)


def saved(pixels: np.ndarray, *qualities: int, **options: Any) -> np.ndarray:
    """The picture after it was saved as JPEG at each quality in turn."""
    for quality in qualities:
        data = images.encode(Image.fromarray(pixels), "JPEG", quality=quality, **options)
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            pixels = np.asarray(image)
    return pixels


def jpeg(pixels: np.ndarray, *qualities: int) -> Source:
    """The picture as a file saved at each quality in turn states and shows it."""
    return Source(saved(pixels, *qualities), standard_table(qualities[-1]))


def with_part(
    pixels: np.ndarray, part: np.ndarray, top: int, left: int
) -> tuple[np.ndarray, np.ndarray]:
    """The picture with a part pasted into it, and where that is."""
    changed, mask = pixels.copy(), np.zeros(pixels.shape[:2], bool)
    place = np.s_[top : top + part.shape[0], left : left + part.shape[1]]
    changed[place], mask[place] = part, True
    return changed, mask
