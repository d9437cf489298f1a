import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import faces
from ml.artifact import shipped_hashes
from ml.calibration import Calibration, sigmoid
from ml.combination import Combination
from ml.decision import REASONS, Verdict
from ml.decoder import MIN_SIDE, Decoded, Decoder
from ml.errors import ArtifactError
from ml.faces import FoundFace
from ml.inference import Predictor
from ml.preprocess import Preprocessing
from ml.stability import TRANSFORMS
from ml.views import View, render, working_picture
from tests.images import encode, photo_like
from tests.ml.golden import shipped
from tests.ml.tiny import POINT, SIZE, decoded, plain, predictor, red_detector, write_artifact

ROOT = Path(__file__).resolve().parents[2]
RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 0, 128)
VIEWS = Preprocessing(SIZE, "bicubic", 1 / 255, views=("whole", "cut", "face"))
# left, top, width and height of the larger and the smaller face of `group_photo`
LARGE, SMALL = (8, 8, 16, 16), (44, 40, 10, 12)
# what version 1.1 gave before it shared its code with networks of several views
PAPER_CNN = "f997be522dc8ffbec46fa60d990fbfa7e09e32270920eb7afee3757347a783ab"
PAPER_CNN_LOGITS = {(640, 480, 1): -0.05224534869194031, (1600, 900, 2): 0.05186857283115387}


@pytest.fixture(autouse=True)
def found(monkeypatch) -> list[FoundFace]:
    """The faces that every picture has; none until a test adds some."""
    answer: list[FoundFace] = []
    monkeypatch.setattr("ml.inference.find_faces", lambda pixels: answer)
    monkeypatch.setattr("ml.inference.require_detector", lambda: None)
    return answer


@pytest.fixture
def two_faces(found: list[FoundFace]) -> None:
    found += [FoundFace(box, np.zeros((5, 2)), 0.9) for box in (LARGE, SMALL)]


def group_photo() -> Decoded:
    """A face in red and one in blue before something grey-green."""
    image = photo_like(64, 64)
    image.paste((90, 140, 90), (30, 0, 64, 34))
    for (left, top, width, height), colour in ((LARGE, (250, 0, 0)), (SMALL, (40, 0, 250))):
        image.paste(colour, (left - 4, top - 4, left + width + 4, top + height + 4))
    return decoded(image)


def of_views(folder: Path, **options) -> Predictor:
    """The red detector judging whole, cuts and faces, with a distance."""
    model = red_detector(has_distance=True).SerializeToString()
    return predictor(folder, **{"model": model, "preprocessing": VIEWS.to_json(), **options})


@pytest.mark.parametrize(
    ("colour", "verdict"),
    [
        (RED, Verdict.LIKELY_MANIPULATED),
        (BLUE, Verdict.LIKELY_AUTHENTIC),
        (GREY, Verdict.INCONCLUSIVE),
    ],
)
def test_a_high_logit_is_manipulated_and_a_low_one_authentic(tmp_path: Path, colour, verdict):
    prediction = predictor(tmp_path).predict([plain(*colour)])[0]
    assert (prediction.verdict, prediction.reasons) == (verdict, ())


def test_it_gives_logit_score_probability_and_activation(tmp_path: Path):
    prediction = predictor(tmp_path).predict([plain(*RED)])[0]
    assert prediction.logit == pytest.approx(5.0, abs=0.01)
    assert prediction.score == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-4)
    assert prediction.probability == pytest.approx(prediction.score)
    assert prediction.activation.shape == (16, 16)
    assert prediction.activation.dtype == np.float32
    assert prediction.faces == ()


def test_every_transform_has_its_probability(tmp_path: Path):
    prediction = predictor(tmp_path).predict([plain(*RED)])[0]
    assert set(prediction.transforms) == set(POINT.stability_transforms)
    assert all(p > 0.9 for p in prediction.transforms.values())


def test_pictures_are_judged_one_by_one_and_in_order(tmp_path: Path):
    serving = predictor(tmp_path)
    together = serving.predict([plain(*RED), plain(*BLUE, side=64), plain(*GREY)])
    alone = [serving.predict([p])[0] for p in (plain(*RED), plain(*BLUE, side=64), plain(*GREY))]
    assert [p.logit for p in together] == [p.logit for p in alone]


def test_the_same_picture_gives_the_same_numbers_twice(tmp_path: Path):
    serving = predictor(tmp_path)
    first, second = serving.predict([plain(90, 10, 10)] * 2)
    assert (first.logit, first.transforms) == (second.logit, second.transforms)


