"""The layers that can be laid over an image, and the methods that draw them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from detection.evidence import clones, error_level, jpeg_grid, noise, spectrum
from detection.evidence.layer import Drawn, Source

# How the decoder turned a picture that was stored with an EXIF orientation.
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNED_BACK = TURNED | {6: TURNED[8], 8: TURNED[6]}


@dataclass(frozen=True)
class Method:
    """How one kind of layer is made.

    Attributes:
        version: rises whenever the same picture would give another layer.
        needs_stored: works on the pixels as the file stores them, before they are turned upright,
            because JPEG's blocks are counted from the stored corner.
    """

    version: int
    draw: Callable[[Source], Drawn]
    needs_stored: bool = False


METHODS = {
    "ela": Method(error_level.VERSION, error_level.draw, needs_stored=True),
    "noise": Method(noise.VERSION, noise.draw),
    "spectrum": Method(spectrum.VERSION, spectrum.draw),
    "grid": Method(jpeg_grid.VERSION, jpeg_grid.draw, needs_stored=True),
    "clones": Method(clones.VERSION, clones.draw),
}


def draw_layer(kind: str, source: Source, orientation: int) -> Drawn:
    """Draw one kind of layer, upright.

    Args:
        source: pixels upright, as the decoder gives them.
        orientation: EXIF's, 1 to 8, that was applied to them.
    Raises:
        NotDrawn: the method has nothing to say about this picture.
    """
    method = METHODS[kind]
    if not method.needs_stored or orientation not in TURNED:
        return method.draw(source)
    drawn = method.draw(Source(_stored(source.pixels, orientation), source.table))
    return Drawn(drawn.picture.transpose(TURNED[orientation]), drawn.figures)


def _stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).transpose(TURNED_BACK[orientation]))
