import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.decision import Verdict
from ml.errors import ArtifactError
from ml.inference import Predictor
from ml.stability import TRANSFORMS
from tests.ml.tiny import POINT, plain, predictor, red_detector, write_artifact

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 0, 128)


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


def test_importing_the_door_does_not_load_the_runtime():
    code = "import sys, ml.inference; assert 'onnxruntime' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
