"""Artifacts are registered by a hash that somebody vouches for; one at a time judges."""

import errno
import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent
from detection import detector, storage, trainable
from detection.models import ModelVersion
from detection.services import registry
from ml.errors import ArtifactError
from tests.factories import files_below, in_parallel
from tests.ml.tiny import POINT, write_artifact

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifact"


def test_it_copies_the_artifact_under_its_hash(folder):
    sha256 = write_artifact(folder)
    registry.register_artifact(folder, by=None, sha256=sha256)
    copies = storage.artifact_dir(sha256)
    assert {path.name: path.read_bytes() for path in copies.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_it_keeps_what_the_sidecar_says(folder):
    version = registry.register_artifact(folder, by=None, sha256=write_artifact(folder))
    assert (version.name, version.version, version.state) == ("red_detector", "1", "candidate")
    assert version.operating_point == POINT.to_json()


def test_the_same_artifact_is_registered_once(folder, dora):
    sha256 = write_artifact(folder)
    first, second = (registry.register_artifact(folder, by=dora, sha256=sha256) for _ in range(2))
    assert first == second
    assert AuditEvent.objects.get().action == "model_version.registered"


def test_another_hash_is_refused(folder):
    write_artifact(folder)
    with pytest.raises(ArtifactError) as error:
        registry.register_artifact(folder, by=None, sha256="0" * 64)
    assert error.value.code == "artifact_unregistered"
    assert not ModelVersion.objects.exists()
    assert not storage.artifact_dir("0" * 64).exists()


def test_a_missing_file_is_refused(folder):
    sha256 = write_artifact(folder)
    next(folder.glob("*.onnx")).unlink()
    with pytest.raises(ArtifactError) as error:
        registry.register_artifact(folder, by=None, sha256=sha256)
    assert error.value.code == "artifact_missing"


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_empty, Path.unlink])
@pytest.mark.parametrize("name", detector.ARTIFACT_FILES)
def test_registering_again_repairs_a_damaged_copy(folder, name, damage):
    sha256 = write_artifact(folder)
    version = registry.register_artifact(folder, by=None, sha256=sha256)
    damage(storage.artifact_dir(sha256) / name)
    assert registry.register_artifact(folder, by=None, sha256=sha256) == version
    assert detector.is_artifact(storage.artifact_dir(sha256), sha256)


def test_an_unaltered_copy_is_left_alone(folder, monkeypatch):
    sha256 = write_artifact(folder)
    registry.register_artifact(folder, by=None, sha256=sha256)
    monkeypatch.setattr(storage, "copy_durably", None)
    registry.register_artifact(folder, by=None, sha256=sha256)


def test_a_copy_that_was_interrupted_is_done_again(folder):
    sha256 = write_artifact(folder)
    patch = pytest.MonkeyPatch()
    patch.setattr(storage.os, "fsync", _fail)
    with pytest.raises(OSError, match="broken"):
        registry.register_artifact(folder, by=None, sha256=sha256)
    patch.undo()
    assert not ModelVersion.objects.exists()
    registry.register_artifact(folder, by=None, sha256=sha256)
    assert detector.is_artifact(storage.artifact_dir(sha256), sha256)
    assert files_below("incoming") == []


def _fail(*_: object) -> None:
    raise OSError(errno.EIO, "broken")


def test_what_changes_while_it_is_copied_is_not_registered(folder, monkeypatch):
    sha256 = write_artifact(folder)
    copy = storage.copy_durably

    def meddle(source: Path, final: Path) -> None:
        copy(source, final)
        final.write_bytes(b"something else")

    monkeypatch.setattr(storage, "copy_durably", meddle)
    with pytest.raises(ArtifactError) as error:
        registry.register_artifact(folder, by=None, sha256=sha256)
    assert error.value.code == "artifact_unregistered"
    assert not ModelVersion.objects.exists()


def test_every_file_of_a_copy_is_synced_before_it_has_its_name(folder, monkeypatch):
    sha256 = write_artifact(folder)
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        storage.os, "fsync", lambda number: (synced.append(os.fstat(number).st_ino), fsync(number))
    )
    registry.register_artifact(folder, by=None, sha256=sha256)
    final = storage.artifact_dir(sha256)
    assert {path.stat().st_ino for path in (*final.iterdir(), final, final.parent)} <= set(synced)


