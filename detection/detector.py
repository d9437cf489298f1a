"""The door to ml: a stored file and a model version in, a judgement out."""

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from django.conf import settings

from deepfake_site import traces
from detection import storage
from detection.errors import StorageAway
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
from ml.decoder import FILE_READ, MIN_SIDE, CredentialReader, Decoded, Decoder
from ml.errors import ArtifactError, DecoderUnavailable, UnreadableImage
from ml.header import MAX_PIXELS, MEGAPIXEL
from ml.inference import Prediction, Predictor

log = logging.getLogger(__name__)

# Pictures that each worker scores when it starts, and how often one more while it judges.
GOLDEN_AT_START, GOLDEN_EVERY_S = 4, 60.0
# A crash may be the moment's and not the file's: try again while attempts are left.
WORTH_ANOTHER_TRY = {"decoder_crashed", "decoder_timeout", "decoder_not_started"}
# That judges, that judged before and is still in the queue, that judges silently beside: whichever
# was not asked for longest is dropped.
LOADED_MODELS = 3
ARTIFACT_FILES = (MODEL_FILE, SIDECAR_FILE)
# How much of a file this release reads; facts say how much was read when they were found.
READS = FILE_READ
# Megapixels that a JPEG or PNG may have, and one of another format.
MOST_MEGAPIXELS = MAX_PIXELS["JPEG"] // MEGAPIXEL, MAX_PIXELS["WEBP"] // MEGAPIXEL
PixelBox = tuple[int, int, int, int]


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
def _credential_reader() -> CredentialReader:
    return CredentialReader()


@lru_cache(maxsize=LOADED_MODELS)
def _model(artifact_sha256: str) -> "_Model":
    folder = artifact_folder(artifact_sha256)
    return _Model(Predictor.load(folder, registered={artifact_sha256}))


def artifact_folder(sha256: str) -> Path:
    """A version's files on this machine, brought from the bucket where they are not whole here.

    Raises:
        StorageAway: the bucket does not answer.
    """
    folder = storage.artifact_dir(sha256)
    if settings.S3_BUCKET and not is_artifact(folder, sha256):
        for name in ARTIFACT_FILES:
            storage.bring_artifact_file(folder / name)
    return folder


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


def predictor_of(version: ModelVersion) -> Predictor:
    """The loaded model of a version.

    Raises:
        ml.errors.ArtifactError: its files are not what was registered, or score otherwise.
    """
    return _model(version.artifact_sha256).checked()


def judge(image: Image, version: ModelVersion) -> Judgement:
    """Decode and judge one stored image.

    Raises:
        ml.errors.UnreadableImage: the bytes cannot be decoded; `code` says why.
        ml.errors.ArtifactError: the version's files are not what was registered, or no longer
            give the scores that were recorded for them.
    """
    predictor = predictor_of(version)
    with traces.stage("decode"):
        decoded = decode(image)
    with traces.stage("predict"):
        prediction = predictor.predict([decoded])[0]
    return Judgement(
        result=_columns(prediction),
        facts=facts_of(image, decoded),
        pixels=decoded.pixels,
    )


def facts_of(image: Image, decoded: Decoded) -> dict[str, Any]:
    """What decoding found, as `Image.facts`; content credentials are read where there are any."""
    facts = asdict(decoded.facts)
    if facts["file"].get("has_credentials"):
        facts["file"]["credentials"] = _credentials(image)
    return facts


def is_read_whole(facts: dict[str, Any]) -> bool:
    """Whether facts hold all that this release reads; an older one read less."""
    return (facts.get("file") or {}).get("read", 0) >= FILE_READ


def _credentials(image: Image) -> dict[str, Any]:
    """They cost no verdict: whatever hinders reading them is itself what is found."""
    try:
        with storage.local(storage.original_path(image.pk)) as path:
            return _credential_reader().read(path, anchors=settings.C2PA_ANCHORS)
    except (UnreadableImage, DecoderUnavailable) as error:
        log.warning("credentials of image %s: %s", image.pk, error.code)
        return {"state": "unreadable"}


