import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml import thresholds

PROBABILITIES = arrays(float, st.integers(1, 60), elements=st.floats(0, 1))
RATES = st.floats(0, 0.5)


@given(PROBABILITIES, PROBABILITIES, RATES)
def test_no_set_of_reals_is_accused_more_often_than_allowed(pool, apart, rate):
    cut = thresholds.manipulated_from([pool, apart], rate)
    assert (pool >= cut).mean() <= rate
    assert (apart >= cut).mean() <= rate


@given(PROBABILITIES, RATES)
def test_a_lower_cut_would_accuse_too_many(reals, rate):
    cut = thresholds.manipulated_from([reals], rate)
    assert (reals >= np.nextafter(cut, -np.inf)).mean() > rate


@given(PROBABILITIES, RATES)
def test_no_more_fakes_are_cleared_than_allowed(fakes, rate):
    assert (fakes < thresholds.authentic_below(fakes, rate)).mean() <= rate


def test_the_stricter_set_decides():
    pool, apart = np.linspace(0, 0.5, 100), np.linspace(0.4, 0.9, 100)
    alone = thresholds.manipulated_from([apart], 0.02)
    assert thresholds.manipulated_from([pool, apart], 0.02) == alone


def test_reals_at_certainty_leave_nobody_to_accuse():
    assert thresholds.manipulated_from([np.ones(10)], 0.02) > 1


def test_cuts_that_cross_meet_at_the_upper_one():
    assert thresholds.ordered(0.9, 0.4) == (0.4, 0.4)
    assert thresholds.ordered(0.1, 0.4) == (0.1, 0.4)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_it_refuses_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match="rate"):
        thresholds.manipulated_from([np.ones(3)], rate)


def test_it_refuses_an_empty_set():
    with pytest.raises(ValueError, match="images"):
        thresholds.authentic_below(np.array([]), 0.1)