def test_parallel_registrations_are_one_whole_copy(folder):
    sha256 = write_artifact(folder)
    final = storage.artifact_dir(sha256)
    in_parallel(lambda: registry._copy(folder, final, sha256), times=4)
    assert detector.is_artifact(final, sha256)
    assert len(list(final.iterdir())) == 2


def test_activating_retires_the_previous_one(folder, dora, model_version):
    version = registry.register_artifact(folder, by=dora, sha256=write_artifact(folder))
    registry.activate(version, by=dora)
    states = dict(ModelVersion.objects.values_list("name", "state"))
    assert states == {"fake": "retired", "red_detector": "active"}
    assert ModelVersion.objects.active().activated_at is not None


def test_activating_is_audited_with_what_was_before(folder, dora, model_version):
    version = registry.register_artifact(folder, by=dora, sha256=write_artifact(folder))
    registry.activate(version, by=dora)
    event = AuditEvent.objects.get(action="model_version.activated")
    assert event.actor_id == dora.pk
    assert model_version.artifact_sha256 in event.change
    assert version.artifact_sha256 in event.change


def test_activating_the_active_one_changes_nothing(model_version):
    registry.activate(model_version, by=None)
    assert not AuditEvent.objects.exists()


def test_the_database_allows_one_active_version(model_version):
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.create(
            name="b", version="1", artifact_sha256="b" * 64, state=ModelVersion.State.ACTIVE
        )


def test_one_name_and_version_is_one_artifact(model_version):
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.create(name="fake", version="1", artifact_sha256="b" * 64)


# --- manage.py register_model


def _call(*arguments: object) -> str:
    output = io.StringIO()
    call_command("register_model", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_registers_and_activates(folder):
    sha256 = write_artifact(folder)
    assert sha256 in _call(str(folder), "--sha256", sha256, "--activate")
    assert ModelVersion.objects.active().artifact_sha256 == sha256


def test_the_command_wants_a_hash(folder):
    write_artifact(folder)
    with pytest.raises(CommandError, match="--sha256"):
        _call(str(folder))


def test_the_command_names_what_is_wrong(folder):
    write_artifact(folder)
    with pytest.raises(CommandError, match="artifact_unregistered"):
        _call(str(folder), "--sha256", "0" * 64)


def test_another_artifact_with_the_same_name_and_version_is_named(folder, tmp_path):
    registry.register_artifact(folder, by=None, sha256=write_artifact(folder))
    other = tmp_path / "other"
    sha256 = write_artifact(other, point=replace(POINT, manipulated_from=0.9))
    with pytest.raises(CommandError, match="red_detector 1"):
        _call(str(other), "--sha256", sha256)


def _with_weights(folder: Path) -> str:
    weights = b"of the very network"
    named = {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    sha256 = write_artifact(folder, training=named)
    (folder / trainable.WEIGHTS_FILE).write_bytes(weights)
    return sha256


def test_weights_to_go_on_from_are_kept_beside_their_artifact(folder):
    version = registry.register_artifact(folder, by=None, sha256=_with_weights(folder))
    start = trainable.start_of(version)
    assert start is not None
    assert start.folder == storage.artifact_dir(version.artifact_sha256)


def test_registering_again_brings_the_weights_that_were_not_kept(folder):
    sha256 = _with_weights(folder)
    version = registry.register_artifact(folder, by=None, sha256=sha256)
    kept = storage.artifact_dir(sha256) / trainable.WEIGHTS_FILE
    kept.write_bytes(b"half of th")
    assert trainable.start_of(version) is None
    registry.register_artifact(folder, by=None, sha256=sha256)
    assert trainable.start_of(version) is not None


def test_weights_of_another_network_are_not_kept(folder):
    sha256 = _with_weights(folder)
    (folder / trainable.WEIGHTS_FILE).write_bytes(b"of another network")
    registry.register_artifact(folder, by=None, sha256=sha256)
    assert not (storage.artifact_dir(sha256) / trainable.WEIGHTS_FILE).exists()


def test_training_can_go_on_from_the_shipped_default():
    folder, sha256 = detector.shipped_default()
    version = registry.register_artifact(folder, by=None, sha256=sha256)
    start = trainable.start_of(version)
    assert start is not None
    assert start.folder == storage.artifact_dir(sha256)
    assert any(trainable.fits(start, offer) for offer in trainable.offers())
