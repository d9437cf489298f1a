from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.datasets.manifest import Sample, read_manifest
from ml.decision import Verdict
from ml.evaluation import (
    DEGRADATIONS,
    POOLED,
    Judged,
    degraded_report,
    judge,
    measured_limits,
    score_report,
    verdict_report,
)
from ml.inference import Prediction
from tests.images import encode
from tests.ml.tiny import predictor, write_manifest

AUTHENTIC, MANIPULATED, UNSURE = (
    Verdict.LIKELY_AUTHENTIC,
    Verdict.LIKELY_MANIPULATED,
    Verdict.INCONCLUSIVE,
)


def sample(label: int, source: str = "drawn") -> Sample:
    return Sample(Path("x"), label, source, "", "g", "test", "0", "ours")


def judged(label: int, verdict: Verdict, score: float = 0.5, source: str = "drawn", reasons=()):
    empty = np.zeros((0, 0), np.float32)
    prediction = Prediction(0.0, score, score, verdict, reasons, empty, (), {}, {})
    return Judged(sample(label, source), prediction)


def test_it_counts_who_is_accused_cleared_caught_and_missed():
    report = verdict_report(
        [
            *[judged(0, MANIPULATED)] * 1,
            *[judged(0, AUTHENTIC)] * 6,
            *[judged(0, UNSURE)] * 3,
            *[judged(1, MANIPULATED)] * 5,
            *[judged(1, AUTHENTIC)] * 2,
            *[judged(1, UNSURE, reasons=("unstable",))] * 3,
        ]
    )[POOLED]
    assert report["false_accusations"]["value"] == 0.1
    assert report["reals_cleared"]["value"] == 0.6
    assert report["fakes_caught"]["value"] == 0.5
    assert report["fakes_missed"]["value"] == 0.2
    assert report["coverage"]["value"] == 0.7
    assert report["decided_accuracy"]["value"] == pytest.approx(11 / 14, abs=1e-4)
    assert report["vetoes"] == {"unstable": 3}


def test_every_figure_comes_with_n_and_an_interval():
    report = verdict_report([judged(0, MANIPULATED), *[judged(0, AUTHENTIC)] * 9])[POOLED]
    accused = report["false_accusations"]
    assert (accused["n"], accused["value"]) == (10, 0.1)
    assert accused["low"] < 0.1 < accused["high"]


def test_autoencoder_pictures_are_reported_apart():
    report = verdict_report([judged(0, AUTHENTIC), judged(1, AUTHENTIC, source="autoencoder")])
    assert report[POOLED]["n"] == 1
    assert report["autoencoder"]["n"] == 1


def test_a_source_of_one_class_has_no_auc():
    report = verdict_report([judged(0, AUTHENTIC), judged(0, UNSURE)])[POOLED]
    assert report["auc"]["value"] is None
    assert report["fakes_caught"]["value"] is None


def test_verdicts_that_damage_moves_are_counted():
    before = [judged(0, AUTHENTIC)] * 4 + [judged(1, MANIPULATED), judged(1, UNSURE)]
    after = [
        *[judged(0, AUTHENTIC)] * 2,
        judged(0, UNSURE),
        judged(0, MANIPULATED),
        judged(1, AUTHENTIC),
        judged(1, MANIPULATED),
    ]
    report = degraded_report(before, after)
    assert (report["verdicts_reversed"]["value"], report["verdicts_reversed"]["n"]) == (0.4, 5)
    assert report["verdicts_withdrawn"]["value"] == 0.2


def test_a_source_it_cannot_judge_becomes_a_limit_in_words():
    blind = [judged(n % 2, UNSURE, score=0.5, source="swaps") for n in range(20)]
    able = [judged(n % 2, UNSURE, score=n % 2, source="portraits") for n in range(20)]
    [sentence] = measured_limits(verdict_report([*blind, *able]))
    assert "swaps" in sentence
    assert "portraits" not in sentence
    assert measured_limits(verdict_report(able)) == []


def test_the_plain_classifier_is_cut_at_half():
    report = score_report([sample(1), sample(1), sample(0)], np.array([0.9, 0.4, 0.1]))
    assert report[POOLED]["confusion"] == {
        "true_positive": 1,
        "false_positive": 0,
        "true_negative": 1,
        "false_negative": 1,
    }


def test_files_are_judged_as_when_serving_and_damage_is_applied_first(tmp_path: Path):
    (tmp_path / "red.png").write_bytes(encode(Image.new("RGB", (40, 40), (255, 0, 0)), "PNG"))
    row = {"path": "red.png", "label": "fake", "split": "test"}
    samples = read_manifest(write_manifest(tmp_path, [row])).samples
    serving = predictor(tmp_path / "artifact")
    [one] = judge(serving, samples, lambda done, total: None)
    assert one.prediction.verdict is MANIPULATED
    blue = Image.new("RGB", (40, 40), (0, 0, 255))
    [damaged] = judge(serving, samples, lambda done, total: None, lambda image: blue)
    assert damaged.prediction.verdict is AUTHENTIC


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_degradation_gives_a_picture(name: str):
    assert DEGRADATIONS[name](Image.new("RGB", (40, 40))).mode == "RGB"
