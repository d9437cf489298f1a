"""Where views are cut from pictures: the whole, the face, at full size, or beside the face."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ml.datasets.recipe import ViewRecipe
from ml.preprocess import face_square
from ml.views import FACE_MARGIN

Box = tuple[int, int, int, int]
# A narrower strip beside a face shows nothing but a plain wall, enlarged.
MIN_ROOM_PX = 80


@dataclass(frozen=True)
class Cut:
    """Where a view lies in its picture, and through which sizes it goes.

    Attributes:
        box: left, top, right, bottom in pixels.
        between: width and height at which the damage is done.
    """

    box: Box
    between: tuple[int, int]
    resample: Image.Resampling
    is_flipped: bool


def whole_box(shape: tuple[int, ...], recipe: ViewRecipe, generator: np.random.Generator) -> Box:
    """Nearly the whole picture, of an aspect ratio and with a share of its sides as drawn."""
    height, width = shape[:2]
    limit = np.log(recipe.max_aspect)
    aspect = float(np.exp(generator.uniform(-limit, limit)))
    keep = generator.uniform(recipe.min_keep, 1)
    w = max(8, int(min(width, height * aspect) * keep))
    h = max(8, int(min(height, width / aspect) * keep))
    left = int(generator.integers(0, max(1, width - w + 1)))
    top = int(generator.integers(0, max(1, height - h + 1)))
    return left, top, left + w, top + h


def served_cut(
    shape: tuple[int, ...],
    face: tuple[np.ndarray, np.ndarray] | None,
    generator: np.random.Generator,
) -> Cut:
    """The whole picture or its face as a verdict is made of it; only mirrored half of the time."""
    height, width = shape[:2]
    box = (0, 0, width, height)
    if face is not None:
        box = face_square(face[0].tolist(), FACE_MARGIN, width, height)
    between = (box[2] - box[0], box[3] - box[1])
    return Cut(box, between, Image.Resampling.BICUBIC, bool(generator.random() < 0.5))


def face_box(face: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> Box:
    margin = float(generator.uniform(1.1, 2.0))
    shift = generator.uniform(-0.08, 0.08, 2)
    left, top, width, height = face
    moved = (left + shift[0] * width, top + shift[1] * height, width, height)
    return face_square(moved, margin, shape[1], shape[0])


def crop_box(
    shape: tuple[int, ...],
    side: float,
    face: tuple[np.ndarray, np.ndarray] | None,
    generator: np.random.Generator,
) -> Box:
    """A square of the wanted side, or as large as there is room, that holds the face's middle."""
    height, width = shape[:2]
    s = max(8, min(round(side), height, width))
    low, high = np.zeros(2), np.array([width - s, height - s], float)
    if face is not None and generator.random() < 0.85:
        middle = face[1].mean(axis=0)
        low = np.clip(middle - 0.8 * s, low, high)
        high = np.clip(middle - 0.2 * s, low, high)
    left, top = (round(float(v)) for v in generator.uniform(low, high + 1e-9))
    return left, top, left + s, top + s


def beside_box(rooms: Sequence[Box], side: int, generator: np.random.Generator) -> Box:
    """A square of at most this side in one of the rooms, each as often."""
    left, top, right, bottom = rooms[int(generator.integers(len(rooms)))]
    s = min(side, right - left, bottom - top)
    x = int(generator.integers(left, right - s + 1))
    y = int(generator.integers(top, bottom - s + 1))
    return x, y, x + s, y + s


def rooms_beside(shape: tuple[int, ...], face: tuple[np.ndarray, np.ndarray] | None) -> list[Box]:
    """Where there is space beside the face, hair and seam of a swap left out; all of it without."""
    height, width = shape[:2]
    if face is None:
        rooms = [(0, 0, width, height)]
    else:
        x, y, w, h = face[0]
        rooms = [
            (0, 0, int(x - 0.15 * w), height),
            (int(x + 1.15 * w), 0, width, height),
            (0, 0, width, int(y - 0.3 * h)),
            (0, int(y + 1.15 * h), width, height),
        ]
    return [room for room in rooms if min(room[2] - room[0], room[3] - room[1]) >= MIN_ROOM_PX]
