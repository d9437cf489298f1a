"""The door to ml: a stored file and a model version in, a judgement out."""

import io
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import imagehash
import numpy as np
import PIL.Image

from detection import storage
from detection.models import Image, ModelVersion
from ml import golden
from ml.artifact import (
    DEFAULT_ARTIFACT,
    MODEL_FILE,
    SIDECAR_FILE,
    Artifact,
    artifact_sha256,
    shipped_hashes,
)
from ml.decoder import MIN_SIDE, Decoded, Decoder
from ml.errors import ArtifactError
from ml.inference import Prediction, Predictor

PREVIEW_SIDES = (1024, 320)
# Pictures that each worker scores when it starts, and how often one more while it judges.
GOLDEN_AT_START, GOLDEN_EVERY_S = 4, 60.0
ARTIFACT_FILES = (MODEL_FILE, SIDECAR_FILE)


@dataclass(frozen=True)
class Judgement:
    """What one model version found in one image.

    Attributes:
        result: columns of Detection, ready for `Detection.complete`.
        facts: what decoding found; JSON.
        pixels: the decoded picture, (h, w, 3) uint8, for the previews.
    """

    result: dict[str, Any]
    facts: dict[str, Any]
    pixels: np.ndarray


@cache
def _decoder() -> Decoder:
    return Decoder()


@cache
def _model(artifact_sha256: str) -> "_Model":
    folder = storage.artifact_dir(artifact_sha256)
    return _Model(Predictor.load(folder, registered={artifact_sha256}))


class _Model:
    """A loaded artifact that scores golden pictures from time to time.

    A few when it is loaded, then one a minute while it is used: all of them within an hour or so.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._next, self._checked_at = 0, 0.0
        self._check(GOLDEN_AT_START)

    def checked(self) -> Predictor:
        """The predictor, if it still gives the scores that were recorded.

        Raises:
            ArtifactError: a golden picture scores otherwise; nothing may be judged with it.
        """
        if monotonic() - self._checked_at >= GOLDEN_EVERY_S:
            self._check(1)
        return self.predictor

    def _check(self, count: int) -> None:
        numbers = [(self._next + step) % golden.COUNT for step in range(count)]
        moved = golden.moved_scores(self.predictor, self.predictor.artifact.golden, numbers)
        if moved:
            raise ArtifactError("scores_moved", "; ".join(moved))
        self._next, self._checked_at = self._next + count, monotonic()


def warm(version: ModelVersion) -> None:
    """Get decoder and model ready in this process before the first image asks for them.

    Raises:
        ml.errors.ArtifactError: the files are not what was registered, or score otherwise.
    """
    _decoder().start()
    _model(version.artifact_sha256)


def judge(image: Image, version: ModelVersion) -> Judgement:
    """Decode and judge one stored image.

    Raises:
        ml.errors.UnreadableImage: the bytes cannot be decoded; `code` says why.
        ml.errors.ArtifactError: the version's files are not what was registered, or no longer
            give the scores that were recorded for them.
    """
    predictor = _model(version.artifact_sha256).checked()
    decoded = decode(image)
    prediction = predictor.predict([decoded])[0]
    return Judgement(
        result=_columns(prediction),
        facts=asdict(decoded.facts),
        pixels=decoded.pixels,
    )


def decode(image: Image) -> Decoded:
    """Decode a stored original, after holding its bytes against their fingerprint.

    Raises:
        ml.errors.UnreadableImage: the bytes cannot be decoded; `code` says why.
        ml.errors.DecoderUnavailable: the decoder does not start.
        OriginalMissing: the file is gone or no longer has the recorded SHA-256.
    """
    if not storage.is_intact(image.pk, image.sha256):
        raise OriginalMissing(str(image.pk))
    return _decoder().decode(storage.original_path(image.pk), min_side=MIN_SIDE)


class OriginalMissing(Exception):  # noqa: N818 (it names what is wrong with the store)
    """A stored original is gone or altered; no verdict may be bound to it."""

    code = "original_missing"


def write_previews(image: Image, pixels: np.ndarray) -> None:
    """Rebuild the previews of an image from its pixels: no metadata of the original survives.

    JPEG, because WebP costs ten times the processor time (80 ms for both sizes of a 1 megapixel
    picture) that the next image in the queue would wait for.
    """
    picture = PIL.Image.fromarray(pixels)
    for side in PREVIEW_SIDES:
        picture.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
        path = storage.preview_path(image.pk, side)
        if not path.exists():
            storage.write_atomically(path, _encoded(picture))


def perceptual_hashes(pixels: np.ndarray) -> tuple[str, str]:
    """`imagehash.phash` of a picture and of its mirrored copy, 16 hex digits each.

    Equal or near for re-saved copies.
    """
    small = PIL.Image.fromarray(pixels)
    small.thumbnail((PREVIEW_SIDES[-1], PREVIEW_SIDES[-1]), PIL.Image.Resampling.BOX)
    in_mirror = small.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    return str(imagehash.phash(small)), str(imagehash.phash(in_mirror))


def hashes_of_file(path: Path) -> tuple[str, str]:
    """The perceptual hashes of a file that is no stored original; nothing is kept of it.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable: nothing to compare.
    """
    return perceptual_hashes(_decoder().decode(path, min_side=MIN_SIDE).pixels)


def preview(image: Image, side: int) -> Path:
    """File of one preview, made now if the worker has not made it yet.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable, OriginalMissing: nothing to show.
    """
    path = storage.preview_path(image.pk, side)
    if not path.exists():
        write_previews(image, decode(image).pixels)
    return path


def artifact_facts(folder: Path, sha256: str) -> dict[str, Any]:
    """Columns of ModelVersion for an artifact with this hash.

    Raises:
        ml.errors.ArtifactError: the files are missing, damaged or have another hash.
    """
    artifact = Artifact.read(folder, registered={sha256})
    Predictor.load(folder, registered={sha256})  # refuse what could not be run later
    return {
        "name": artifact.name,
        "version": artifact.version,
        "architecture": artifact.architecture,
        "operating_point": artifact.operating_point.to_json(),
        "metrics": artifact.metrics,
        "licence_notes": "\n".join(artifact.licence_notes),
    }


def is_artifact(folder: Path, sha256: str) -> bool:
    """Whether a folder holds the artifact with this hash, complete and unaltered."""
    try:
        return artifact_sha256(folder) == sha256
    except ArtifactError:  # a file is missing
        return False


def shipped_default() -> tuple[Path, str]:
    """Folder and SHA-256 of the artifact this release ships as its default.

    Raises:
        ml.errors.ArtifactError: the shipped files are not the registered ones.
    """
    sha256 = artifact_sha256(DEFAULT_ARTIFACT)
    Artifact.read(DEFAULT_ARTIFACT, registered=shipped_hashes())
    return DEFAULT_ARTIFACT, sha256


def _columns(prediction: Prediction) -> dict[str, Any]:
    activation = np.ascontiguousarray(prediction.activation, dtype="<f2")
    return {
        "logit": prediction.logit,
        "score": prediction.score,
        "probability": prediction.probability,
        "verdict": str(prediction.verdict),
        "reasons": list(prediction.reasons),
        "transforms": dict(prediction.transforms),
        "faces": [asdict(face) for face in prediction.faces],
        "activation": activation.tobytes(),
        "activation_shape": list(activation.shape),
        "timings_ms": {name: round(ms, 2) for name, ms in prediction.timings_ms.items()},
    }


def _encoded(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
