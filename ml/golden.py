"""Pictures drawn by a rule, whose scores an artifact records: they must never come out otherwise.

A library, a processor or a damaged file that moves a score is found before it moves a verdict.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from ml.decoder import Decoded, ImageFacts
from ml.inference import Predictor
from ml.stability import jpeg

COUNT = 64
TOLERANCE = 1e-4
SIZES = ((224, 224), (320, 240), (256, 256), (480, 640), (160, 200), (1100, 700), (128, 128))
# A grid of so many random colours, enlarged, by its weight: coarse shapes first, as in pictures.
OCTAVES = ((3, 8), (6, 5), (12, 3), (24, 2), (48, 1), (96, 1))


def golden_picture(number: int) -> Decoded:
    """One of the pictures; whole numbers and Pillow's fixed-point resize give it on any machine."""
    generator = np.random.default_rng([7, number])
    width, height = SIZES[number % len(SIZES)]
    total = np.zeros((height, width, 3), np.int32)
    for cells, weight in OCTAVES:
        grid = generator.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
        enlarged = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += weight * np.asarray(enlarged, np.int32)
    pixels = total // sum(weight for _, weight in OCTAVES)
    image = Image.fromarray(pixels.astype(np.uint8))
    if number % 2:
        image = jpeg(image, 40 + 10 * (number % 6))
    facts = ImageFacts("PNG", width, height, "RGB")
    return Decoded(np.asarray(image), facts)


def golden_scores(predictor: Predictor, numbers: Sequence[int] = range(COUNT)) -> dict[str, float]:
    """Scores by the picture's number, as an artifact's sidecar records them."""
    predictions = predictor.predict([golden_picture(number) for number in numbers])
    return {str(n): round(p.score, 7) for n, p in zip(numbers, predictions, strict=True)}


def moved_scores(
    predictor: Predictor, recorded: Mapping[str, float], numbers: Sequence[int]
) -> list[str]:
    """What no longer scores as recorded, in words; a number without a record is passed over."""
    known = [number for number in numbers if str(number) in recorded]
    return [
        f"golden picture {name} scores {score:.6f}, recorded {recorded[name]:.6f}"
        for name, score in golden_scores(predictor, known).items()
        if not abs(score - recorded[name]) <= TOLERANCE
    ]
