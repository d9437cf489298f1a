import hashlib
import json
from pathlib import Path

import pytest
from onnx import TensorProto

from ml.artifact import (
    DEFAULT_ARTIFACT,
    MODEL_FILE,
    SIDECAR_FILE,
    Artifact,
    artifact_sha256,
    open_artifact,
    shipped_hashes,
)
from ml.calibration import Calibration
from ml.combination import Combination
from ml.errors import ArtifactError
from tests.ml.tiny import POINT, red_detector, sidecar, write_artifact


def test_the_hash_covers_both_files_with_their_lengths(tmp_path: Path):
    sha256 = write_artifact(tmp_path)
    digest = hashlib.sha256()
    for name in ("model.onnx", "model.json"):
        content = (tmp_path / name).read_bytes()
        digest.update(len(content).to_bytes(8, "big") + content)
    assert sha256 == digest.hexdigest()


def test_bytes_moved_from_one_file_to_the_other_change_the_hash(tmp_path: Path):
    write_artifact(tmp_path)
    before = artifact_sha256(tmp_path)
    model, side = (tmp_path / MODEL_FILE).read_bytes(), (tmp_path / SIDECAR_FILE).read_bytes()
    (tmp_path / MODEL_FILE).write_bytes(model + side[:1])
    (tmp_path / SIDECAR_FILE).write_bytes(side[1:])
    assert artifact_sha256(tmp_path) != before


def test_it_reads_what_is_registered(tmp_path: Path):
    sha256 = write_artifact(tmp_path)
    artifact = Artifact.read(tmp_path, registered={sha256})
    assert (artifact.sha256, artifact.operating_point) == (sha256, POINT)


def test_a_sidecar_from_before_views_means_the_whole_picture_alone(tmp_path: Path):
    artifact = Artifact.read(tmp_path, registered={write_artifact(tmp_path)})
    assert artifact.preprocessing.views == ("whole",)
    assert (artifact.combination, artifact.face_calibration) == (Combination(), None)


def test_it_reads_how_views_become_one_logit_and_what_a_face_says(tmp_path: Path):
    rule, calibrated = Combination(cut=0.5, face_rule="mean"), Calibration(2.0, -1.0, 0.4, 7)
    extras = {"combination": rule.to_json(), "face_calibration": calibrated.to_json()}
    artifact = Artifact.read(tmp_path, registered={write_artifact(tmp_path, **extras)})
    assert (artifact.combination, artifact.face_calibration) == (rule, calibrated)


def test_a_changed_threshold_is_refused_as_unregistered(tmp_path: Path):
    registered = {write_artifact(tmp_path)}
    path = tmp_path / SIDECAR_FILE
    path.write_text(path.read_text().replace('"manipulated_from": 0.7', '"manipulated_from": 0.6'))
    with pytest.raises(ArtifactError) as caught:
        Artifact.read(tmp_path, registered=registered)
    assert caught.value.code == "artifact_unregistered"


def test_one_flipped_bit_of_the_model_is_refused(tmp_path: Path):
    registered = {write_artifact(tmp_path)}
    content = bytearray((tmp_path / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        open_artifact(tmp_path, registered=registered)
    assert caught.value.code == "artifact_unregistered"


def test_nothing_unregistered_is_parsed(tmp_path: Path):
    (tmp_path / MODEL_FILE).write_bytes(b"no model")
    (tmp_path / SIDECAR_FILE).write_bytes(b"no sidecar")
    with pytest.raises(ArtifactError) as caught:
        open_artifact(tmp_path, registered=shipped_hashes())
    assert caught.value.code == "artifact_unregistered"


@pytest.mark.parametrize("name", [MODEL_FILE, SIDECAR_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str):
    write_artifact(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=name) as caught:
        artifact_sha256(tmp_path)
    assert caught.value.code == "artifact_missing"


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"operating_point": {}}, {"preprocessing": 3}, {"combination": {"cut": -1}}],
)
def test_a_registered_sidecar_that_makes_no_sense_is_invalid(tmp_path: Path, change):
    write_artifact(tmp_path)
    (tmp_path / SIDECAR_FILE).write_text(json.dumps({**sidecar(), **change}))
    with pytest.raises(ArtifactError) as caught:
        Artifact.read(tmp_path, registered={artifact_sha256(tmp_path)})
    assert caught.value.code == "artifact_invalid"


def test_a_registered_model_with_external_data_is_refused(tmp_path: Path):
    model = red_detector()
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")
    sha256 = write_artifact(tmp_path, model=model.SerializeToString())
    with pytest.raises(ArtifactError, match="other files") as caught:
        open_artifact(tmp_path, registered={sha256})
    assert caught.value.code == "artifact_invalid"


def test_the_default_artifact_is_registered_and_says_what_it_may_be_used_for():
    artifact, _ = open_artifact(DEFAULT_ARTIFACT, registered=shipped_hashes())
    assert any("research" in note for note in artifact.licence_notes)
    assert artifact.operating_point.max_false_accusation_rate == 0.015
