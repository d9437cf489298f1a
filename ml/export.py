"""From a finished run to an artifact: graph, parity, calibration, thresholds, figures, sidecar."""

import importlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

from ml.alterations import COPIES
from ml.artifact import FORMAT, MODEL_FILE, REGISTERED, SIDECAR_FILE, Artifact, artifact_sha256
from ml.calibration import sigmoid
from ml.datasets.arrays import plain_arrays
from ml.datasets.manifest import Manifest, Sample
from ml.datasets.selections import NEVER_TRAINED_ON, thinned
from ml.domain import COMPONENTS, Domain
from ml.domain import fit as fit_domain
from ml.errors import RunError
from ml.evaluation import (
    APART,
    POOLED,
    copies_report,
    measured_limits,
    moved_report,
    verdict_report,
)
from ml.golden import golden_scores
from ml.inference import DISTANCE, OUTPUTS, Predictor
from ml.judging import CLEAN, Judged, judge
from ml.operating_point import RESAVED, ErrorRates, Fitted, blank, fit, images_needed
from ml.preprocess import Preprocessing
from ml.progress import Report
from ml.run_folder import RunFolder, write_json
from ml.runtime import onnxruntime
from ml.start import WEIGHTS_FILE, save_weights
from ml.steady import load

EMBEDDING = "embedding"
DOMAIN_IMAGES = 3000
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
    with _staged(out, run.told(), manifest, report, version=version, rates=rates) as staged:
        staged.draw(run)
        staged.fit()
    return Artifact.read(out, registered={artifact_sha256(out)})


def fit_again(
    folder: Path, manifest: Manifest, out: Path, report: Report, *, version: str
) -> Artifact:
    """Write an artifact of the same network with all that is fitted on validation images anew.

    For rules that changed since, such as what makes a veto; to the same error rates.

    Raises:
        RunError: it was trained on other data than these, or `out` exists.
    """
    before = Artifact.read(folder, registered={artifact_sha256(folder)})
    point, told = before.operating_point, dict(before.training)
    rates = ErrorRates(point.max_false_accusation_rate, point.max_missed_fake_rate)
    with _staged(out, told, manifest, report, version=version, rates=rates) as staged:
        staged.take(folder)
        staged.fit()
    return Artifact.read(out, registered={artifact_sha256(out)})


@contextmanager
def _staged(
    out: Path,
    told: dict[str, Any],
    manifest: Manifest,
    report: Report,
    *,
    version: str,
    rates: ErrorRates,
) -> Iterator["_Staged"]:
    """An artifact in the making, which stands at `out` when all went well."""
    if out.exists():
        raise RunError("not_exportable", f"{out} exists; an artifact is never overwritten")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as name:
        folder = Path(name) / "artifact"
        folder.mkdir()
        yield _Staged(folder, told, manifest, report, version=version, rates=rates)
        folder.rename(out)


def register(artifact: Artifact) -> None:
    """Add an artifact's hash to the shipped ones."""
    entries = json.loads(REGISTERED.read_text())
    entry = {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256}
    write_json(REGISTERED, [*entries, entry])