def test_a_picture_too_small_gets_no_probability(tmp_path: Path):
    prediction = predictor(tmp_path).predict([plain(*RED, side=15)])[0]
    assert prediction.probability is None
    assert "too_small" in prediction.reasons
    assert prediction.verdict is Verdict.INCONCLUSIVE


def test_the_smallest_allowed_picture_is_judged(tmp_path: Path):
    assert predictor(tmp_path).predict([plain(*RED, side=16)])[0].reasons == ()


def test_size_is_that_of_the_file_and_not_of_reduced_pixels(tmp_path: Path):
    reduced = plain(*RED, side=8)
    reduced = replace(reduced, facts=replace(reduced.facts, width=800, height=800))
    assert predictor(tmp_path).predict([reduced])[0].reasons == ()


def test_a_transparent_picture_keeps_its_probability_and_decides_nothing(tmp_path: Path):
    prediction = predictor(tmp_path).predict([plain(*RED, has_transparency=True)])[0]
    assert prediction.reasons == ("transparency",)
    assert prediction.verdict is Verdict.INCONCLUSIVE
    assert prediction.probability > 0.9


def test_an_answer_that_a_transform_moves_is_unstable(tmp_path: Path, monkeypatch):
    blue = Image.new("RGB", (32, 32), BLUE)
    monkeypatch.setitem(TRANSFORMS, "turn_blue", lambda image: blue)
    point = replace(POINT, stability_transforms=("turn_blue",))
    prediction = predictor(tmp_path, point=point).predict([plain(*RED)])[0]
    assert prediction.reasons == ("unstable",)
    assert prediction.verdict is Verdict.INCONCLUSIVE
    assert prediction.probability > 0.9 > 0.1 > prediction.transforms["turn_blue"]


def test_it_says_how_long_each_part_took(tmp_path: Path):
    timings = predictor(tmp_path).predict([plain(*RED)])[0].timings_ms
    assert set(timings) == {"preprocess", "transforms", "network"}
    assert all(ms >= 0 for ms in timings.values())


def test_a_graph_without_an_activation_is_refused(tmp_path: Path):
    model = red_detector()
    del model.graph.output[1]
    sha256 = write_artifact(tmp_path, model=model.SerializeToString())
    with pytest.raises(ArtifactError, match="activation") as caught:
        Predictor.load(tmp_path, registered={sha256})
    assert caught.value.code == "artifact_invalid"


def test_a_registered_file_the_runtime_refuses_is_invalid(tmp_path: Path):
    model = red_detector()
    model.graph.node[0].op_type = "NoSuchOperation"
    sha256 = write_artifact(tmp_path, model=model.SerializeToString())
    with pytest.raises(ArtifactError) as caught:
        Predictor.load(tmp_path, registered={sha256})
    assert caught.value.code == "artifact_invalid"


@pytest.mark.usefixtures("two_faces")
def test_every_view_has_its_logit(tmp_path: Path):
    prediction = of_views(tmp_path).predict([group_photo()])[0]
    kinds = [kind for kind, _ in prediction.view_logits]
    assert kinds == ["whole", *["cut"] * 5, "face", "face"]
    large, small = (logit for kind, logit in prediction.view_logits if kind == "face")
    assert large == pytest.approx(10 * (250 / 255 - 0.5), abs=0.1)
    assert small == pytest.approx(10 * (40 / 255 - 0.5), abs=0.1)


@pytest.mark.usefixtures("two_faces")
@pytest.mark.parametrize("rule", [Combination(), Combination(cut=0.5, face=2.0, face_rule="mean")])
def test_the_logit_is_what_the_combination_makes_of_the_views(tmp_path: Path, rule: Combination):
    prediction = of_views(tmp_path, combination=rule.to_json()).predict([group_photo()])[0]
    kinds, logit = zip(*prediction.view_logits, strict=True)
    assert prediction.logit == pytest.approx(rule.combine(kinds, np.array(logit)))
    assert prediction.probability == pytest.approx(sigmoid(np.array(prediction.logit)))


@pytest.mark.usefixtures("two_faces")
def test_a_face_has_its_place_probability_and_evidence(tmp_path: Path):
    calibrated = Calibration(2.0, -1.0, 0.5, 9)
    serving = of_views(tmp_path, face_calibration=calibrated.to_json())
    prediction = serving.predict([group_photo()])[0]
    large, _ = prediction.faces
    logits = [logit for kind, logit in prediction.view_logits if kind == "face"]
    assert large.box == (0.125, 0.125, 0.25, 0.25)
    assert large.square == (0.0625, 0.0625, 0.375, 0.375)
    assert [face.probability for face in prediction.faces] == pytest.approx(
        calibrated.probability(np.array(logits)).tolist()
    )
    assert np.shape(large.activation) == (SIZE, SIZE)
    assert large.activation[8][8] == pytest.approx(250 / 255 / 3, abs=0.001)


