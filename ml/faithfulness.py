"""Whether the evidence map marks what moved the score: masking it against masking at random."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml.artifact import artifact_sha256
from ml.datasets.arrays import decode_checked
from ml.decision import Verdict
from ml.decoder import Decoder
from ml.inference import Predictor
from ml.judging import Judged
from ml.views import working_picture

IMAGES = 60
MASKED_SHARE = 0.2
RANDOM_DRAWS = 4


def faithfulness(artifact: Path, judged: Sequence[Judged], *, seed: int = 1) -> dict[str, Any]:
    """Mean fall of the whole view's logit when its cells are blurred: marked ones, random ones.

    Taken over pictures called manipulated, evenly from all of them. `ahead` is the share of
    pictures in which the marked cells move the logit further than the mean of the random ones.
    """
    accused = [o for o in judged if o.prediction.verdict is Verdict.LIKELY_MANIPULATED]
    wanted = min(IMAGES, len(accused))
    chosen = [accused[at * len(accused) // wanted] for at in range(wanted)]
    predictor = Predictor.load(artifact, registered={artifact_sha256(artifact)})
    generator = np.random.default_rng(seed)
    falls = []
    with Decoder() as decoder:
        for one in chosen:
            image = Image.fromarray(decode_checked(decoder, one.sample).pixels)
            falls.append(_falls(predictor, image, generator))
    if not falls:
        return {"n": 0}
    marked, random = np.array(falls).T
    return {
        "n": len(falls),
        "masked_share": MASKED_SHARE,
        "fall_of_marked": round(float(marked.mean()), 3),
        "fall_of_random": round(float(random.mean()), 3),
        "ahead": round(float((marked > random).mean()), 3),
    }


def _falls(
    predictor: Predictor, image: Image.Image, generator: np.random.Generator
) -> tuple[float, float]:
    rules = predictor.artifact.preprocessing
    resized = rules.resize(working_picture(image))
    [before], [activation] = predictor.evidence(rules.normalise(resized[None]))
    count = max(1, round(MASKED_SHARE * activation.size))
    highest = np.argsort(activation, axis=None)[-count:]
    draws = [generator.choice(activation.size, count, replace=False) for _ in range(RANDOM_DRAWS)]
    masked = [_masked(resized, activation.shape, cells) for cells in (highest, *draws)]
    after, _ = predictor.evidence(rules.normalise(np.stack(masked)))
    return float(before - after[0]), float(before - after[1:].mean())


def _masked(view: np.ndarray, shape: tuple[int, ...], cells: np.ndarray) -> np.ndarray:
    """The view with some cells replaced by what is left of them at four pixels a cell."""
    side = (view.shape[1], view.shape[0])
    image = Image.fromarray(view)
    coarse = image.resize((shape[1] * 4, shape[0] * 4), Image.Resampling.BOX)
    blurred = np.asarray(coarse.resize(side, Image.Resampling.BICUBIC))
    mask = np.zeros(shape, bool)
    mask.ravel()[cells] = True
    rows = np.arange(side[1]) * shape[0] // side[1]
    columns = np.arange(side[0]) * shape[1] // side[0]
    return np.where(mask[rows][:, columns, None], blurred, view)
