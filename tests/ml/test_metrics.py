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


def test_recall_is_of_the_fakes_above_a_cut_that_so_many_reals_reach():
    score = np.array([*range(100), 50, 94.4, 94.6, 97])
    label = np.array([0] * 100 + [1] * 4)
    for rate, wanted in ((0.0, 0), (0.05, 3 / 4), (0.5, 1)):
        found = metrics.recall_at(label, score, rate)
        assert (found.value, found.n) == (pytest.approx(wanted), 4)


def test_fakes_that_tie_with_the_cut_are_not_found():
    assert metrics.recall_at(np.array([0, 0, 1, 1]), np.full(4, 0.5), 0.5).value == 0


def test_recall_of_one_class_is_not_a_number():
    assert math.isnan(metrics.recall_at(np.ones(3), np.ones(3), 0.05).value)


def drawn(n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that mean what they say, and labels."""
    generator = np.random.default_rng(seed)
    probability = generator.uniform(0, 1, n)
    return probability, (generator.random(n) < probability).astype(int)


def test_the_debiased_error_of_a_calibrated_detector_is_near_zero():
    probability, label = drawn(6000)
    assert metrics.debiased_calibration_error(probability, label) < 0.02


def test_the_debiased_error_of_a_shifted_detector_is_its_shift():
    probability, label = drawn(6000)
    shifted = np.clip(probability + 0.2, 0, 1)
    assert 0.1 < metrics.debiased_calibration_error(shifted, label) < 0.21
    constant = np.full(6000, 0.8)
    half = np.arange(6000) % 2
    assert metrics.debiased_calibration_error(constant, half) == pytest.approx(0.3, abs=0.01)


def test_chance_alone_adds_less_to_it_than_to_the_plain_error():
    debiased = [metrics.debiased_calibration_error(*drawn(60, seed)) ** 2 for seed in range(300)]
    plain = [metrics.calibration_error(*drawn(60, seed)) ** 2 for seed in range(300)]
    assert np.mean(debiased) < 0.5 * np.mean(plain)


def test_the_debiased_error_needs_two_pictures_a_bin():
    with pytest.raises(ValueError, match="15 bins need 30 images, got 29"):
        metrics.debiased_calibration_error(*drawn(29))


def test_ninety_five_of_a_hundred_calibrated_detectors_stay_below_the_floor():
    probability, _ = drawn(150)
    floor = metrics.calibration_floor(probability)
    generator = np.random.default_rng(8)
    labels = (generator.random((300, 150)) < probability).astype(int)
    errors = [metrics.debiased_calibration_error(probability, label) for label in labels]
    assert 0.90 <= np.mean(np.array(errors) <= floor) <= 0.99


def test_the_floor_falls_with_more_pictures_and_is_the_same_again():
    few, many = drawn(60)[0], drawn(3000)[0]
    assert metrics.calibration_floor(few) > metrics.calibration_floor(many)
    assert metrics.calibration_floor(few) == metrics.calibration_floor(few)


def test_reliability_sets_what_was_said_beside_what_was_seen():
    probability = np.array([0.9, 0.1, 0.2, 0.8])
    label = np.array([1, 0, 1, 1])
    (low, below), (high, above) = metrics.reliability(probability, label, bins=2)
    assert (low, below.value, below.n) == (pytest.approx(0.15), 0.5, 2)
    assert (high, above.value, above.n) == (pytest.approx(0.85), 1.0, 2)


def test_reliability_of_few_pictures_has_a_bin_for_each():
    assert len(metrics.reliability(np.array([0.2, 0.4]), np.array([0, 1]))) == 2


def test_the_roc_rises_from_none_to_all():
    generator = np.random.default_rng(7)
    label = generator.integers(0, 2, 200)
    false, true = metrics.roc(label, np.round(generator.normal(label, 1), 1))
    for rates in (false, true):
        assert (rates[0], rates[-1]) == (0.0, 1.0)
        assert (np.diff(rates) >= 0).all()
    assert len(false) == len(true) <= 201


def test_the_area_under_the_roc_is_the_auc():
    generator = np.random.default_rng(7)
    label = generator.integers(0, 2, 200)
    score = np.round(generator.normal(label, 1), 1)
    false, true = metrics.roc(label, score)
    assert np.trapezoid(true, false) == pytest.approx(metrics.auc(label, score).value)


def test_equal_scores_are_one_step_of_the_roc():
    false, true = metrics.roc(np.array([0, 1, 1]), np.full(3, 0.5))
    assert (false.tolist(), true.tolist()) == ([0.0, 1.0], [0.0, 1.0])


@pytest.mark.parametrize("shapes", [((3,), (2,)), ((0,), (0,)), ((2, 1), (2, 1))])
def test_it_refuses_unequal_or_empty_arrays(shapes):
    with pytest.raises(ValueError, match="equal"):
        metrics.auc(np.zeros(shapes[0]), np.zeros(shapes[1]))