def judge_part(image: Image, version: ModelVersion, box: PixelBox) -> Judgement:
    """Decode a stored image and judge one part of it as if it were a picture of its own.

    Args:
        box: left, top, width, height in pixels of the whole oriented picture.
    Raises:
        as `judge`.
    """
    predictor = predictor_of(version)
    decoded = _part(decode(image, min_side=_min_side_for(image, box)), box)
    prediction = predictor.predict([decoded])[0]
    return Judgement(_columns(prediction), asdict(decoded.facts), decoded.pixels)


def decode_part(image: Image, box: PixelBox) -> np.ndarray:
    """The pixels of one part of a stored original.

    Raises:
        as `decode`.
    """
    return _part(decode(image, min_side=_min_side_for(image, box)), box).pixels


def _min_side_for(image: Image, box: PixelBox) -> int:
    """What the picture's shorter side must keep, so that the part's keeps `MIN_SIDE`."""
    return math.ceil(MIN_SIDE * min(image.oriented_size) / min(box[2:]))


def _part(decoded: Decoded, box: PixelBox) -> Decoded:
    """One part of a decoded picture, which may be a reduced version of the whole."""
    height, width = decoded.pixels.shape[:2]
    across, down = width / decoded.facts.width, height / decoded.facts.height
    left, top = round(box[0] * across), round(box[1] * down)
    right = max(left + 1, round((box[0] + box[2]) * across))
    bottom = max(top + 1, round((box[1] + box[3]) * down))
    pixels = np.ascontiguousarray(decoded.pixels[top:bottom, left:right])
    return Decoded(pixels, replace(decoded.facts, width=box[2], height=box[3]))


def decode(image: Image, *, min_side: int | None = MIN_SIDE) -> Decoded:
    """Decode a stored original, after holding its bytes against their fingerprint.

    Args:
        min_side: a JPEG may be decoded reduced as long as its shorter side keeps this many pixels;
            None for every pixel of it.
    Raises:
        ml.errors.UnreadableImage: the bytes cannot be decoded; `code` says why.
        ml.errors.DecoderUnavailable: the decoder does not start.
        OriginalMissing: the file is gone or no longer has the recorded SHA-256.
        StorageAway: the bucket does not answer.
    """
    with _intact(image) as path:
        return _decoder().decode(path, min_side=min_side)


@contextmanager
def _intact(image: Image) -> Iterator[Path]:
    """A stored original that has its recorded SHA-256, for as long as it is read."""
    with ExitStack() as stack:
        try:
            path = stack.enter_context(storage.local(storage.original_path(image.pk)))
            is_whole = storage.sha256_of(path) == image.sha256
        except (FileNotFoundError, IsADirectoryError):
            is_whole = False
        if not is_whole:
            raise OriginalMissing(str(image.pk))
        yield path


class OriginalMissing(Exception):  # noqa: N818 (it names what is wrong with the store)
    """A stored original is gone or altered; no verdict may be bound to it."""

    code = "original_missing"


def decode_thumbnail(image: Image) -> np.ndarray:
    """Pixels of the thumbnail that the file embeds.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable, OriginalMissing: nothing to show.
    """
    with _intact(image) as path:
        pixels: np.ndarray = _decoder().thumbnail(path).pixels
    return pixels


def decode_file(path: Path) -> Decoded:
    """Decode a file that is no stored original, as for judging.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable: there are no pixels.
    """
    return _decoder().decode(path, min_side=MIN_SIDE)


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


def prove(version: ModelVersion) -> None:
    """Hold a version's stored files against its registered hash, whatever is loaded already.

    Raises:
        ml.errors.ArtifactError: they are gone, or not what was registered.
    """
    sha256 = version.artifact_sha256
    Artifact.read(artifact_folder(sha256), registered={sha256})


def stated_limits(version: ModelVersion) -> tuple[str, ...]:
    """What a version's own sidecar says that its network cannot do; nothing without its files."""
    sha256 = version.artifact_sha256
    try:
        return Artifact.read(artifact_folder(sha256), registered={sha256}).limits
    except (ArtifactError, StorageAway):
        return ()


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
