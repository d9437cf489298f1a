"""Whether views give their class away by anything but what they show.

python -m benchmarks.shortcuts --data path/to/manifest.csv --cache FOLDER [--pairs 300]

For each source: a logistic regression on what a view costs as PNG and as JPEG, how far the borders
of 8x8 blocks stand out and how much fine detail there is, cross-validated over halves. Once on the
files as they are, with their size and aspect ratio, and once on the views that a network is
trained on. 0.5 is chance; an AUC that the views keep is one that a network could learn to cheat by.
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ml import calibration, metrics, quality  # noqa: E402
from ml.datasets.manifest import Sample, read_manifest  # noqa: E402
from ml.datasets.pixel_store import PixelStore, pixel_store  # noqa: E402
from ml.datasets.recipe import ViewRecipe  # noqa: E402
from ml.datasets.selections import all_manipulations  # noqa: E402
from ml.datasets.views import ViewPairs  # noqa: E402

SIZE = 160
STEPS = 200


def features(image: Image.Image) -> list[float]:
    measured = quality.measure(image)
    return [
        np.log(_bytes(image, "PNG") / (image.width * image.height)),
        np.log(_bytes(image, "JPEG") / (image.width * image.height)),
        measured.blockiness,
        measured.detail,
    ]


def file_features(sample: Sample, pixels: np.ndarray) -> list[float]:
    height, width = pixels.shape[:2]
    stored = np.log(sample.path.stat().st_size / (width * height))
    return [float(width), float(height), width / height, stored]


def cheating_auc(rows: np.ndarray, label: np.ndarray) -> metrics.Estimate:
    """AUC of a logistic regression, each half of the rows scored by the other's fit."""
    spread = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    design = np.column_stack([scaled, scaled**2, np.ones(len(rows))])
    order = np.random.default_rng(1).permutation(len(rows))
    score = np.empty(len(rows))
    for part in (0, 1):
        held, other = order[part::2], order[1 - part :: 2]
        score[held] = design[held] @ _fit(design[other], label[other])
    return metrics.auc(label, score)


def _fit(design: np.ndarray, label: np.ndarray) -> np.ndarray:
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = calibration.sigmoid(design @ weights)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + np.eye(len(weights))
        weights -= np.linalg.solve(curvature, design.T @ (p - label) + weights)
    return weights


def _bytes(image: Image.Image, name: str) -> int:
    buffer = BytesIO()
    image.save(buffer, name, **({"quality": 90} if name == "JPEG" else {"compress_level": 1}))
    return buffer.tell()


def measure_source(rows: list[Sample], store: PixelStore, pairs: int) -> str:
    step = max(1, len(rows) // (2 * pairs))
    files = rows[::step]
    as_they_are = np.array([file_features(row, store.pixels(row.sha256)) for row in files])
    before = cheating_auc(as_they_are, np.array([row.label for row in files]))
    recipe = ViewRecipe(aligned_share=0, blended_share=0)
    drawing, generator = ViewPairs(recipe, rows, store), np.random.default_rng(1)
    drawn = [drawing.draw(SIZE, generator) for _ in range(pairs)]
    seen = np.array([features(Image.fromarray(view)) for pair in drawn for view in pair])
    after = cheating_auc(seen, np.tile([0, 1], pairs))
    return (
        f"{rows[0].source:16} files {before.value:.2f} ({before.low:.2f}-{before.high:.2f}), "
        f"views {after.value:.2f} ({after.low:.2f}-{after.high:.2f}), n = {2 * pairs}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=300)
    options = parser.parse_args()
    selection = all_manipulations(read_manifest(options.data), 1)
    store = pixel_store(selection.train, options.cache, lambda done, total: None)
    for source in sorted({row.source for row in selection.train}):
        rows = [row for row in selection.train if row.source == source]
        if len({row.label for row in rows}) == 2:
            print(measure_source(rows, store, options.pairs), flush=True)


if __name__ == "__main__":
    main()
