"""The door to ml: stored bytes in, columns of a detection out."""

import json

import numpy as np
import PIL.Image
import pytest

from detection import detector, hashing, previews, storage
from detection.models import Detection, ModelVersion
from detection.services.registry import register_artifact
from ml.artifact import artifact_sha256
from ml.decoder import MIN_SIDE
from ml.errors import ArtifactError, UnreadableImage
from ml.golden import golden_scores
from tests import images
from tests.factories import submitted
from tests.ml.tiny import predictor, write_artifact

pytestmark = pytest.mark.django_db


def _png(*colour: int, side: int = 64) -> bytes:
    return images.encode(PIL.Image.new("RGB", (side, side), colour), "PNG")


@pytest.mark.parametrize(
    ("colour", "verdict"),
    [
        ((255, 0, 0), Detection.Verdict.LIKELY_MANIPULATED),
        ((0, 0, 255), Detection.Verdict.LIKELY_AUTHENTIC),
        ((128, 0, 128), Detection.Verdict.INCONCLUSIVE),
    ],
)
def test_fake_is_one(alice, red_model, colour, verdict):
    judgement = detector.judge(submitted(alice, _png(*colour)).image, red_model)
    assert judgement.result["verdict"] == verdict


def test_the_result_fits_the_columns(alice, red_model):
    submission = submitted(alice, _png(255, 0, 0))
    claim = Detection.objects.claim(submission.detection_id, worker="test:1:1")
    assert claim.complete(**detector.judge(submission.image, red_model).result)
    stored = Detection.objects.get()
    assert stored.probability == pytest.approx(0.993, abs=1e-3)
    assert stored.activation_map().shape == (16, 16)
    assert set(stored.transforms) == {"jpeg_85", "scale_75"}
    assert all(isinstance(ms, float) for ms in stored.timings_ms.values())


def test_a_veto_leaves_no_probability_and_no_decision(alice, red_model):
    result = detector.judge(submitted(alice, _png(255, 0, 0, side=8)).image, red_model).result
    assert result["verdict"] == Detection.Verdict.INCONCLUSIVE
    assert "too_small" in result["reasons"]


def test_the_perceptual_hash_survives_saving_again(alice, model_version):
    photo = images.photo_like(320, 240, 7)
    first, second = (
        hashing.perceptual_hashes(detector.decode(submitted(alice, data).image).pixels)[0]
        for data in (images.encode(photo, "PNG"), images.encode(photo, "WEBP"))
    )
    assert (int(first, 16) ^ int(second, 16)).bit_count() <= 4
    assert len(first) == 16


def test_an_unregistered_change_of_the_artifact_is_refused(alice, red_model):
    sidecar = storage.artifact_dir(red_model.artifact_sha256) / "model.json"
    sidecar.write_text(sidecar.read_text().replace("0.7", "0.9"))
    detector._model.cache_clear()
    with pytest.raises(ArtifactError) as error:
        detector.judge(submitted(alice).image, red_model)
    assert error.value.code == "artifact_unregistered"
    detector._model.cache_clear()


def test_altered_bytes_get_no_verdict(alice, red_model):
    image = submitted(alice).image
    path = storage.original_path(image.pk)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with pytest.raises(detector.OriginalMissing):
        detector.judge(image, red_model)


def test_missing_bytes_get_no_verdict(alice, red_model):
    image = submitted(alice).image
    storage.original_path(image.pk).unlink()
    with pytest.raises(detector.OriginalMissing):
        detector.decode(image)


def test_what_cannot_be_decoded_says_why(alice, model_version):
    image = submitted(alice, images.truncated(images.jpeg_bytes())).image
    with pytest.raises(UnreadableImage) as error:
        detector.decode(image)
    assert error.value.code == "truncated"


# --- previews


def _preview(image, side: int) -> PIL.Image.Image:
    with PIL.Image.open(previews.preview(image, side), formats=["JPEG"]) as preview:
        preview.load()
        return preview


