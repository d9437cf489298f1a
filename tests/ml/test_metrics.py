import math

import numpy as np
import pytest

from ml import metrics

LABEL = np.array([1, 1, 1, 0, 0, 0, 0, 0])
CALLED = np.array([1, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
COUNTS = metrics.Confusion(2, 1, 4, 1)


def test_fake_is_the_positive_class():
    assert metrics.confusion(LABEL, CALLED) == COUNTS


def test_rates_match_a_count_by_hand():
    assert metrics.accuracy(COUNTS).value == 6 / 8
    assert metrics.precision(COUNTS).value == 2 / 3
    assert metrics.recall(COUNTS).value == 2 / 3
    assert metrics.f1(COUNTS) == pytest.approx(2 / 3)


def test_what_was_never_counted_is_not_a_number():
    nothing = metrics.Confusion(0, 0, 5, 0)
    assert math.isnan(metrics.precision(nothing).value)
    assert math.isnan(metrics.recall(nothing).value)
    assert math.isnan(metrics.f1(nothing))


def test_wilson_matches_published_values():
    # Newcombe, Statistics in Medicine 17, 1998, table I: 15/148 and 0/20
    fifteen, none = metrics.rate(15, 148), metrics.rate(0, 20)
    assert (round(fifteen.low, 4), round(fifteen.high, 4)) == (0.0624, 0.1605)
    assert (round(none.low, 4), round(none.high, 4)) == (0.0, 0.1611)


def test_auc_counts_pairs_and_halves_ties():
    score = np.array([0.9, 0.5, 0.1, 0.5, 0.4, 0.3, 0.2, 0.0])
    fakes, reals = score[:3], score[3:]
    pairs = [(f > r) + 0.5 * (f == r) for f in fakes for r in reals]
    assert metrics.auc(LABEL, score).value == pytest.approx(np.mean(pairs))


def test_delong_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(5)
    label = np.repeat([0, 1], 80)
    truth = 0.7602  # two unit normals one apart: Phi(1 / sqrt 2)
    hits = 0
    for _ in range(400):
        found = metrics.auc(label, generator.normal(label, 1.0))
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 400 <= 0.98


def test_auc_of_one_class_is_not_a_number():
    assert math.isnan(metrics.auc(np.zeros(3), np.ones(3)).value)


def test_a_perfect_ranking_has_auc_one():
    found = metrics.auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_calibration_error_is_the_gap_between_said_and_seen():
    said = np.full(10, 0.8)
    seen = np.array([1] * 5 + [0] * 5)
    assert metrics.calibration_error(said, seen) == pytest.approx(0.3)


def test_calibration_error_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match="outside"):
        metrics.calibration_error(np.array([1.2]), np.array([1]))


def test_brier_error_is_the_mean_square():
    assert metrics.brier_error(np.array([0.8, 0.1]), np.array([1, 0])) == pytest.approx(0.025)


@pytest.mark.parametrize("shapes", [((3,), (2,)), ((0,), (0,)), ((2, 1), (2, 1))])
def test_it_refuses_unequal_or_empty_arrays(shapes):
    with pytest.raises(ValueError, match="equal"):
        metrics.auc(np.zeros(shapes[0]), np.zeros(shapes[1]))
