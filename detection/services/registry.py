"""Registering artifacts, choosing the one that judges, and going back.

Which model judges is one row's state, read by each submission in its own transaction: workers load
what a detection names, so that no process has to be told or started again.
"""

import logging
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection import detector, storage, trainable
from detection.errors import Refused
from detection.models import Activation, Comparison, ModelVersion
from ml.errors import ArtifactError

log = logging.getLogger(__name__)

State, Kind = ModelVersion.State, Activation.Kind
# What the gate found that nobody may take upon themselves: people accused who should not be.
# What was found about a candidate stands. That too few images tell is no finding, and a person may
# know more than the desk's images do.
OVERRULED = frozenset({"not_enough_to_tell"})


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
    note_sound(version, by=by)
    return version


def activate(version: ModelVersion, *, by: User | None) -> None:
    """Let this version judge what is submitted from now on; earlier detections keep theirs.

    For whoever runs the machine, who may do without a comparison; see `promote`.
    """
    with transaction.atomic():
        previous = _active_held_fast()
        if previous == version:
            return
        kind = Kind.PROMOTED if previous else Kind.FIRST
        _switch("model_version.activated", version, previous, kind=kind, by=by)


def promote(
    version: ModelVersion,
    *,
    comparison: Comparison,
    by: User,
    reason: str,
    overrules: bool = False,
) -> Activation:
    """Let a compared candidate judge from now on, for a reason that is kept.

    Args:
        overrules: whoever promotes knows that there were too few images to tell and takes it upon
            themselves; anything else that the gate found nobody overrules.
    Raises:
        Refused: it was not compared with the model that judges now, the gate is shut, another
            comparison of the two shows more reals accused, or its files are not what was
            registered.
    """
    _refuse_what_is_damaged(version)
    with transaction.atomic():
        previous = _active_held_fast()
        row = Comparison.objects.get(pk=comparison.pk)
        _refuse_promotion(version, row, previous)
        codes = obstacle_codes(row)
        if codes - OVERRULED:
            raise Refused("gate_final")
        if _accuses_elsewhere(row):
            raise Refused("accuses_elsewhere")
        if codes and not overrules:
            raise Refused("gate_shut")
        return _switch(
            "model_version.promoted",
            version,
            previous,
            kind=Kind.PROMOTED,
            by=by,
            reason=reason,
            comparison=row,
            told={"comparison": str(row.pk), "obstacles": sorted(codes)},
        )


def roll_back(*, by: User | None, reason: str) -> Activation:
    """Let the model judge again that the present one followed.

    Going back twice goes two promotions back, not to and fro.

    Raises:
        Refused: there is none before it, or its files are not what was registered.
    """
    earlier = model_before(ModelVersion.objects.filter(state=State.ACTIVE).first())
    if earlier is None:
        raise Refused("nothing_before")
    _refuse_what_is_damaged(earlier)
    with transaction.atomic():
        now = _active_held_fast()
        if model_before(now) != earlier:
            raise Refused("model_changed_meanwhile")
        return _switch(
            "model_version.rolled_back",
            earlier,
            now,
            kind=Kind.ROLLED_BACK,
            by=by,
            reason=reason,
        )


def model_before(version: ModelVersion | None) -> ModelVersion | None:
    """What a version followed when it was last put into service by anybody's choice."""
    if version is None:
        return None
    chosen = version.activations.exclude(kind=Kind.ROLLED_BACK).select_related("previous")
    latest = chosen.order_by("-created_at", "-id").first()
    return latest.previous if latest else None


def obstacle_codes(comparison: Comparison) -> frozenset[str]:
    return frozenset(one["code"] for one in comparison.obstacles)


def note_damage(version: ModelVersion, code: str) -> bool:
    """Record once that a version's files are not what was registered; False where it was known."""
    with transaction.atomic():
        sound = ModelVersion.objects.filter(pk=version.pk, damaged_at=None)
        if not sound.update(damaged_at=timezone.now()):
            return False
        _record("model_version.found_damaged", version, by=None, after={"code": code})
    log.critical("model %s: %s; nothing is judged with it until it is mended", version, code)
    return True


