"""What the default artifact loses and saves as a static int8 network.

    nice python -m benchmarks.int8 --data MANIFEST [--each 24] [--calibrated-on 200]

Judges validation images (as many of each source and label) with the shipped network and with the
same one quantised, per channel, activations calibrated on training images. Nothing is written.
Wanted for int8: AUC lower by less than 0.002.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.table import Table

from ml import inference, metrics
from ml.artifact import DEFAULT_ARTIFACT, MODEL_FILE, shipped_hashes
from ml.datasets.manifest import Sample, read_manifest
from ml.decoder import MIN_SIDE, Decoder
from ml.evaluation import APART
from ml.inference import Prediction, Predictor


def some(samples: Sequence[Sample], each: int, seed: int = 1) -> list[Sample]:
    """So many of each source and label, by a seed."""
    found: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for at in np.random.default_rng(seed).permutation(len(samples)):
        rows = found[samples[at].source, samples[at].label]
        if len(rows) < each:
            rows.append(samples[at])
    return [row for key in sorted(found) for row in found[key]]


class Inputs(CalibrationDataReader):
    """What the network is really shown, picture by picture."""

    def __init__(self, predictor: Predictor, samples: Sequence[Sample]) -> None:
        self._name = predictor._session.get_inputs()[0].name
        self._batches = self._seen(predictor, samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}

    def _seen(self, predictor: Predictor, samples: Sequence[Sample]) -> Iterator[np.ndarray]:
        seen: list[np.ndarray] = []
        run = predictor._run

        def noted(inputs: np.ndarray) -> Any:
            seen.append(inputs)
            return run(inputs)

        predictor._run = noted  # type: ignore[method-assign]
        with Decoder() as decoder:
            for sample in samples:
                predictor.predict([decoder.decode(sample.path, min_side=MIN_SIDE)])
                yield from seen
                seen.clear()
        predictor._run = run  # type: ignore[method-assign]


def quantised(predictor: Predictor, samples: Sequence[Sample]) -> tuple[Predictor, int]:
    """The same artifact with an int8 network, and that network's bytes."""
    with tempfile.TemporaryDirectory() as name:
        prepared, small = Path(name) / "prepared.onnx", Path(name) / "int8.onnx"
        quant_pre_process(DEFAULT_ARTIFACT / MODEL_FILE, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            small,
            Inputs(predictor, samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        model = small.read_bytes()
    return Predictor(predictor.artifact, inference._session(model)), len(model)


def judged(predictor: Predictor, samples: Sequence[Sample]) -> tuple[list[Prediction], float]:
    """Predictions, and CPU ms of the network for each."""
    spent, run = 0.0, predictor._run

    def timed(inputs: np.ndarray) -> Any:
        nonlocal spent
        started = time.process_time()
        outputs = run(inputs)
        spent += time.process_time() - started
        return outputs

    predictor._run = timed  # type: ignore[method-assign]
    with Decoder() as decoder:
        found = [
            predictor.predict([decoder.decode(sample.path, min_side=MIN_SIDE)])[0]
            for sample in samples
        ]
    predictor._run = run  # type: ignore[method-assign]
    return found, 1000 * spent / len(samples)


def _auc(label: np.ndarray, found: Sequence[Prediction]) -> str:
    auc = metrics.auc(label, np.array([one.logit for one in found]))
    return f"{auc.value:.4f} ({auc.low:.3f}-{auc.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--each", type=int, default=24)
    parser.add_argument("--calibrated-on", type=int, default=200)
    options = parser.parse_args()
    manifest = read_manifest(options.data)
    train = some(manifest.split("train"), 50)
    order = np.random.default_rng(2).permutation(len(train))[: options.calibrated_on]
    val = [row for row in some(manifest.split("val"), options.each) if row.source not in APART]
    label = np.array([sample.label for sample in val])
    predictor = Predictor.load(DEFAULT_ARTIFACT, registered=shipped_hashes())
    small, size = quantised(predictor, [train[at] for at in order])
    table = Table("", "float32", "int8", title=f"validation, n = {len(val)}")
    before, before_ms = judged(predictor, val)
    after, after_ms = judged(small, val)
    table.add_row("AUC, pooled (95 %)", *(_auc(label, found) for found in (before, after)))
    moved = np.array([a.logit - b.logit for a, b in zip(after, before, strict=True)])
    changed = sum(a.verdict is not b.verdict for a, b in zip(after, before, strict=True))
    table.add_row("logit moved, root mean square", "", f"{np.sqrt(np.mean(moved**2)):.3f}")
    table.add_row("verdicts changed", "", f"{changed} of {len(val)}")
    table.add_row("CPU of the network an image, ms", f"{before_ms:.1f}", f"{after_ms:.1f}")
    kept = os.path.getsize(DEFAULT_ARTIFACT / MODEL_FILE)
    table.add_row("bytes of the network", f"{kept:,}", f"{size:,}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