@pytest.mark.usefixtures("two_faces")
def test_without_a_calibration_of_its_own_a_face_has_the_pictures(tmp_path: Path):
    prediction = of_views(tmp_path).predict([group_photo()])[0]
    logits = [logit for kind, logit in prediction.view_logits if kind == "face"]
    assert [face.probability for face in prediction.faces] == pytest.approx(
        sigmoid(np.array(logits)).tolist()
    )


def test_a_face_that_reaches_over_the_edge_is_cut_there(tmp_path: Path, found):
    found.append(FoundFace((-8.0, 40.0, 40.0, 32.0), np.zeros((5, 2)), 0.9))
    [face] = of_views(tmp_path).predict([group_photo()])[0].faces
    assert face.box == (0, 0.625, 0.5, 0.375)
    assert face.square == (0, 0.0625, 0.9375, 0.9375)


def test_a_whole_picture_is_all_that_is_seen_unless_the_artifact_says_more(tmp_path, found):
    found.append(FoundFace(LARGE, np.zeros((5, 2)), 0.9))
    prediction = predictor(tmp_path).predict([group_photo()])[0]
    assert prediction.view_logits == (("whole", pytest.approx(prediction.logit)),)
    assert prediction.faces == ()
    assert set(prediction.quality) == {"blockiness", "detail", "flatness", "correlation"}


@pytest.mark.parametrize(
    ("figure", "limit", "code"),
    [
        ("distance", "max_distance", "out_of_domain"),
        ("blockiness", "max_blockiness", "heavy_compression"),
        ("detail", "min_detail", "too_small"),
    ],
)
def test_a_limit_is_kept_up_to_the_limit_itself(tmp_path: Path, figure: str, limit: str, code: str):
    value = of_views(tmp_path).predict([group_photo()])[0].quality[figure]
    beyond = float(np.nextafter(value, 0 if limit.startswith("max") else np.inf))
    reasons = []
    for at in (value, beyond):
        point = replace(POINT, stability_transforms=(), **{limit: at})
        reasons.append(of_views(tmp_path, point=point).predict([group_photo()])[0].reasons)
    assert reasons == [(), (code,)]


def test_a_picture_without_detail_gets_no_probability(tmp_path: Path):
    prediction = of_views(tmp_path, point=replace(POINT, min_detail=0.5)).predict([plain(*RED)])[0]
    assert (prediction.probability, prediction.reasons) == (None, ("too_small",))


def test_far_from_what_it_learnt_from_the_probability_stays(tmp_path: Path):
    point = replace(POINT, max_distance=0.5)
    prediction = of_views(tmp_path, point=point).predict([plain(255, 200, 0)])[0]
    assert prediction.quality["distance"] == pytest.approx(200 / 255, abs=1e-4)
    assert (prediction.reasons, prediction.verdict) == (("out_of_domain",), Verdict.INCONCLUSIVE)
    assert prediction.probability > 0.9