def note_sound(version: ModelVersion, *, by: User | None = None) -> bool:
    """Take a record of damage back where the stored files are whole again."""
    damaged = ModelVersion.objects.filter(pk=version.pk).exclude(damaged_at=None)
    sha256 = version.artifact_sha256
    if not damaged.exists() or not detector.is_artifact(detector.artifact_folder(sha256), sha256):
        return False
    with transaction.atomic():
        if not damaged.update(damaged_at=None):
            return False
        _record("model_version.repaired", version, by=by)
    version.damaged_at = None
    return True


def _active_held_fast() -> ModelVersion | None:
    """The version that judges now, which nobody else changes until the transaction ends.

    All rows are held, in one order: the one active row would be another by the time it is held.
    """
    rows = ModelVersion.objects.select_for_update(no_key=True).order_by("pk")
    return next((row for row in list(rows) if row.state == State.ACTIVE), None)


def _switch(
    action: str,
    version: ModelVersion,
    previous: ModelVersion | None,
    *,
    kind: str,
    by: User | None,
    reason: str = "",
    comparison: Comparison | None = None,
    told: dict[str, Any] | None = None,
) -> Activation:
    if previous is not None:
        ModelVersion.objects.filter(pk=previous.pk).update(state=State.RETIRED)
    ModelVersion.objects.filter(pk=version.pk).update(
        state=State.ACTIVE, activated_at=timezone.now()
    )
    made = Activation.objects.create(
        version=version, previous=previous, comparison=comparison, kind=kind, reason=reason, by=by
    )
    audit.record(
        action,
        actor=by,
        target=version,
        target_sha256=version.artifact_sha256,
        before={"active": previous.artifact_sha256 if previous else None},
        after={"active": version.artifact_sha256, **(told or {})},
        detail={"reason": reason} if reason else None,
    )
    return made


def _refuse_promotion(
    version: ModelVersion, comparison: Comparison, active: ModelVersion | None
) -> None:
    if active == version:
        raise Refused("judges_already")
    is_done = comparison.status == Comparison.Status.DONE
    if comparison.candidate_id != version.pk or not is_done:
        raise Refused("not_compared")
    if active is None or comparison.against_id != active.pk:
        raise Refused("compared_with_another")


def _accuses_elsewhere(comparison: Comparison) -> bool:
    """Whether other images of the same two models showed, beyond chance, more reals accused.

    Or whoever promotes could look for images on which nothing shows.
    """
    others = Comparison.objects.filter(
        candidate=comparison.candidate_id,
        against=comparison.against_id,
        status=Comparison.Status.DONE,
    ).exclude(pk=comparison.pk)
    found = [one for obstacles in others.values_list("obstacles", flat=True) for one in obstacles]
    return any(one["code"] == "more_accusations" and (one.get("low") or 0) > 0 for one in found)


def _refuse_what_is_damaged(version: ModelVersion) -> None:
    """Refuse a version that this process cannot judge with, before it judges anything."""
    try:
        detector.prove(version)
    except ArtifactError as error:
        note_damage(version, error.code)
        raise Refused("model_damaged") from error


def _record(
    action: str, version: ModelVersion, *, by: User | None, after: dict[str, Any] | None = None
) -> None:
    sha256 = version.artifact_sha256
    audit.record(action, actor=by, target=version, target_sha256=sha256, after=after)


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
    is_shared = storage.is_artifact_shared(final, detector.ARTIFACT_FILES)
    if not (is_shared and detector.is_artifact(final, sha256)):
        if final.is_dir():
            log.warning("stored artifact %s is damaged, copied anew from %s", sha256, source)
        for name in detector.ARTIFACT_FILES:
            storage.copy_durably(source / name, final / name)
        detector.artifact_facts(final, sha256)  # refuse what changed while it was copied
    trainable.keep_weights(source, final)
