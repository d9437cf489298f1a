"""The heatmap: where a model found signs of manipulation, drawn to lie over the preview."""

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Shares = tuple[float, float, float, float]  # left, top, width, height of the picture
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# The strongest evidence of a map is drawn in full: this percentile, so that one cell cannot fade
# all the others.
FULL_PERCENTILE = 97
# Evidence this weak is never drawn in full. A map's cells are the terms of a mean (few, large) or
# of a sum (many, small): a quarter of a logit, or a share of as much as speaks at all in a sum.
FLOOR_LOGITS, FLOOR_LOGITS_OF_ALL = 0.25, 12.0
# Below this share of full strength nothing is drawn.
HIDDEN_BELOW = 0.15

# From weak to strong; lightness rises with it, so that the order holds without seeing hue. No
# skin, sky or leaf has these colours, and the legend in detection.css repeats them.
RAMP = ((0.0, (124, 36, 196)), (0.5, (226, 38, 122)), (1.0, (255, 206, 46)))
WEAKEST_ALPHA, STRONGEST_ALPHA = 60, 190
LEVELS = 64  # drawn, beside none: more cannot be told apart and compress badly

MOST_LOGITS = 1000.0  # no network says more, and what overflows is no number
FARTHEST_SHARE = 8.0  # a face's square may reach beyond the picture, but not into nonsense
FRAME, FRAME_HALO = (255, 255, 255, 255), (0, 0, 0, 220)
NUMBER_PER_SIDE = 26  # the preview is shown at about half its size: 20 pixels at least


def draw_heatmap(
    whole: np.ndarray, faces: Sequence[dict[str, Any]], size: tuple[int, int]
) -> bytes:
    """A transparent PNG of this size that marks evidence for "manipulated" and frames the faces.

    Args:
        whole: evidence in logits over the whole picture, shape (rows, columns); what is not a
            finite number counts as none.
        faces: as in `Detection.faces`; in its `square`, a face's own map replaces the whole one.
        size: width and height in pixels.
    """
    whole, of_faces = _finite(whole), list(_face_maps(faces))
    evidence = _resized(whole, size)
    for square, cells in of_faces:
        _place(evidence, cells, square)
    full = _full([whole, *(cells for _square, cells in of_faces)])
    picture = Image.fromarray(_palette()[_levels(evidence, full)])
    _frame(picture, faces)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=5)
    return buffer.getvalue()


def marks_anything(whole: np.ndarray, faces: Sequence[dict[str, Any]]) -> bool:
    """Whether any evidence is strong enough to be drawn."""
    maps = [_finite(whole), *(cells for _square, cells in _face_maps(faces))]
    return any(bool(_levels(cells, _full(maps)).any()) for cells in maps)


def _full(maps: Sequence[np.ndarray]) -> float:
    """The evidence that is drawn at full strength, in logits; the map of the whole comes first."""
    values = np.abs(np.concatenate([cells.ravel() for cells in maps]))
    floor = min(FLOOR_LOGITS, FLOOR_LOGITS_OF_ALL / maps[0].size)
    return max(float(np.percentile(values, FULL_PERCENTILE)), floor)


def _levels(evidence: np.ndarray, full: float) -> np.ndarray:
    """Index into the palette: 0 is transparent."""
    share = (evidence / full - HIDDEN_BELOW) / (1 - HIDDEN_BELOW)
    return np.ceil(np.clip(share, 0.0, 1.0) * LEVELS).astype(np.uint8)


