"""Fakes made from reals: a face, or a part of one, blended back from a changed or other picture.

Both halves of such a pair are the same photograph, so nothing but the seam, the mismatch of
colour or sharpness and the misplaced part can tell them apart.
Source: Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022; here with
the five landmarks of the face detector, and with parts of other faces beside the picture's own.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from ml.datasets.damage import draw_filter

# Parts as (centre, half axes) in units of the distance between the eyes, from five landmarks.
Part = Callable[[np.ndarray], list[tuple[np.ndarray, tuple[float, float]]]]
PARTS: dict[str, Part] = {
    "face": lambda p: [(p.mean(axis=0), (1.05, 1.35))],
    "inner": lambda p: [(p.mean(axis=0), (0.85, 1.0))],
    "eyes": lambda p: [(p[0], (0.45, 0.35)), (p[1], (0.45, 0.35))],
    "eye": lambda p: [(p[0], (0.45, 0.35))],
    "nose": lambda p: [(p[2] - (p[2] - p[:2].mean(axis=0)) * 0.3, (0.4, 0.55))],
    "mouth": lambda p: [(p[3:].mean(axis=0), (0.65, 0.4))],
    "lower": lambda p: [(p[2:].mean(axis=0), (0.95, 0.8))],
}
PART_SHARES = (0.34, 0.16, 0.12, 0.06, 0.08, 0.12, 0.12)
# A blend that leaves the picture as it was would be a real with a wrong label.
MIN_CHANGE = 2.0
# Cells along each side of the part that a seam's colours are compared in, and how much each cell
# counts for another: less by the cube of their distance.
SEAM_GRID = 12
_CELLS = np.stack(np.divmod(np.arange(SEAM_GRID**2), SEAM_GRID), axis=1).astype(np.float32)
_NEARNESS = (((_CELLS[:, None] - _CELLS) ** 2).sum(axis=2) + 1) ** -1.5
_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def self_blended(
    pixels: np.ndarray, landmarks: np.ndarray, generator: np.random.Generator
) -> np.ndarray | None:
    """The picture with a changed copy of its own face, or of a part of it, blended in.

    Args:
        pixels: (h, w, 3) uint8.
        landmarks: (5, 2), x then y.
    Returns:
        The same shape, or None where the blend would not show.
    """
    target = Image.fromarray(pixels)
    source, known = _shifted(_changed(target, generator), generator)
    return _blend(target, source, known, landmarks, generator)


def cross_blended(
    pixels: np.ndarray,
    landmarks: np.ndarray,
    other: np.ndarray,
    other_landmarks: np.ndarray,
    generator: np.random.Generator,
    *,
    is_seamless: bool = False,
) -> np.ndarray | None:
    """The picture with another person's face, or a part of it, laid over its own landmarks.

    Args:
        is_seamless: colours are drawn to those around the part, as careful hands would do.
    """
    target = Image.fromarray(pixels)
    source, known = _aligned(Image.fromarray(other), other_landmarks, landmarks, target.size)
    if generator.random() < 0.7:
        source = _recoloured(source, target, landmarks)
    if generator.random() < 0.5:
        source = _changed(source, generator)
    return _blend(target, source, known, landmarks, generator, is_seamless=is_seamless)


def mismatch(points: np.ndarray, onto: np.ndarray) -> float:
    """How badly one face's landmarks lie on another's at best; a share of their spread, 0 to 1."""
    there, here = (p[:, 0] + 1j * p[:, 1] for p in (points, onto))
    there, here = there - there.mean(), here - here.mean()
    both = float(np.vdot(there, there).real * np.vdot(here, here).real)
    # 1 - r² of the complex regression of one on the other
    return 1 - abs(np.vdot(here, there)) ** 2 / both if both else 1.0


def _blend(
    target: Image.Image,
    source: Image.Image,
    known: Image.Image,
    landmarks: np.ndarray,
    generator: np.random.Generator,
    *,
    is_seamless: bool = False,
) -> np.ndarray | None:
    """Lay `source` over `target` inside a mask, where `known` is white."""
    part = list(PARTS)[int(generator.choice(len(PARTS), p=PART_SHARES))]
    mask = _mask(target.size, landmarks, part, generator)
    strength = np.float32(generator.choice([0.5, 0.75, 1.0, 1.0, 1.0]))
    inside = np.minimum(np.asarray(mask), np.asarray(known))
    weight = inside.astype(np.float32)[..., None] / 255 * strength
    before, inserted = np.asarray(target, np.float32), np.asarray(source, np.float32)
    if is_seamless:
        inserted = _drawn_to(before, inserted, inside)
    after = before + weight * (inserted - before)
    change = float((np.abs(after - before) * (weight > 0.05)).sum())
    area = float((weight > 0.05).sum()) * 3
    if not area or change / area < MIN_CHANGE:
        return None
    return (after + 0.5).astype(np.uint8)


def _drawn_to(around: np.ndarray, inserted: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """`inserted` with a smooth shift of its colours that makes it meet `around` at the seam.

    A pixel's shift is the mean of the differences along the seam, weighted by distance (Shepard,
    ACM 1968) on a coarse grid: what Pérez et al., Poisson Image Editing, SIGGRAPH 2003, solve for.

    Args:
        inside: the mask, (h, w) uint8.
    """
    rows, columns = (np.flatnonzero(inside.max(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return inserted
    area = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask = inside[area].astype(np.float32) / 255
    # what is half inside lies on the seam
    seam = np.maximum(4 * mask * (1 - mask), 1e-6)
    apart = around[area] - inserted[area]
    grid = (SEAM_GRID, SEAM_GRID)
    weight = _resized(seam, grid, Image.Resampling.BOX)
    found = [
        _resized(apart[..., at] * seam, grid, Image.Resampling.BOX) / weight for at in range(3)
    ]
    near = _NEARNESS * weight.ravel()
    near /= near.sum(axis=1, keepdims=True)
    size = mask.shape[::-1]
    shift = [
        _resized((near @ each.ravel()).reshape(grid), size, Image.Resampling.BICUBIC)
        for each in found
    ]
    drawn = inserted.copy()
    drawn[area] = np.clip(inserted[area] + np.stack(shift, axis=-1), 0, 255)
    return drawn


def _resized(plane: np.ndarray, size: tuple[int, int], resample: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, resample))


def _mask(
    size: tuple[int, int], landmarks: np.ndarray, part: str, generator: np.random.Generator
) -> Image.Image:
    eyes = landmarks[1] - landmarks[0]
    distance = max(4.0, float(np.hypot(*eyes)), float(np.ptp(landmarks[:, 1])))
    along = eyes / (np.hypot(*eyes) or 1.0)
    across_and_down = np.stack([along, [-along[1], along[0]]])
    mask = Image.new("L", size)
    for centre, axes in PARTS[part](landmarks):
        middle = centre + generator.normal(0, 0.06, 2) * distance
        lengths = np.array(axes) * distance * generator.uniform(0.8, 1.2, 2)
        outline = middle + (_CIRCLE * lengths) @ across_and_down
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline], fill=255)
    if generator.random() < 0.5:
        mask = _warped(mask, distance, generator)
    return mask.filter(ImageFilter.GaussianBlur(distance * generator.uniform(0.02, 0.15)))


def _warped(mask: Image.Image, distance: float, generator: np.random.Generator) -> Image.Image:
    """Bend the outline: each corner of the picture moves by up to a fifth of the eyes' distance."""
    w, h = mask.size
    corners = np.array([0, 0, 0, h, w, h, w, 0], float)
    moved = corners + generator.uniform(-0.2, 0.2, 8) * distance
    return mask.transform(mask.size, Image.Transform.QUAD, list(moved), Image.Resampling.BILINEAR)