@pytest.mark.parametrize("side", previews.PREVIEW_SIDES)
def test_a_preview_fits_its_side(alice, model_version, side):
    image = submitted(alice, images.jpeg_bytes(1500, 900)).image
    assert max(_preview(image, side).size) == side


def test_a_small_image_is_not_enlarged(alice, model_version):
    image = submitted(alice, images.jpeg_bytes(64, 48)).image
    assert _preview(image, MIN_SIDE).size == (64, 48)


@pytest.mark.parametrize("name", ["gps_jpeg", "injecting_jpeg", "png_with_prompt", "icc_jpeg"])
def test_a_preview_carries_no_metadata(alice, model_version, name):
    image = submitted(alice, images.ACCEPTED[name]()).image
    path = previews.preview(image, 320)
    assert dict(_preview(image, 320).getexif()) == {}
    assert _preview(image, 320).info.keys() & {"exif", "xmp", "icc_profile", "comment"} == set()
    for secret in (b"Exif", b"GPS", b"SERIAL", b"Steps", b"script", b"ICCP", b"XMP"):
        assert secret not in path.read_bytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_preview_is_upright(alice, model_version, orientation):
    image = submitted(alice, images.with_orientation(orientation)).image
    pixels = np.asarray(_preview(image, 320).convert("RGB")).astype(int)
    assert pixels.shape == (60, 80, 3)
    red, green, blue = pixels[15, 20], pixels[15, 60], pixels[45, 20]
    assert (red.argmax(), green.argmax(), blue.argmax()) == (0, 1, 2)


def test_a_preview_is_made_once(alice, model_version):
    image = submitted(alice).image
    path = previews.preview(image, 320)
    before = path.stat().st_mtime_ns
    assert previews.preview(image, 320).stat().st_mtime_ns == before


def test_a_preview_never_alters_the_original(alice, model_version):
    data = images.gps_jpeg()
    image = submitted(alice, data).image
    previews.preview(image, 320)
    assert storage.original_path(image.pk).read_bytes() == data


def _with_records(tmp_path, records: dict[str, float]) -> ModelVersion:
    """A registered red detector whose sidecar holds these scores of golden pictures."""
    write_artifact(tmp_path)
    sidecar = json.loads((tmp_path / "model.json").read_text())
    named = {"name": "golden", "golden": records}
    (tmp_path / "model.json").write_text(json.dumps({**sidecar, **named}))
    return register_artifact(tmp_path, by=None, sha256=artifact_sha256(tmp_path))


def _scores(folder) -> dict[str, float]:
    return golden_scores(predictor(folder))


def test_a_model_that_scores_as_recorded_judges(alice, red_model, tmp_path):
    version = _with_records(tmp_path / "model", _scores(tmp_path / "scored"))
    detector.warm(version)
    assert detector.judge(submitted(alice, _png(255, 0, 0)).image, version).result["verdict"]


def test_a_model_whose_scores_moved_is_not_started(alice, tmp_path):
    moved = {name: score + 0.01 for name, score in _scores(tmp_path / "scored").items()}
    version = _with_records(tmp_path / "model", moved)
    with pytest.raises(ArtifactError, match="golden picture 0 scores") as caught:
        detector.warm(version)
    assert caught.value.code == "scores_moved"


def test_scores_that_move_while_it_works_stop_it(alice, red_model, tmp_path, monkeypatch):
    records = _scores(tmp_path / "scored")
    records[str(detector.GOLDEN_AT_START)] += 0.01
    version = _with_records(tmp_path / "model", records)
    image = submitted(alice, _png(255, 0, 0)).image
    assert detector.judge(image, version).result["verdict"]
    monkeypatch.setattr(detector, "GOLDEN_EVERY_S", 0.0)
    with pytest.raises(ArtifactError, match=f"golden picture {detector.GOLDEN_AT_START} scores"):
        detector.judge(image, version)
