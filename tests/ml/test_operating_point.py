from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.calibration import sigmoid
from ml.datasets.manifest import Sample
from ml.operating_point import ErrorRates, fit_operating_point

RATES = ErrorRates(0.02, 0.10)


def sample(label: int, source: str = "drawn", split: str = "val") -> Sample:
    return Sample(Path("x"), label, source, "", "g", split, "0", "ours")


def drawn(n: int, seed: int = 1) -> tuple[list[Sample], np.ndarray]:
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, n)
    return [sample(int(one)) for one in label], generator.normal(2.0 * label - 1, 1.5)


def test_thresholds_chosen_on_test_rows_are_refused():
    rows, logit = drawn(50)
    rows[7] = replace(rows[7], split="test")
    with pytest.raises(ValueError, match="validation rows alone"):
        fit_operating_point(rows, logit, 128, RATES)


def test_both_rates_hold_on_the_rows_they_were_chosen_on():
    rows, logit = drawn(2000)
    calibrated, point = fit_operating_point(rows, logit, 128, RATES)
    probability = calibrated.probability(logit)
    label = np.array([row.label for row in rows])
    accused = (probability[label == 0] >= point.manipulated_from).mean()
    missed = (probability[label == 1] < point.authentic_below).mean()
    assert 0.015 < accused <= 0.02
    assert 0.095 < missed <= 0.10


def test_ordinary_photographs_keep_the_rate_on_their_own():
    rows, logit = drawn(2000)
    photographs = [sample(0, "photographs")] * 100
    their_logit = np.linspace(2, 4, 100)
    calibrated, point = fit_operating_point(
        rows + photographs, np.concatenate([logit, their_logit]), 128, RATES
    )
    assert (calibrated.probability(their_logit) >= point.manipulated_from).sum() == 2


def test_autoencoder_pictures_move_nothing():
    rows, logit = drawn(500)
    apart = [sample(1, "autoencoder")] * 100
    with_them = fit_operating_point(
        rows + apart, np.concatenate([logit, np.full(100, -9.0)]), 128, RATES
    )
    assert with_them == fit_operating_point(rows, logit, 128, RATES)


def test_a_perfect_network_needs_no_band():
    rows, _ = drawn(400)
    logit = np.array([8.0 if row.label else -8.0 for row in rows])
    _, point = fit_operating_point(rows, logit, 128, RATES)
    assert point.authentic_below == point.manipulated_from
    assert sigmoid(np.array([-8.0]))[0] < point.manipulated_from < sigmoid(np.array([8.0]))[0]
