"""The one door to a network: decoded pictures in, predictions out, on ONNX Runtime."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from PIL import Image

from ml import quality
from ml.artifact import Artifact, open_artifact
from ml.calibration import sigmoid
from ml.decision import REASONS, OperatingPoint, Verdict
from ml.decoder import Decoded, ImageFacts
from ml.errors import ArtifactError
from ml.faces import FoundFace, find_faces, require_detector
from ml.quality import Quality
from ml.stability import transformed, view_of
from ml.views import View, core, plan, render, working_picture

Shares = tuple[float, float, float, float]
# Kind of view and its logit.
ViewLogits = tuple[tuple[str, float], ...]

OUTPUTS = ["logit", "activation"]
# Of networks that know how far a picture lies from those they learnt from.
DISTANCE = "distance"


@dataclass(frozen=True)
class Face:
    """A face the network judged on its own.

    Attributes:
        box: left, top, width, height as shares of the picture, 0 to 1.
        probability: calibrated P(fake) of the face alone, which is no verdict.
        square: the part that was judged, as `box`.
        activation: evidence for "manipulated" per cell of the square, rows of logits.
    """

    box: Shares
    probability: float
    square: Shares
    activation: list[list[float]]


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
        view_logits: kind and logit of each view.
        quality: blockiness, detail and, where the network gives it, distance.
        copy_logits: for each stability transform, kind and logit of the views it was judged by.
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
    view_logits: ViewLogits = ()
    quality: dict[str, float] = field(default_factory=dict)
    copy_logits: tuple[ViewLogits, ...] = ()


class Predictor:
    """A loaded artifact. One thread: scale by processes."""

    def __init__(self, artifact: Artifact, session: Any) -> None:
        self.artifact = artifact
        self._session = session
        given = {output.name for output in session.get_outputs()}
        self._outputs = [*OUTPUTS, DISTANCE] if DISTANCE in given else OUTPUTS
        # cuts that count for nothing need not be judged
        rules = artifact.preprocessing
        views = tuple(kind for kind in rules.views if kind != "cut" or artifact.combination.cut)
        self._rules = replace(rules, views=views)

    @classmethod
    def load(cls, folder: Path, *, registered: Collection[str]) -> Self:
        """Load an artifact whose SHA-256 is registered.

        Raises:
            ArtifactError: missing, unregistered, or not a model this version can run.
        """
        artifact, model = open_artifact(folder, registered=registered)
        if "face" in artifact.preprocessing.views:
            require_detector()
        return cls(artifact, _session(model))

    def predict(self, images: Sequence[Decoded]) -> list[Prediction]:
        """Judge each picture; memory stays that of one."""
        return [self._predict(image) for image in images]

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Network outputs of preprocessed inputs (n, size, size, 3), shape (n,)."""
        return self._run(inputs).logit

    def evidence(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logit (n,) and evidence per cell (n, h, w) of preprocessed inputs."""
        outputs = self._run(inputs)
        return outputs.logit, outputs.activation

    def _predict(self, decoded: Decoded) -> Prediction:
        clock = _Clock()
        rules, point = self._rules, self.artifact.operating_point
        image = Image.fromarray(decoded.pixels)
        # one view of the whole picture needs no picture in between, and never had one
        is_whole = rules.views == ("whole",)
        picture = image if is_whole else working_picture(image)
        found = find_faces(np.asarray(picture)) if "face" in rules.views else []
        views = plan(picture.size, found, rules)
        resized = [render(picture, views, picture.size, rules)]
        clock.lap("preprocess")
        again = [views[at] for at in core(views)]
        copied = view_of(image) if is_whole else picture
        for copy in transformed(copied, point.stability_transforms).values():
            resized.append(render(copy, again, picture.size, rules))
        clock.lap("transforms")
        outputs = self._run(rules.normalise(np.concatenate(resized)))
        clock.lap("network")
        measured = _Measured(decoded.facts, quality.measure(image), views, found, outputs)
        return replace(self._judge(measured, picture.size), timings_ms=clock.laps_ms)

    def _run(self, inputs: np.ndarray) -> "_Outputs":
        given = {self._session.get_inputs()[0].name: inputs}
        logit, activation, *distance = self._session.run(self._outputs, given)
        return _Outputs(logit[:, 0], activation, distance[0][:, 0] if distance else None)

    def _judge(self, measured: "_Measured", size: tuple[int, int]) -> Prediction:
        point, views = self.artifact.operating_point, measured.views
        kinds = [view.kind for view in views]
        again = core(views)
        own, rest = np.split(measured.outputs.logit, [len(views)])
        names = point.stability_transforms
        copies = np.split(rest, len(names)) if names else []
        rule, repeated = self.artifact.combination, [kinds[at] for at in again]
        alone = rule.combine(kinds, own)
        moved = rule.moved(repeated, own[again], copies)
        logit = rule.drawn(alone, moved)
        probability, *others = map(
            float, self.artifact.calibration.probability(np.array([logit, *(alone + moved)]))
        )
        reasons = measured.vetoes(point)
        if point.is_unstable(probability, others):
            reasons = (*reasons, "unstable")
        is_meaningless = "too_small" in reasons
        stated = None if is_meaningless else probability
        return Prediction(
            logit=logit,
            score=float(sigmoid(np.array([logit]))[0]),
            probability=stated,
            verdict=point.decide(stated, reasons),
            reasons=tuple(code for code in REASONS if code in reasons),
            activation=measured.outputs.activation[0],
            faces=self._faces(measured, own, size),
            transforms=dict(zip(names, others, strict=True)),
            timings_ms={},
            view_logits=_named(kinds, own),
            copy_logits=tuple(_named(repeated, each) for each in copies),
            quality=measured.figures(),
        )

    def _faces(
        self, measured: "_Measured", own: np.ndarray, size: tuple[int, int]
    ) -> tuple[Face, ...]:
        calibrated = self.artifact.face_calibration or self.artifact.calibration
        places = [at for at, view in enumerate(measured.views) if view.kind == "face"]
        faces = []
        for at, found in zip(places, measured.found, strict=False):
            left, top, right, bottom = measured.views[at].box
            rows = np.round(measured.outputs.activation[at].astype(float), 3)
            faces.append(
                Face(
                    box=_shares(found.box, size),
                    probability=float(calibrated.probability(own[at : at + 1])[0]),
                    square=_shares((left, top, right - left, bottom - top), size),
                    activation=rows.tolist(),
                )
            )
        return tuple(faces)


@dataclass(frozen=True)
class _Outputs:
    logit: np.ndarray
    activation: np.ndarray
    distance: np.ndarray | None


@dataclass(frozen=True)
class _Measured:
    """Everything known of a picture before it is judged."""

    facts: ImageFacts
    quality: Quality
    views: Sequence[View]
    found: Sequence[FoundFace]
    outputs: _Outputs

    def figures(self) -> dict[str, float]:
        figures = self.quality.to_json()
        if self.outputs.distance is not None:
            figures[DISTANCE] = float(self.outputs.distance[0])
        return figures

    def vetoes(self, point: OperatingPoint) -> tuple[str, ...]:
        """Codes that need no look at the verdict."""
        figures, facts = self.figures(), self.facts
        is_no_photograph = self.quality.flatness > (point.max_flatness or np.inf) or (
            self.quality.correlation < (point.min_correlation or -np.inf)
        )
        is_plain = point.min_detail is not None and self.quality.detail < point.min_detail
        limits = {
            "too_small": is_plain or min(facts.width, facts.height) < point.min_side_px,
            "heavy_compression": self.quality.blockiness > (point.max_blockiness or np.inf),
            "out_of_domain": is_no_photograph
            or figures.get(DISTANCE, 0.0) > (point.max_distance or np.inf),
            "transparency": facts.has_transparency,
        }
        return tuple(code for code, holds in limits.items() if holds)


def _named(kinds: Sequence[str], logit: np.ndarray) -> ViewLogits:
    return tuple(zip(kinds, map(float, logit), strict=True))


def _shares(box: Sequence[float], size: tuple[int, int]) -> Shares:
    """A box in pixels as shares of the picture, cut at its edges."""
    left, top = max(0.0, box[0] / size[0]), max(0.0, box[1] / size[1])
    right = min(1.0, (box[0] + box[2]) / size[0])
    bottom = min(1.0, (box[1] + box[3]) / size[1])
    return round(left, 5), round(top, 5), round(right - left, 5), round(bottom - top, 5)


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
    from ml.runtime import onnxruntime, runtime

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
