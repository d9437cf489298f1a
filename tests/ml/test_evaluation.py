from pathlib import Path

import numpy as np
import pytest

from ml.calibration import sigmoid
from ml.datasets.manifest import Sample
from ml.decision import Verdict
from ml.evaluation import (
    CALIBRATION_BINS,
    POOLED,
    copies_report,
    measured_limits,
    method_report,
    moved_report,
    score_report,
    verdict_report,
)
from ml.inference import Prediction
from ml.judging import Judged

AUTHENTIC, MANIPULATED, UNSURE = (
    Verdict.LIKELY_AUTHENTIC,
    Verdict.LIKELY_MANIPULATED,
    Verdict.INCONCLUSIVE,
)


def sample(label: int, source: str = "drawn", method: str = "") -> Sample:
    return Sample(Path("x"), label, source, method, "g", "test", "0", "ours")


def judged(
    label: int,
    verdict: Verdict,
    score: float = 0.5,
    source: str = "drawn",
    reasons=(),
    method: str = "",
):
    empty = np.zeros((0, 0), np.float32)
    prediction = Prediction(0.0, score, score, verdict, reasons, empty, (), {}, {})
    return Judged(sample(label, source, method), prediction)


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


BEFORE = [judged(0, AUTHENTIC)] * 4 + [judged(1, MANIPULATED), judged(1, UNSURE)]
AFTER = [
    *[judged(0, AUTHENTIC)] * 2,
    judged(0, UNSURE),
    judged(0, MANIPULATED),
    judged(1, AUTHENTIC),
    judged(1, MANIPULATED),
]


def test_verdicts_that_an_alteration_moves_are_counted():
    report = moved_report(BEFORE, AFTER)
    assert (report["verdicts_reversed"]["value"], report["verdicts_reversed"]["n"]) == (0.4, 5)
    assert report["verdicts_withdrawn"]["value"] == 0.2
    assert report["verdicts_changed"]["value"] == pytest.approx(4 / 6, abs=1e-4)
    assert report["coverage_kept"] == 1.0


def test_what_gave_no_verdict_has_no_coverage_to_keep():
    assert moved_report([judged(0, UNSURE)], [judged(0, AUTHENTIC)])["coverage_kept"] is None


def test_any_copy_counts_against_its_picture_once():
    report = copies_report({"clean": BEFORE, "worse": AFTER, "same": BEFORE})
    assert (report["any_reversed"]["value"], report["any_reversed"]["n"]) == (0.3333, 6)
    assert report["any_changed"]["value"] == pytest.approx(4 / 6, abs=1e-4)
    assert report["coverage_kept"] == 1.0


def test_autoencoder_pictures_move_nothing():
    apart = [judged(1, MANIPULATED, source="autoencoder")]
    moved = [judged(1, AUTHENTIC, source="autoencoder")]
    assert moved_report([*BEFORE, *apart], [*AFTER, *moved]) == moved_report(BEFORE, AFTER)
    cells = {"clean": [*BEFORE, *apart], "worse": [*AFTER, *moved]}
    assert copies_report(cells) == copies_report({"clean": BEFORE, "worse": AFTER})


def test_each_method_stands_beside_all_reals_of_its_source():
    report = method_report(
        [
            *[judged(0, AUTHENTIC, 0.1)] * 3,
            *[judged(1, MANIPULATED, 0.9, method="splice of 3.jpg")] * 2,
            judged(1, AUTHENTIC, 0.2, method="copy-move"),
            judged(1, MANIPULATED, 0.9),
            judged(0, MANIPULATED, 0.9, source="elsewhere", method="camera"),
        ]
    )
    assert set(report) == {"drawn: splice", "drawn: copy-move", "drawn: not stated"}
    spliced = report["drawn: splice"]
    assert (spliced["n"], spliced["n_fake"], spliced["auc"]["value"]) == (5, 2, 1.0)


def test_calibration_is_measured_where_there_are_enough_pictures_for_it():
    generator = np.random.default_rng(4)
    score = sigmoid(generator.normal(0, 2, 2 * CALIBRATION_BINS))
    found = [judged(int(generator.random() < s), UNSURE, float(s)) for s in score]
    enough, few = verdict_report(found)[POOLED], verdict_report(found[1:])[POOLED]
    assert 0 <= enough["debiased_calibration_error"] <= 1
    assert enough["calibration_floor"] > 0
    assert "debiased_calibration_error" not in few
    assert few["calibration_error"] >= 0


def test_recall_is_told_at_five_per_cent_of_the_reals():
    reals = [judged(0, UNSURE, at / 100) for at in range(100)]
    fakes = [judged(1, UNSURE, score) for score in (0.5, 0.945, 0.96, 0.99)]
    assert verdict_report([*reals, *fakes])[POOLED]["recall_at_5"]["value"] == 0.75


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
