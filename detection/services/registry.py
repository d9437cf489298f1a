"""Registering artifacts and choosing the one that judges."""

import logging
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection import detector, storage
from detection.models import ModelVersion

log = logging.getLogger(__name__)


class VersionTaken(Exception):  # noqa: N818 (it names what is wrong with the request)
    """Another artifact already has this name and version."""


def register_artifact(folder: Path, *, by: User | None, sha256: str) -> ModelVersion:
    """Copy an artifact into the registry under its SHA-256; the same artifact is registered once.

    Registering it again repairs a stored copy that was damaged.

    Args:
        sha256: what the caller says the artifact's hash is; anything else is refused unread.
    Raises:
        ml.errors.ArtifactError: the files are missing, damaged or have another hash.
        VersionTaken: a changed artifact needs a version of its own.
    """
    facts = detector.artifact_facts(folder, sha256)
    _refuse_taken_version(facts["name"], facts["version"], sha256)
    _copy(folder, storage.artifact_dir(sha256), sha256)
    with transaction.atomic():
        version, created = ModelVersion.objects.get_or_create(
            artifact_sha256=sha256, defaults=facts
        )
        if created:
            audit.record("model_version.registered", actor=by, target=version, target_sha256=sha256)
    return version


def activate(version: ModelVersion, *, by: User | None) -> None:
    """Let this version judge what is submitted from now on; earlier detections keep theirs."""
    State = ModelVersion.State  # noqa: N806 (an enum's own name)
    with transaction.atomic():
        previous = ModelVersion.objects.select_for_update().filter(state=State.ACTIVE).first()
        if previous == version:
            return
        if previous is not None:
            ModelVersion.objects.filter(pk=previous.pk).update(state=State.RETIRED)
        ModelVersion.objects.filter(pk=version.pk).update(
            state=State.ACTIVE, activated_at=timezone.now()
        )
        audit.record(
            "model_version.activated",
            actor=by,
            target=version,
            target_sha256=version.artifact_sha256,
            before={"active": previous.artifact_sha256 if previous else None},
            after={"active": version.artifact_sha256},
        )


def _refuse_taken_version(name: str, version: str, sha256: str) -> None:
    named = ModelVersion.objects.filter(name=name, version=version)
    if other := named.exclude(artifact_sha256=sha256).first():
        raise VersionTaken(
            f"{other} is already registered, with the SHA-256 {other.artifact_sha256}; "
            "give the new artifact another version."
        )


def _copy(source: Path, final: Path, sha256: str) -> None:
    """Copy an artifact's files unless they are there unaltered; each is replaced as a whole.

    File by file, since a folder that holds something cannot be replaced in one step. In between,
    the two do not have the hash they are asked for, and nothing is judged with them.
    """
    if detector.is_artifact(final, sha256):
        return
    if final.is_dir():
        log.warning("stored artifact %s is damaged, copied anew from %s", sha256, source)
    for name in detector.ARTIFACT_FILES:
        storage.copy_durably(source / name, final / name)
    detector.artifact_facts(final, sha256)  # refuse what changed while it was copied
