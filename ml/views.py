"""Which parts of a picture a network judges: the whole, cuts at full size, and each face."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from ml.faces import FoundFace
from ml.preprocess import Preprocessing, face_square

Kind = Literal["whole", "cut", "face"]
Box = tuple[int, int, int, int]

# Larger pictures are reduced to this first: their finest pixels hold the sensor's noise and the
# camera's own sharpening, which no training image had left.
WORKING_SIDE_PX = 1024
# A whole view of a picture this little larger than the input shows all that a cut would.
CUT_FROM = 1.05
# From this many inputs' length on, a picture gets four cuts around its middle one.
MANY_CUTS_FROM = 2.0
FACE_MARGIN = 1.5
MAX_FACES = 4


@dataclass(frozen=True)
class View:
    """One part of a picture.

    Attributes:
        box: left, top, right, bottom in pixels of the working picture.
    """

    kind: Kind
    box: Box

    def of(self, image: Image.Image, working: tuple[int, int]) -> Image.Image:
        """The same part of a copy of the picture at another size."""
        if image.size == working:
            return image.crop(self.box)
        across, down = image.width / working[0], image.height / working[1]
        left, top, right, bottom = self.box
        # of a line one pixel high too, a part keeps a pixel: an empty one would be judged as black
        left = min(round(left * across), image.width - 1)
        top = min(round(top * down), image.height - 1)
        right, bottom = max(left + 1, round(right * across)), max(top + 1, round(bottom * down))
        return image.crop((left, top, right, bottom))


def working_picture(image: Image.Image) -> Image.Image:
    """The picture with its longer side reduced to `WORKING_SIDE_PX`; never enlarged."""
    if max(image.size) <= WORKING_SIDE_PX:
        return image
    ratio = WORKING_SIDE_PX / max(image.size)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def plan(size: tuple[int, int], faces: Sequence[FoundFace], rules: Preprocessing) -> list[View]:
    """The views of a picture of this width and height, the whole first, faces last.

    Args:
        faces: largest first; the first `MAX_FACES` get a view.
    """
    width, height = size
    views = [View("whole", (0, 0, width, height))]
    if "cut" in rules.views and max(size) > CUT_FROM * rules.size:
        views += [View("cut", box) for box in _cuts(width, height, rules.size)]
    if "face" in rules.views:
        views += [
            View("face", face_square(face.box, FACE_MARGIN, width, height))
            for face in faces[:MAX_FACES]
        ]
    return views


def core(views: Sequence[View]) -> list[int]:
    """Positions of the views that re-saved copies are judged by: one of each kind."""
    kinds = [view.kind for view in views]
    return [kinds.index(kind) for kind in dict.fromkeys(kinds)]


def render(
    image: Image.Image, views: Sequence[View], working: tuple[int, int], rules: Preprocessing
) -> np.ndarray:
    """The views of a picture, or of a copy of it, as bytes (n, size, size, 3)."""
    whole = (0, 0, *working)
    return np.stack(
        [rules.resize(image if view.box == whole else view.of(image, working)) for view in views]
    )


def _cuts(width: int, height: int, side: int) -> list[Box]:
    s = min(side, width, height)
    centres = [(0.5, 0.5)]
    if max(width, height) >= MANY_CUTS_FROM * side:
        centres += [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    boxes = []
    for x, y in centres:
        left = min(max(round(x * width - s / 2), 0), width - s)
        top = min(max(round(y * height - s / 2), 0), height - s)
        boxes.append((left, top, left + s, top + s))
    return list(dict.fromkeys(boxes))
