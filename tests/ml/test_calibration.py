import numpy as np
import pytest

from ml.calibration import Calibration, fit, sigmoid
from ml.metrics import calibration_error


def test_it_recovers_the_map_the_data_were_drawn_from():
    generator = np.random.default_rng(3)
    logit = generator.normal(0, 3, 20_000)
    label = (generator.random(20_000) < sigmoid(0.5 * logit - 1)).astype(int)
    fitted = fit(logit, label)
    assert fitted.slope == pytest.approx(0.5, abs=0.02)
    assert fitted.intercept == pytest.approx(-1, abs=0.05)


def test_overconfident_scores_come_out_calibrated():
    generator = np.random.default_rng(4)
    truth = generator.normal(0, 1, 20_000)
    label = (generator.random(20_000) < sigmoid(truth)).astype(int)
    overconfident = truth * 5
    before = calibration_error(sigmoid(overconfident), label)
    after = calibration_error(fit(overconfident, label).probability(overconfident), label)
    assert before > 0.15
    assert after < 0.02


def test_separable_data_give_finite_numbers():
    fitted = fit(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    probability = fitted.probability(np.array([-2.0, 2.0]))
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert probability[0] < 0.5 < probability[1]


def test_a_higher_logit_of_a_useful_network_is_a_higher_probability():
    probability = Calibration(0.7, 0.2, 0.5, 10).probability(np.array([-1.0, 0.0, 3.0]))
    assert (np.diff(probability) > 0).all()


@pytest.mark.parametrize("label", [[0, 0, 0], [1, 1, 1], [0, 1]])
def test_it_needs_both_classes_and_a_label_for_each(label):
    with pytest.raises(ValueError, match="both classes"):
        fit(np.array([0.0, 1.0, 2.0]), np.array(label))


def test_sigmoid_does_not_overflow():
    with np.errstate(over="raise"):
        assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_it_survives_the_sidecar():
    fitted = Calibration(0.7, 0.2, 0.4, 10)
    assert Calibration.from_json(fitted.to_json()) == fitted