def _changed(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Other colours, other sharpness: what a second camera or a second save would give."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(float(1 + generator.uniform(-0.18, 0.18)))
    shift = generator.integers(-14, 15, 3)
    table = np.clip(np.arange(256)[None] + shift[:, None], 0, 255).astype(np.uint8)
    image = image.point(list(table.ravel()))
    chosen = generator.random()
    if chosen < 0.4:
        factor = generator.uniform(0.3, 0.9)
        small = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        image = image.resize(small, draw_filter(generator)).resize(
            image.size, draw_filter(generator)
        )
    elif chosen < 0.6:
        image = image.filter(ImageFilter.UnsharpMask(2, int(generator.integers(60, 180))))
    elif chosen < 0.75:
        image = image.filter(ImageFilter.GaussianBlur(generator.uniform(0.4, 1.5)))
    return image


def _shifted(image: Image.Image, generator: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Moved and scaled by a few hundredths, about the middle."""
    zoom = generator.uniform(0.95, 1.05)
    dx, dy = generator.uniform(-0.03, 0.03, 2) * image.size
    cx, cy = image.width / 2, image.height / 2
    matrix = (zoom, 0, cx - zoom * cx + dx, 0, zoom, cy - zoom * cy + dy)
    return _transformed(image, image.size, matrix)


def _aligned(
    other: Image.Image, points: np.ndarray, onto: np.ndarray, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """The other picture turned, scaled and moved until its landmarks lie nearest to these.

    Source: Umeyama, IEEE PAMI 13, 1991, in its two-dimensional form over complex numbers.
    """
    there, here = (p[:, 0] + 1j * p[:, 1] for p in (points, onto))
    from_here = here - here.mean()
    # the inverse map: where in the other picture each pixel of this one comes from
    ratio = np.vdot(from_here, there - there.mean()) / np.vdot(from_here, from_here)
    offset = there.mean() - ratio * here.mean()
    matrix = (ratio.real, -ratio.imag, offset.real, ratio.imag, ratio.real, offset.imag)
    return _transformed(other, size, matrix)


def _transformed(
    image: Image.Image, size: tuple[int, int], matrix: tuple[float, ...]
) -> tuple[Image.Image, Image.Image]:
    """The picture under an affine map, and a mask that is white where it has pixels to show."""
    affine, white = Image.Transform.AFFINE, Image.new("L", image.size, 255)
    known = white.transform(size, affine, matrix, Image.Resampling.BILINEAR)
    soft = known.filter(ImageFilter.GaussianBlur(3)).point(
        [max(0, 2 * v - 255) for v in range(256)]
    )
    return image.transform(size, affine, matrix, Image.Resampling.BICUBIC), soft


def _recoloured(source: Image.Image, target: Image.Image, landmarks: np.ndarray) -> Image.Image:
    """Mean and spread of each channel as around the target's landmarks."""
    low = np.maximum(landmarks.min(axis=0).astype(int), 0)
    high = np.maximum(landmarks.max(axis=0).astype(int), low + 2)
    area = (slice(low[1], high[1]), slice(low[0], high[0]))
    moved, wanted = np.asarray(source, np.float32), np.asarray(target, np.float32)
    if not moved[area].size:
        return source
    mean, spread = moved[area].mean((0, 1)), moved[area].std((0, 1)) + 1
    new_mean, new_spread = wanted[area].mean((0, 1)), wanted[area].std((0, 1)) + 1
    gain = np.clip(new_spread / spread, 0.5, 2)
    return Image.fromarray(np.clip((moved - mean) * gain + new_mean, 0, 255).astype(np.uint8))