class _Staged:
    """An artifact in the making, in a folder nobody loads from.

    Args:
        told: what the sidecar will say of its training.
    """

    def __init__(
        self,
        folder: Path,
        told: dict[str, Any],
        manifest: Manifest,
        report: Report,
        *,
        version: str,
        rates: ErrorRates,
    ) -> None:
        self.folder, self.told, self.manifest, self.report = folder, told, manifest, report
        self.version, self.rates = version, rates
        self.config = told["config"]
        self.network = importlib.import_module(f"ml.networks.{self.config['network']}")
        self.preprocessing = replace(
            Preprocessing.from_json(self.config["preprocessing"]), views=self.network.VIEWS
        )
        self._refuse_what_may_not_leave()

    def draw(self, run: RunFolder) -> None:
        """The network's graph and its weights, of a finished run."""
        trained = load(run.result())
        path = self.folder / MODEL_FILE
        self.told["weights_sha256"] = save_weights(trained, self.folder / WEIGHTS_FILE)
        write_graph(self.network.with_evidence(trained, self.preprocessing.size), path)
        if EMBEDDING in output_names(path):
            embedding = self._embeddings(path)
            append_distance(path, fit_domain(embedding))
        self._write_sidecar(self.network.LIMITS, blank(self.preprocessing), {})
        rows = self.manifest.split("val")[:PARITY_IMAGES]
        check_parity(trained, self._predictor(), self._inputs(rows))

    def take(self, folder: Path) -> None:
        """The graph and the weights of another artifact, as they are."""
        for name in (MODEL_FILE, WEIGHTS_FILE):
            if (folder / name).exists():
                shutil.copyfile(folder / name, self.folder / name)
        self._write_sidecar(self.network.LIMITS, blank(self.preprocessing), {})

    def fit(self) -> None:
        """Everything that validation images decide, and figures of what it then does."""
        rows = self.manifest.split("val")
        fitted = fit(*self._on_validation(rows), self.preprocessing, self.rates)
        self._write_sidecar(self.network.LIMITS, fitted, {})
        figures = self._figures(fitted)
        limits = [*self.network.LIMITS, *measured_limits(figures["test"])]
        # with the thresholds that serving will have: its scores are those of the whole path
        self._write_sidecar(limits, fitted, figures, golden_scores(self._predictor()))

    def _refuse_what_may_not_leave(self) -> None:
        if not self.config["is_exportable"]:
            raise RunError("not_exportable", f"{self.config['name']} learnt from test rows")
        if self.told["manifest_sha256"] != self.manifest.sha256:
            raise RunError("run_mismatch", "the run was trained on other data than these")
        require_enough(self.manifest, self.rates)

    def _on_validation(
        self, rows: Sequence[Sample]
    ) -> tuple[list[Judged], dict[str, list[Judged]]]:
        """Validation pictures as they are, and re-saved reals where views are judged."""
        report = partial(self.report, "validation images")
        found = judge(self.folder, rows, report)[CLEAN]
        if self.preprocessing.views == ("whole",):
            return found, {}
        reals = [row for row in rows if row.label == 0]
        return found, judge(self.folder, reals, partial(self.report, "re-saved reals"), RESAVED)

    def _inputs(self, rows: Sequence[Sample]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as cache:
            arrays = plain_arrays(
                rows, self.preprocessing, Path(cache), partial(self.report, "parity images")
            )
            return self.preprocessing.normalise(arrays)

    def _embeddings(self, path: Path) -> np.ndarray:
        """Features of training images, whole and undamaged, evenly from all of them."""
        known = {"train": self.told["train"]["n"]}
        rows = [row for row in self.manifest.split("train") if row.source not in NEVER_TRAINED_ON]
        # where it went on from other weights, some of the old images were left aside
        if len(rows) != known["train"] and "replay" not in self.told:
            raise RunError("run_mismatch", "the training rows are not those of the run")
        step = max(1, len(rows) // DOMAIN_IMAGES)
        if len(rows[::step]) <= COMPONENTS:
            raise RunError(
                "too_few_images", f"{len(rows)} training images; {COMPONENTS + 1} needed"
            )
        inputs = self._inputs(rows[::step])
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        size = self.config["batch_size"]
        name = session.get_inputs()[0].name
        parts = [
            session.run([EMBEDDING], {name: inputs[at : at + size]})[0]
            for at in range(0, len(inputs), size)
        ]
        return np.concatenate(parts)

    def _figures(self, fitted: Fitted) -> dict[str, Any]:
        """All test pictures as they are; of copies and of validation pictures, a part of each.

        Copies are judged as often as there are kinds of them, which is what costs.
        """
        test = self.manifest.split("test")
        clean = judge(self.folder, test, partial(self.report, "test"))[CLEAN]
        before = thinned(clean, lambda one: _kind(one.sample))
        rows = [one.sample for one in before]
        copies = judge(self.folder, rows, partial(self.report, "copies"), tuple(COPIES))
        val = thinned(self.manifest.split("val"), _kind)
        validated = judge(self.folder, val, partial(self.report, "val"))[CLEAN]
        cells = {CLEAN: before, **copies}
        return {
            "val": verdict_report(validated),
            "test": verdict_report(clean),
            "test_degraded": {
                name: {**verdict_report(after)[POOLED], **moved_report(before, after)}
                for name, after in cells.items()
            },
            "copies": copies_report(cells),
            "calibration": fitted.calibration.to_json(),
        }

    def _predictor(self) -> Predictor:
        return Predictor.load(self.folder, registered={artifact_sha256(self.folder)})

    def _write_sidecar(
        self,
        limits: Sequence[str],
        fitted: Fitted,
        figures: dict[str, Any],
        golden: dict[str, float] | None = None,
    ) -> None:
        faces = fitted.face_calibration
        sidecar = {
            "format": FORMAT,
            "name": self.config["name"],
            "version": self.version,
            "architecture": self.config["network"],
            "preprocessing": self.preprocessing.to_json(),
            "combination": fitted.combination.to_json(),
            "calibration": fitted.calibration.to_json(),
            "face_calibration": faces.to_json() if faces else None,
            "operating_point": fitted.operating_point.to_json(),
            "golden": golden or {},
            "metrics": figures,
            "training": self.told,
            "licence_notes": self.told["licence_notes"],
            "limits": [line.replace("{side}", str(self.preprocessing.size)) for line in limits],
        }
        write_json(self.folder / SIDECAR_FILE, sidecar)


def require_enough(manifest: Manifest, rates: ErrorRates) -> None:
    """Refuse to state rates that so few images cannot show.

    Raises:
        RunError: too few reals or fakes to validate on, or none of one kind to test on.
    """
    for split, wanted in (("val", images_needed(rates)), ("test", (1, 1))):
        rows = [row for row in manifest.split(split) if row.source not in APART]
        fakes = sum(row.label for row in rows)
        found = (len(rows) - fakes, fakes)
        if found[0] < wanted[0] or found[1] < wanted[1]:
            raise RunError(
                "too_few_images",
                f"the split {split} has {found[0]} reals and {found[1]} fakes; "
                f"to state error rates it takes {wanted[0]} and {wanted[1]}",
            )


def _kind(row: Sample) -> tuple[str, int]:
    return row.source, row.label


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
    names = [*OUTPUTS, EMBEDDING][: len(graph.graph.output)]
    for output, wanted in zip(graph.graph.output, names, strict=True):
        _rename(graph.graph, output.name, wanted)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def output_names(path: Path) -> set[str]:
    """Names of what a graph gives."""
    return {output.name for output in onnx.load(path).graph.output}


def append_distance(path: Path, domain: Domain) -> None:
    """Let a graph give the distance of its embedding from the training images, in its place."""
    model = onnx.load(path)
    graph, constant = model.graph, onnx.numpy_helper.from_array
    graph.initializer.extend(
        [
            constant(domain.mean, "domain_mean"),
            constant(domain.directions, "domain_directions"),
            constant(1 / (domain.variance * domain.variance.size), "domain_weights"),
            constant(np.array([1 / domain.rest], np.float32), "domain_rest"),
            constant(np.zeros(1, np.float32), "domain_zero"),
            constant(np.ones(1, np.int64), "domain_axis"),
        ]
    )
    node = onnx.helper.make_node
    graph.node.extend(
        [
            node("Sub", [EMBEDDING, "domain_mean"], ["domain_centred"]),
            node("MatMul", ["domain_centred", "domain_directions"], ["domain_along"]),
            node("Mul", ["domain_along", "domain_along"], ["domain_squares"]),
            node("Mul", ["domain_squares", "domain_weights"], ["domain_whitened"]),
            node("ReduceSum", ["domain_whitened", "domain_axis"], ["domain_inside"]),
            node("ReduceSumSquare", ["domain_centred"], ["domain_total"], axes=[1]),
            node("ReduceSum", ["domain_squares", "domain_axis"], ["domain_part"]),
            node("Sub", ["domain_total", "domain_part"], ["domain_left_over"]),
            node("Mul", ["domain_left_over", "domain_rest"], ["domain_outside"]),
            node("Add", ["domain_inside", "domain_outside"], ["domain_sum"]),
            node("Max", ["domain_sum", "domain_zero"], ["domain_squared"]),
            node("Sqrt", ["domain_squared"], [DISTANCE]),
        ]
    )
    [embedding] = [output for output in graph.output if output.name == EMBEDDING]
    graph.output.remove(embedding)
    shape: list[str | int | None] = ["n", 1]
    graph.output.append(onnx.helper.make_tensor_value_info(DISTANCE, onnx.TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for output in graph.output:
        if output.name == old:
            output.name = new
