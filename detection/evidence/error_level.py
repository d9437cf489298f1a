"""Error level analysis: how much each place changes when the picture is saved once more as JPEG.

For each pixel the largest difference over the channels between the picture p and J(p), the same
picture saved at one fixed quality and read again:

    e = max over c of | p_c - J(p)_c |,   shown = mean of e over a square × amplification

A picture that was saved as a whole changes by about the same everywhere that has the same detail; a
part that came from elsewhere, and was saved fewer times or at another quality, may change more or
less. So does every edge, every texture and every saturated colour, which is why it proves nothing.

Source: N. Krawetz, "A Picture's Worth: Digital Image Analysis and Forensics", Black Hat USA 2007.
What it cannot do: W. Wang, J. Dong and T. Tan, "Tampered Region Localization of Digital Color
Images Based on JPEG Compression Noise", IWDW 2010.
"""

import io

import numpy as np
from PIL import Image

from detection.evidence.layer import Drawn, Source, grey, pooled, shrink_factor, strips

VERSION = 1
QUALITY = 90
# White is what all but the strongest half percent stay below, but never less than this many levels:
# a picture that hardly changes shall look dark, not amplified into a pattern.
WHITE_PERCENTILE, LEAST_WHITE = 99.5, 10.0


def draw(source: Source) -> Drawn:
    """Error levels in grey: the lighter, the more a place changes."""
    pixels = source.pixels
    factor = shrink_factor(*pixels.shape[:2])
    rows = strips(pixels.shape[0], 8 * factor)
    levels = np.concatenate([pooled(error_levels(pixels[top:end]), factor) for top, end in rows])
    white = max(float(np.percentile(levels, WHITE_PERCENTILE)), LEAST_WHITE)
    figures = {
        "quality": QUALITY,
        "amplification": round(255 / white, 1),
        "median": round(float(np.median(levels)), 2),
        "white": round(white, 2),
    }
    return Drawn(grey(levels, 0.0, white), figures)


def error_levels(pixels: np.ndarray) -> np.ndarray:
    """Largest difference per pixel to the picture saved again, shape (h, w), float32.

    Without reduced colour resolution, which would light up every coloured edge.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    with Image.open(buffer, formats=["JPEG"]) as again:
        difference = np.abs(pixels.astype(np.int16) - np.asarray(again, np.int16))
    return difference.max(axis=2).astype(np.float32)
