"""The door to ml for a comparison: which images, what two versions say of each, what it means.

Beside `detection.detector`, which judges for people; nothing here writes a row.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detection import detector, storage
from detection.models import Image, ModelVersion
from ml import golden, release
from ml.alterations import COPIES
from ml.comparison import Answer, Compared, compare
from ml.datasets.manifest import Sample, read_manifest, read_rows, sample_of
from ml.datasets.selections import thinned
from ml.decision import Verdict
from ml.decoder import Decoded
from ml.errors import UnreadableImage
from ml.inference import Prediction
from ml.judging import CLEAN, altered

CELLS = (CLEAN, *COPIES)
# So many test images at most, evenly from each source and label: each is judged 16 times.
MOST_TEST_IMAGES = 2000
TRUTH = {0: str(Verdict.LIKELY_AUTHENTIC), 1: str(Verdict.LIKELY_MANIPULATED)}

Pair = tuple[ModelVersion, ModelVersion]


def images_of_test(manifest: Path, most: int = MOST_TEST_IMAGES) -> list[dict[str, Any]]:
    """The test split of a manifest, as JSON; the same each time.

    Raises:
        DatasetError: the manifest is not whole.
    """
    rows = _rows_of_test(manifest)
    kinds = {(row.source, row.label) for row in rows}
    kept = thinned(rows, lambda row: (row.source, row.label), max(1, most // max(1, len(kinds))))
    return [
        {
            "path": str(row.path),
            "sha256": row.sha256,
            "label": row.label,
            "source": row.source,
            "group": row.group,
        }
        for row in kept
    ]


def _rows_of_test(manifest: Path) -> list[Sample]:
    """Of a bucket's manifest without a look whether each file is there; judging it will say so."""
    if not storage.in_bucket(manifest):
        return list(read_manifest(manifest).split("test"))
    rows = read_rows(storage.read(manifest), manifest.name)
    return [sample_of(row, manifest.parent) for row in rows if row["split"] == "test"]


def judge_labelled(about: Mapping[str, Any], pair: Pair) -> dict[str, Any]:
    """What both versions say of one test image and of its altered copies.

    Args:
        about: of `images_of_test`.
        pair: the version before, and the one that would follow it.
    Raises:
        ml.errors.ArtifactError, ml.errors.DecoderUnavailable: nothing can be judged now.
    """
    try:
        with storage.local(Path(about["path"])) as path:
            if storage.sha256_of(path) != about["sha256"]:
                return {"failed": "altered"}
            decoded = detector.decode_file(path)
    except OSError:
        return {"failed": "missing"}
    except UnreadableImage as error:
        return {"failed": error.code}
    return _both(decoded, pair, CELLS)


def judge_golden(image: Image, pair: Pair) -> dict[str, Any]:
    """What both versions say of one stored image.

    Raises:
        as `judge_labelled`.
    """
    try:
        decoded = detector.decode(image)
    except UnreadableImage as error:
        return {"failed": error.code}
    except detector.OriginalMissing as error:
        return {"failed": error.code}
    return _both(decoded, pair, (CLEAN,))


def judge_live(image: Image, version: ModelVersion) -> dict[str, Any]:
    """What one version says of one stored image.

    Raises:
        as `judge_labelled`.
    """
    try:
        decoded = detector.decode(image)
    except (UnreadableImage, detector.OriginalMissing) as error:
        return {"failed": error.code}
    [prediction] = detector.predictor_of(version).predict([decoded])
    return {"verdict": str(prediction.verdict), "probability": prediction.probability}


def figures(rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    """All figures of both versions on the test images.

    Args:
        rows: what each image is, and what `judge_labelled` gave.
    """
    judged, failed = [], []
    for about, answers in rows:
        if "failed" in answers:
            failed.append({"sha256": about["sha256"], "code": answers["failed"]})
        else:
            judged.append(_compared(about, answers))
    return {**compare(judged), "unreadable": failed}


def golden_figures(rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    """How often each version was right and wrong about images whose truth is known."""
    told = [(TRUTH[about["label"]], answers) for about, answers in rows if "cells" in answers]
    counts = {"n": len(told)}
    for at, name in enumerate(("before", "after")):
        verdicts = [(truth, answers["cells"][CLEAN][at][0]) for truth, answers in told]
        unsure = str(Verdict.INCONCLUSIVE)
        counts[f"right_{name}"] = sum(truth == said for truth, said in verdicts)
        counts[f"wrong_{name}"] = sum(said not in (truth, unsure) for truth, said in verdicts)
    return counts


def moved_golden(version: ModelVersion) -> list[str]:
    """The recorded golden scores that a version does not give on this machine, in words."""
    predictor = detector.predictor_of(version)
    return golden.moved_scores(predictor, predictor.artifact.golden, range(golden.COUNT))


def slope_of(version: ModelVersion) -> float:
    """What a version's calibration multiplies its score with; above 0 where it learnt anything."""
    return float(detector.predictor_of(version).artifact.calibration.slope)


def obstacles(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why the candidate may not follow; empty if it may."""
    return release.obstacles(found)


def _both(decoded: Decoded, pair: Pair, cells: Sequence[str]) -> dict[str, Any]:
    shown = [altered(decoded, cell) for cell in cells]
    said, spent = [], []
    for version in pair:
        predictor = detector.predictor_of(version)
        before = time.process_time()
        first = predictor.predict(shown[:1])
        spent.append(round(1000 * (time.process_time() - before), 2))
        said.append([*first, *predictor.predict(shown[1:])])
    return {
        "cells": {cell: [_answer(one[at]) for one in said] for at, cell in enumerate(cells)},
        "cpu_ms": spent,
    }


def _answer(prediction: Prediction) -> list[Any]:
    return [str(prediction.verdict), prediction.probability, prediction.score]


def _compared(about: Mapping[str, Any], answers: Mapping[str, Any]) -> Compared:
    return Compared(
        label=about["label"],
        source=about["source"],
        group=about["group"],
        cells={
            cell: (Answer(*before), Answer(*after))
            for cell, (before, after) in answers["cells"].items()
        },
        cpu_ms=tuple(answers["cpu_ms"]),
    )