def test_reasons_come_in_the_order_they_are_listed_in(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(TRANSFORMS, "turn_blue", lambda image: Image.new("RGB", (64, 64), BLUE))
    limits = {"max_blockiness": 0.1, "min_detail": 999.0, "max_distance": 0.1}
    point = replace(POINT, stability_transforms=("turn_blue",), **limits)
    image = decoded(Image.new("RGB", (64, 64), (255, 200, 0)), has_transparency=True)
    reasons = of_views(tmp_path, point=point).predict([image])[0].reasons
    assert reasons == tuple(code for code in REASONS if code not in ("no_face", "faces_disagree"))


@pytest.mark.usefixtures("two_faces")
def test_a_copy_moves_the_picture_by_what_it_moved_one_view_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.setitem(TRANSFORMS, "turn_blue", lambda image: Image.new("RGB", (32, 32), BLUE))
    point = replace(POINT, stability_transforms=("turn_blue",))
    prediction = of_views(tmp_path, point=point).predict([group_photo()])[0]
    first = dict(reversed(prediction.view_logits))
    moved = -5.0 - Combination().combine(list(first), np.array(list(first.values())))
    assert prediction.transforms["turn_blue"] == pytest.approx(
        float(sigmoid(np.array(prediction.logit + moved))), rel=1e-4
    )


@pytest.mark.usefixtures("two_faces")
def test_copies_draw_the_verdicts_logit_where_the_artifact_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(TRANSFORMS, "turn_blue", lambda image: Image.new("RGB", (32, 32), BLUE))
    point = replace(POINT, stability_transforms=("turn_blue",))
    alone = of_views(tmp_path / "a", point=point).predict([group_photo()])[0]
    drawn = of_views(tmp_path / "b", point=point, combination={"copies": 0.5}).predict(
        [group_photo()]
    )[0]
    copied = np.log(alone.transforms["turn_blue"] / (1 - alone.transforms["turn_blue"]))
    assert drawn.logit == pytest.approx((alone.logit + copied) / 2, rel=1e-4)
    assert drawn.transforms == alone.transforms
    assert drawn.copy_logits == alone.copy_logits
    assert [kind for kind, _ in drawn.copy_logits[0]] == list(dict(drawn.view_logits))


def test_a_platform_without_the_face_detector_is_told_so_at_once(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("ml.inference.require_detector", faces.require_detector)
    monkeypatch.setitem(sys.modules, "yuface", None)
    faces._detector.cache_clear()
    with pytest.raises(ArtifactError, match="no build here") as caught:
        of_views(tmp_path)
    faces._detector.cache_clear()
    assert caught.value.code == "artifact_invalid"
    assert predictor(tmp_path).predict([plain(*RED)])[0].reasons == ()


@pytest.mark.parametrize("size", [(4000, 3000), (8000, 6000)])
def test_a_reduced_decode_is_judged_as_the_full_one(tmp_path: Path, size):
    photo = tmp_path / "photo.jpg"
    image = photo_like(1000, 750).resize(size, Image.Resampling.BILINEAR)
    photo.write_bytes(encode(image, "JPEG", quality=85))
    with Decoder() as decoder:
        images = [decoder.decode(photo, min_side=side) for side in (MIN_SIDE, None)]
    assert images[0].pixels.size < images[1].pixels.size / 3
    pictures = [working_picture(Image.fromarray(one.pixels)) for one in images]
    whole = [View("whole", (0, 0, *picture.size)) for picture in pictures]
    rules = replace(VIEWS, size=224)
    reduced, full = (
        render(picture, [view], picture.size, rules).astype(float)
        for picture, view in zip(pictures, whole, strict=True)
    )
    assert np.abs(reduced - full).mean() <= 2
    first, second = of_views(tmp_path).predict(images)
    assert first.verdict is second.verdict
    assert first.logit == pytest.approx(second.logit, abs=0.05)


@pytest.mark.parametrize("drawn", PAPER_CNN_LOGITS)
def test_an_artifact_of_one_view_gives_what_it_always_gave(drawn):
    serving = Predictor.load(shipped()[PAPER_CNN], registered=shipped_hashes())
    prediction = serving.predict([decoded(photo_like(*drawn))])[0]
    assert prediction.logit == pytest.approx(PAPER_CNN_LOGITS[drawn], abs=1e-5)


def test_judging_loads_no_training_library(tmp_path: Path):
    sha256 = write_artifact(tmp_path)
    code = (
        "import sys; from pathlib import Path; from ml.inference import Predictor\n"
        f"Predictor.load(Path({str(tmp_path)!r}), registered={{{sha256!r}}})\n"
        "heavy = {'tensorflow', 'keras', 'tf2onnx', 'onnx', 'matplotlib', 'scipy', 'django'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert 'onnxruntime' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_judging_leaves_nothing_to_report_to_anybody(tmp_path: Path):
    """ONNX Runtime's builds report to its maker; they leave an id and a queue for it."""
    sha256, home = write_artifact(tmp_path / "artifact"), tmp_path / "home"
    home.mkdir()
    code = (
        "from pathlib import Path; from ml.inference import Predictor\n"
        f"Predictor.load(Path({str(tmp_path / 'artifact')!r}), registered={{{sha256!r}}})\n"
    )
    # Elsewhere it would keep silent by itself: in tests, say, of whoever built it.
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    homes = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(home))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=kept | homes)
    assert list(home.rglob("*")) == []


def test_importing_the_door_does_not_load_the_runtime():
    code = "import sys, ml.inference; assert 'onnxruntime' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("two_faces")
def test_cuts_that_count_for_nothing_are_not_judged(tmp_path: Path):
    without = of_views(tmp_path, combination=Combination(cut=0.0).to_json())
    prediction = without.predict([group_photo()])[0]
    assert {kind for kind, _ in prediction.view_logits} == {"whole", "face"}


@pytest.mark.parametrize("limit", [{"max_flatness": 0.9}, {"min_correlation": 2.0}])
def test_a_drawing_or_noise_is_out_of_domain(tmp_path: Path, limit: dict):
    point = replace(POINT, **limit)
    [prediction] = of_views(tmp_path, point=point).predict([plain(*RED, side=64)])
    assert "out_of_domain" in prediction.reasons
