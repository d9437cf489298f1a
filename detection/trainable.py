"""What ml offers to train, and what a registered version can be trained on from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from detection import detector, storage
from detection.models import ModelVersion
from ml.artifact import DEFAULT_ARTIFACT, Artifact, artifact_sha256
from ml.configs.offered import OFFERED, Offer
from ml.errors import ArtifactError
from ml.operating_point import DEFAULT_RATES, images_needed

WEIGHTS_FILE = "weights.npz"
POOLED = "all"
# What each split needs of reals and of fakes. Of training images fewer say too little of what is
# usual for the domain of a network that has one; see `ml.domain`.
NEEDED = {"train": (40, 40), "val": images_needed(DEFAULT_RATES), "test": (1, 1)}

Network = Offer
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True)
class Start:
    """A version that training can go on from.

    Attributes:
        folder: sidecar and weights.
        network, size: what the weights fit.
        sources: those that it learnt from or was validated on.
    """

    folder: Path
    network: str
    size: int
    sources: frozenset[str]


def offers() -> list[Offer]:
    """Networks that a desk may train, the one to take first."""
    return list(OFFERED.values())


def offer(config: str) -> Offer | None:
    return OFFERED.get(config)


def start_of(version: ModelVersion) -> Start | None:
    """What a version left to go on from; None where its weights are not on this desk."""
    sha256 = version.artifact_sha256
    for folder in (_brought(sha256), DEFAULT_ARTIFACT):
        try:
            artifact = Artifact.read(folder, registered={sha256})
        except ArtifactError:
            continue
        if not _has_weights(folder, artifact):
            continue
        sources = frozenset(artifact.metrics.get("val", {})) - {POOLED}
        size = artifact.preprocessing.size
        return Start(folder, artifact.architecture, size, sources)
    return None


def keep_weights(source: Path, final: Path) -> None:
    """Copy the weights that lie beside an artifact, for training to go on from; if any do.

    They judge nothing, and are no part of its hash: the sidecar names theirs.
    """
    artifact = Artifact.read(final, registered={artifact_sha256(final)})
    if _has_weights(source, artifact) and not _has_weights(final, artifact):
        storage.copy_durably(source / WEIGHTS_FILE, final / WEIGHTS_FILE)


def _brought(sha256: str) -> Path:
    """A version's folder on this machine, with its weights if there are any."""
    folder = detector.artifact_folder(sha256)
    if settings.S3_BUCKET and not (folder / WEIGHTS_FILE).exists():
        storage.bring_artifact_file(folder / WEIGHTS_FILE)
    return folder


def fits(start: Start, wanted: Offer) -> bool:
    """Whether weights go into a network; one that learns from views takes any size."""
    return start.network == wanted.network and (wanted.needs_both or start.size == wanted.size)


def sha256_of(folder: Path) -> str:
    """What identifies an exported artifact."""
    return artifact_sha256(folder)


def lacking(counts: Counts) -> dict[str, tuple[int, int]]:
    """Splits with too few images to learn from or to measure on, each with its reals and fakes."""
    found = {}
    for split, (reals, fakes) in NEEDED.items():
        have = _total(counts.get(split, {}))
        if have[0] < reals or have[1] < fakes:
            found[split] = have
    return found


def teaches_pairs(counts: Counts) -> bool:
    """Whether some source has training images of both classes."""
    return any(one.get("real") and one.get("fake") for one in counts.get("train", {}).values())


def prepared_bytes(wanted: Offer, counts: Counts) -> int:
    """Disk that the prepared images take while a run works."""
    images = sum(sum(_total(counts.get(split, {}))) for split in ("train", "val"))
    return images * wanted.image_bytes


def _has_weights(folder: Path, artifact: Artifact) -> bool:
    """Whether the very weights lie there that an artifact was exported with."""
    try:
        with (folder / WEIGHTS_FILE).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return False
    return found == artifact.training.get("weights_sha256")


def _total(sources: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    reals, fakes = (sum(one.get(kind, 0) for one in sources.values()) for kind in ("real", "fake"))
    return reals, fakes
