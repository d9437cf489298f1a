"""An exported network: `model.onnx` and its sidecar `model.json`, known by one SHA-256."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ml.calibration import Calibration
from ml.combination import Combination
from ml.decision import OperatingPoint
from ml.errors import ArtifactError
from ml.onnx_file import has_external_data
from ml.preprocess import Preprocessing

MODEL_FILE = "model.onnx"
SIDECAR_FILE = "model.json"
ARTIFACTS = Path(__file__).parent / "artifacts"
DEFAULT_ARTIFACT = ARTIFACTS / "default"
REGISTERED = ARTIFACTS / "registered.json"
FORMAT = 1


@dataclass(frozen=True)
class Artifact:
    """What the sidecar says of an exported network.

    Attributes:
        sha256: over both files, see `artifact_sha256`.
        combination: how the logits of a picture's views become one.
        face_calibration: for the logit of a face on its own; None where faces get no view.
        golden: score of each golden picture by its number, see `ml.golden`.
        metrics: figures per split, then per source, each with its n and 95 % interval.
        training: how it came about: config, seed, epochs, manifest hash, images per split.
        licence_notes: what the licences of the training data allow the weights to be used for.
        limits: what the network cannot do, in sentences fit to be shown beside a verdict.
    """

    name: str
    version: str
    sha256: str
    architecture: str
    preprocessing: Preprocessing
    combination: Combination
    calibration: Calibration
    face_calibration: Calibration | None
    operating_point: OperatingPoint
    golden: dict[str, float]
    metrics: dict[str, Any]
    training: dict[str, Any]
    licence_notes: tuple[str, ...]
    limits: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, *, registered: Collection[str]) -> Self:
        """Read a registered artifact's sidecar.

        Raises:
            ArtifactError: missing files, an unregistered hash, or a sidecar that makes no sense.
        """
        return cls.from_files(_ArtifactFiles.read(folder, registered=registered))

    @classmethod
    def from_files(cls, files: "_ArtifactFiles") -> Self:
        try:
            return cls._parse(json.loads(files.sidecar), files.sha256)
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError("artifact_invalid", f"{SIDECAR_FILE}: {error!r}") from error

    @classmethod
    def _parse(cls, value: dict[str, Any], sha256: str) -> Self:
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, this version reads {FORMAT}")
        return cls(
            name=value["name"],
            version=value["version"],
            sha256=sha256,
            architecture=value["architecture"],
            preprocessing=Preprocessing.from_json(value["preprocessing"]),
            combination=Combination.from_json(value.get("combination", {})),
            calibration=Calibration.from_json(value["calibration"]),
            face_calibration=_optional(value.get("face_calibration")),
            operating_point=OperatingPoint.from_json(value["operating_point"]),
            golden=value.get("golden", {}),
            metrics=value["metrics"],
            training=value["training"],
            licence_notes=tuple(value["licence_notes"]),
            limits=tuple(value["limits"]),
        )


def _optional(value: dict[str, Any] | None) -> Calibration | None:
    return None if value is None else Calibration.from_json(value)


@dataclass(frozen=True)
class _ArtifactFiles:
    """Both files, read once: what was hashed is what gets parsed."""

    model: bytes
    sidecar: bytes
    sha256: str

    @classmethod
    def read(cls, folder: Path, *, registered: Collection[str]) -> Self:
        model, sidecar = _read(folder / MODEL_FILE), _read(folder / SIDECAR_FILE)
        sha256 = _digest(model, sidecar)
        if sha256 not in registered:
            raise ArtifactError("artifact_unregistered", f"{folder} has SHA-256 {sha256}")
        return cls(model, sidecar, sha256)


def open_artifact(folder: Path, *, registered: Collection[str]) -> tuple[Artifact, bytes]:
    """A registered artifact and its ONNX model, which refers to no file but itself.

    Raises:
        ArtifactError: as `Artifact.read`, or the model has external data or is damaged.
    """
    files = _ArtifactFiles.read(folder, registered=registered)
    try:
        is_external = has_external_data(files.model)
    except ValueError as error:
        raise ArtifactError("artifact_invalid", f"{MODEL_FILE}: {error}") from error
    if is_external:
        raise ArtifactError("artifact_invalid", f"{MODEL_FILE} keeps tensors in other files")
    return Artifact.from_files(files), files.model


def artifact_sha256(folder: Path) -> str:
    """SHA-256 over the model, then the sidecar, each after its length as 8 bytes big-endian."""
    return _digest(_read(folder / MODEL_FILE), _read(folder / SIDECAR_FILE))


def shipped_hashes() -> frozenset[str]:
    """SHA-256 of every artifact that this version ships."""
    return frozenset(entry["sha256"] for entry in json.loads(REGISTERED.read_text()))


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError("artifact_missing", f"{path}: {error.strerror}") from error
