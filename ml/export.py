"""From a finished run to an artifact: graph, parity, calibration, thresholds, figures, sidecar."""

import importlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

from ml.artifact import FORMAT, MODEL_FILE, REGISTERED, SIDECAR_FILE, Artifact, artifact_sha256
from ml.calibration import Calibration, sigmoid
from ml.datasets.arrays import plain_arrays
from ml.datasets.manifest import Manifest, Sample
from ml.decision import OperatingPoint
from ml.errors import RunError
from ml.evaluation import DEGRADATIONS, degraded_report, judge, measured_limits, verdict_report
from ml.inference import OUTPUTS, Predictor
from ml.operating_point import ErrorRates, fit_operating_point
from ml.preprocess import Preprocessing
from ml.run_folder import RunFolder, write_json
from ml.training import Report

PARITY_TOLERANCE = 1e-4
PARITY_IMAGES = 256


def export_run(
    run: RunFolder,
    manifest: Manifest,
    out: Path,
    report: Report,
    *,
    version: str,
    rates: ErrorRates,
) -> Artifact:
    """Write a new artifact; nothing chosen here has seen a test row.

    Raises:
        RunError: the run is unfinished, spends test rows, used other data, or its graph does
            not give what the checkpoint gives; or `out` exists.
    """
    if out.exists():
        raise RunError("not_exportable", f"{out} exists; an artifact is never overwritten")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as name:
        folder = Path(name) / "artifact"
        folder.mkdir()
        _Staged(folder, run, manifest, report, version=version, rates=rates).write()
        sha256 = artifact_sha256(folder)
        folder.rename(out)
    return Artifact.read(out, registered={sha256})


def register(artifact: Artifact) -> None:
    """Add an artifact's hash to the shipped ones."""
    entries = json.loads(REGISTERED.read_text())
    entry = {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256}
    write_json(REGISTERED, [*entries, entry])


class _Staged:
    """An artifact in the making, in a folder nobody loads from."""

    def __init__(
        self,
        folder: Path,
        run: RunFolder,
        manifest: Manifest,
        report: Report,
        *,
        version: str,
        rates: ErrorRates,
    ) -> None:
        self.folder, self.run, self.manifest = folder, run, manifest
        self.report, self.version, self.rates = report, version, rates
        self.told = run.description()
        self.config = self.told["config"]
        self.preprocessing = Preprocessing.from_json(self.config["preprocessing"])
        self._refuse_what_may_not_leave()

    def write(self) -> None:
        trained = keras.saving.load_model(self.run.result())
        network = importlib.import_module(f"ml.networks.{self.config['network']}")
        write_graph(network.with_evidence(trained), self.folder / MODEL_FILE)
        rows = self.manifest.split("val")
        inputs = self._inputs(rows)
        # Loadable, and deciding nothing, until the cuts are known.
        blank = OperatingPoint(0.0, 2.0, 0.0, 0.0)
        self._write_sidecar(network.LIMITS, Calibration(1.0, 0.0, 0.5, 0), blank, {})
        check_parity(trained, self._predictor(), inputs[:PARITY_IMAGES])
        logit = self._logits(inputs)
        calibrated, point = fit_operating_point(rows, logit, self.preprocessing.size, self.rates)
        self._write_sidecar(network.LIMITS, calibrated, point, {})
        figures = self._figures()
        limits = [*network.LIMITS, *measured_limits(figures["test"])]
        self._write_sidecar(limits, calibrated, point, figures)

    def _refuse_what_may_not_leave(self) -> None:
        if not self.config["is_exportable"]:
            raise RunError("not_exportable", f"{self.config['name']} learnt from test rows")
        if self.told["manifest_sha256"] != self.manifest.sha256:
            raise RunError("run_mismatch", "the run was trained on other data than these")

    def _inputs(self, rows: Sequence[Sample]) -> np.ndarray:
        cache = self.folder / "cache"
        arrays = plain_arrays(
            rows, self.preprocessing, cache, partial(self.report, "validation images")
        )
        inputs = self.preprocessing.normalise(arrays)
        shutil.rmtree(cache)
        return inputs

    def _logits(self, inputs: np.ndarray) -> np.ndarray:
        predictor = self._predictor()
        size = self.config["batch_size"]
        parts = [predictor.logits(inputs[at : at + size]) for at in range(0, len(inputs), size)]
        return np.concatenate(parts)

    def _figures(self) -> dict[str, Any]:
        predictor = self._predictor()
        judged = {
            split: judge(predictor, self.manifest.split(split), partial(self.report, split))
            for split in ("val", "test")
        }
        degraded = {}
        for name, alter in DEGRADATIONS.items():
            rows = self.manifest.split("test")
            after = judge(predictor, rows, partial(self.report, f"test, {name}"), alter)
            degraded[name] = degraded_report(judged["test"], after)
        reports = {split: verdict_report(rows) for split, rows in judged.items()}
        return {**reports, "test_degraded": degraded}

    def _predictor(self) -> Predictor:
        return Predictor.load(self.folder, registered={artifact_sha256(self.folder)})

    def _write_sidecar(
        self,
        limits: Sequence[str],
        calibrated: Calibration,
        point: OperatingPoint,
        figures: dict[str, Any],
    ) -> None:
        state = self.run.state()
        trained = {**self.told, "epochs": state.epoch, "best_epoch": state.best_epoch}
        sidecar = {
            "format": FORMAT,
            "name": self.config["name"],
            "version": self.version,
            "architecture": self.config["network"],
            "preprocessing": self.preprocessing.to_json(),
            "calibration": calibrated.to_json(),
            "operating_point": point.to_json(),
            "metrics": figures,
            "training": trained,
            "licence_notes": self.told["licence_notes"],
            "limits": list(limits),
        }
        write_json(self.folder / SIDECAR_FILE, sidecar)


def check_parity(trained: keras.Model, predictor: Predictor, inputs: np.ndarray) -> float:
    """Largest difference between the checkpoint's scores and the exported graph's.

    Raises:
        RunError: it is more than `PARITY_TOLERANCE`.
    """
    wanted = trained.predict(inputs, verbose=0)[:, 0]
    difference = float(np.abs(sigmoid(predictor.logits(inputs)) - wanted).max())
    if not difference <= PARITY_TOLERANCE:
        raise RunError("parity_failed", f"scores differ by {difference}, not {PARITY_TOLERANCE}")
    return difference


def write_graph(network: keras.Model, path: Path) -> None:
    """Write a network with outputs logit and activation as one self-contained ONNX file."""
    _, *shape = network.inputs[0].shape
    network(np.zeros((1, *shape), np.float32))  # Keras exports only what was called once
    network.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    for output, name in zip(graph.graph.output, OUTPUTS, strict=True):
        _rename(graph.graph, output.name, name)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for output in graph.output:
        if output.name == old:
            output.name = new
