"""A short training without each source, measured on just that source: what is news to it."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from ml.datasets.manifest import Manifest, Sample
from ml.datasets.pixel_store import PixelStore, pixel_store
from ml.errors import DatasetError, RunError
from ml.evaluation import APART, POOLED, score_report
from ml.experiment import TrainingConfig
from ml.faces import find_faces
from ml.preprocess import Preprocessing
from ml.progress import Report
from ml.run_folder import RunFolder
from ml.steady import load
from ml.training import scores
from ml.views import plan, render, working_picture

# `ml.training.train`, or the same in bfloat16: config, data, run, cache and report go in.
Train = Callable[[TrainingConfig, Manifest, RunFolder, Path, Report], object]


def leave_each_out(
    config: TrainingConfig,
    manifest: Manifest,
    runs: Path,
    cache: Path,
    report: Report,
    *,
    train: Train,
) -> dict[str, Any]:
    """Plain classification of each left-out source's test images, by views as served.

    A source needs both classes among the test images.

    Raises:
        DatasetError: no source has both.
        RunError: the config starts with weights that know the sources.
    """
    if config.starts_from:
        raise RunError("run_mismatch", f"{config.name} starts from {config.starts_from}")
    test = [row for row in manifest.split("test") if row.source not in APART]
    names = sorted({row.source for row in test})
    by_name = {name: [row for row in test if row.source == name] for name in names}
    sources = {name: rows for name, rows in by_name.items() if len({row.label for row in rows}) > 1}
    if not sources:
        raise DatasetError("no source has reals and fakes among the test images")
    network = importlib.import_module(f"ml.networks.{config.network}")
    rules = replace(config.preprocessing, views=network.VIEWS)
    figures = {}
    for name, rows in sources.items():
        without = replace(config, name=f"{config.name}_without_{name}", left_out=name)
        run = RunFolder(runs / name)
        train(without, manifest, run, cache, report)
        model = load(run.result())
        store = pixel_store(rows, cache, lambda a, b: report("test images", a, b))
        score = _scores(config, model, rows, store, rules)
        figures[name] = score_report(rows, score)[POOLED]
    return {"config": config.to_json(), "sources": figures, "mean_auc": _mean_auc(figures)}


def _scores(
    config: TrainingConfig,
    model: keras.Model,
    rows: list[Sample],
    store: PixelStore,
    rules: Preprocessing,
) -> np.ndarray:
    """Mean score of a picture's views, shape (n,)."""
    views, owner = [], []
    for at, row in enumerate(rows):
        picture = working_picture(Image.fromarray(store.pixels(row.sha256)))
        faces = find_faces(np.asarray(picture)) if "face" in rules.views else []
        planned = plan(picture.size, faces, rules)
        views.append(render(picture, planned, picture.size, rules))
        owner += [at] * len(planned)
    inputs = rules.normalise(np.concatenate(views))
    score = scores(config, model, inputs)
    return np.bincount(owner, weights=score) / np.bincount(owner)


def _mean_auc(figures: dict[str, Any]) -> float:
    return round(float(np.mean([row["auc"]["value"] for row in figures.values()])), 4)
