"""The one door to a network: decoded pictures in, predictions out, on ONNX Runtime."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from PIL import Image

from ml.artifact import Artifact, open_artifact
from ml.calibration import sigmoid
from ml.decision import Verdict
from ml.decoder import Decoded, ImageFacts
from ml.errors import ArtifactError
from ml.stability import transformed

OUTPUTS = ["logit", "activation"]


@dataclass(frozen=True)
class Face:
    """A face the network judged on its own.

    Attributes:
        box: left, top, width, height as shares of the picture, 0 to 1.
    """

    box: tuple[float, float, float, float]
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What one network says of one picture.

    Attributes:
        score: sigmoid of the logit; ranks only.
        probability: calibrated P(fake); None where a veto makes the calibration meaningless.
        reasons: codes from `ml.decision.REASONS`; any of them makes the verdict inconclusive.
        activation: evidence for "manipulated" per cell over the whole picture, shape (h, w),
            in logits; negative cells speak for "authentic".
        transforms: probability under each stability transform.
        timings_ms: this picture's preprocess, transforms and network.
    """

    logit: float
    score: float
    probability: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    activation: np.ndarray
    faces: tuple[Face, ...]
    transforms: dict[str, float]
    timings_ms: dict[str, float]


class Predictor:
    """A loaded artifact. One thread: scale by processes."""

    def __init__(self, artifact: Artifact, session: Any) -> None:
        self.artifact = artifact
        self._session = session

    @classmethod
    def load(cls, folder: Path, *, registered: Collection[str]) -> Self:
        """Load an artifact whose SHA-256 is registered.

        Raises:
            ArtifactError: missing, unregistered, or not a model this version can run.
        """
        artifact, model = open_artifact(folder, registered=registered)
        return cls(artifact, _session(model))

    def predict(self, images: Sequence[Decoded]) -> list[Prediction]:
        """Judge each picture; memory stays that of one."""
        return [self._predict(image) for image in images]

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Network outputs of preprocessed inputs (n, size, size, 3), shape (n,)."""
        return self._run(inputs)[0]

    def _predict(self, decoded: Decoded) -> Prediction:
        clock = _Clock()
        image = Image.fromarray(decoded.pixels)
        resized = [self.artifact.preprocessing.resize(image)]
        clock.lap("preprocess")
        names = self.artifact.operating_point.stability_transforms
        resized += map(self.artifact.preprocessing.resize, transformed(image, names).values())
        clock.lap("transforms")
        logits, activations = self._run(self.artifact.preprocessing.normalise(np.stack(resized)))
        clock.lap("network")
        judged = self._judge(logits, decoded.facts)
        return replace(judged, activation=activations[0], timings_ms=clock.laps_ms)

    def _run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logit, activation = self._session.run(OUTPUTS, {self._session.get_inputs()[0].name: inputs})
        return logit[:, 0], activation

    def _judge(self, logits: np.ndarray, facts: ImageFacts) -> Prediction:
        point = self.artifact.operating_point
        probability, *others = map(float, self.artifact.calibration.probability(logits))
        is_too_small = min(facts.width, facts.height) < point.min_side_px
        vetoes = {
            "too_small": is_too_small,
            "unstable": point.is_unstable(probability, others),
            "transparency": facts.has_transparency,
        }
        reasons = tuple(code for code, holds in vetoes.items() if holds)
        stated = None if is_too_small else probability
        return Prediction(
            logit=float(logits[0]),
            score=float(sigmoid(logits[:1])[0]),
            probability=stated,
            verdict=point.decide(stated, reasons),
            reasons=reasons,
            activation=np.zeros((0, 0), np.float32),
            faces=(),
            transforms=dict(zip(point.stability_transforms, others, strict=True)),
            timings_ms={},
        )


class _Clock:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps_ms[name] = (now - self._last) * 1000
        self._last = now


def _session(model: bytes) -> Any:
    # 0.3 s and 60 MiB to import: only a process that judges pictures pays for it.
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    refusals = (
        runtime.Fail,
        runtime.InvalidArgument,
        runtime.InvalidGraph,
        runtime.InvalidProtobuf,
        runtime.NotImplemented,
        runtime.RuntimeException,
    )
    options = onnxruntime.SessionOptions()
    # Two threads a session cost 1.4 to 3 times the CPU per picture.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except refusals as error:
        raise ArtifactError("artifact_invalid", f"ONNX Runtime refuses it: {error}") from error
    missing = set(OUTPUTS) - {output.name for output in session.get_outputs()}
    if missing:
        raise ArtifactError("artifact_invalid", f"the graph has no output {sorted(missing)}")
    return session