@cache
def _palette() -> np.ndarray:
    """Colours by level, (LEVELS + 1, 4) uint8."""
    share = np.linspace(0.0, 1.0, LEVELS + 1)
    stops = [stop for stop, _colour in RAMP]
    channels = [np.interp(share, stops, [colour[i] for _stop, colour in RAMP]) for i in range(3)]
    alpha = np.interp(share, [0.0, 1.0], [WEAKEST_ALPHA, STRONGEST_ALPHA])
    alpha[: LEVELS // 8] *= np.linspace(0.0, 1.0, LEVELS // 8)  # no hard edge around a mark
    colours = np.stack([*channels, alpha], axis=-1).round().astype(np.uint8)
    colours[0] = 0
    return colours


def _resized(
    cells: np.ndarray, size: tuple[int, int], part: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Cells, or a part of them (left, top, right, bottom), smoothly stretched to this size."""
    image = Image.fromarray(np.ascontiguousarray(cells, np.float32))
    return np.array(image.resize(size, Image.Resampling.BICUBIC, box=part))


def _place(evidence: np.ndarray, cells: np.ndarray, square: Shares) -> None:
    """Stretch a face's cells over its square, as far as that lies in the picture."""
    height, width = evidence.shape
    rows, columns = cells.shape
    left, right, cell_left, cell_right = _visible(square[0], square[2], width, columns)
    top, bottom, cell_top, cell_bottom = _visible(square[1], square[3], height, rows)
    if right <= left or bottom <= top:
        return
    part = (cell_left, cell_top, cell_right, cell_bottom)
    evidence[top:bottom, left:right] = _resized(cells, (right - left, bottom - top), part)


def _visible(start: float, length: float, pixels: int, cells: int) -> tuple[int, int, float, float]:
    """First and last pixel of a stretch in the picture, and which cells lie there."""
    first, last = max(0, round(start * pixels)), min(pixels, round((start + length) * pixels))
    per_pixel = cells / (length * pixels)
    cell_first, cell_last = ((pixel - start * pixels) * per_pixel for pixel in (first, last))
    return first, last, max(cell_first, 0.0), min(cell_last, float(cells))


def _frame(picture: Image.Image, faces: Sequence[dict[str, Any]]) -> None:
    """Outline each face in white on black, which stands out anywhere, and number it."""
    draw, side = ImageDraw.Draw(picture), max(picture.size)
    line, font = max(1, round(side / 400)), _font(max(9, round(side / NUMBER_PER_SIDE)))
    for number, box in _numbered(face.get("box") for face in faces):
        left, top = box[0] * picture.width, box[1] * picture.height
        right, bottom = left + box[2] * picture.width, top + box[3] * picture.height
        for wider, colour in ((line, FRAME_HALO), (0, FRAME)):
            outer = (left - wider, top - wider, right + wider, bottom + wider)
            draw.rectangle(outer, outline=colour, width=line + 2 * wider)
        _write_number(draw, str(number), (left, top), font)


def _write_number(
    draw: ImageDraw.ImageDraw, number: str, corner: tuple[float, float], font: Font
) -> None:
    """White on black above the corner of a frame, or inside it at the edge of the picture."""
    _left, _top, right, bottom = draw.textbbox((0, 0), number, font=font)
    pad = bottom / 4
    width, height = right + 2 * pad, bottom + 2 * pad
    left, top = max(0.0, corner[0]), corner[1] - height
    top = top if top >= 0 else max(0.0, corner[1])
    draw.rectangle((left, top, left + width, top + height), fill=FRAME_HALO)
    draw.text((left + pad, top + pad / 2), number, fill=FRAME, font=font)


@cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _face_maps(faces: Sequence[dict[str, Any]]) -> Iterator[tuple[Shares, np.ndarray]]:
    """Square and map of the faces that have both; older models judged no faces, or kept none."""
    for number, square in _numbered(face.get("square") for face in faces):
        cells = _cells(faces[number - 1].get("activation"))
        if cells is not None:
            yield square, cells


def _numbered(values: Iterable[object]) -> Iterator[tuple[int, Shares]]:
    """Those that are four sound numbers, with their place in the list, from 1."""
    for number, value in enumerate(values, 1):
        if (shares := _shares(value)) is not None:
            yield number, shares


def _shares(value: object) -> Shares | None:
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if not all(_is_share(part) for part in value) or value[2] <= 0 or value[3] <= 0:
        return None
    left, top, width, height = value
    return left, top, width, height


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= FARTHEST_SHARE  # never true of NaN


def _cells(value: object) -> np.ndarray | None:
    try:
        cells = np.asarray(value, np.float32)
    except (OverflowError, TypeError, ValueError):  # rows of unequal length, or no numbers
        return None
    return _finite(cells) if cells.ndim == 2 and cells.size else None


def _finite(cells: np.ndarray) -> np.ndarray:
    numbers = np.nan_to_num(cells.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(numbers, -MOST_LOGITS, MOST_LOGITS)
