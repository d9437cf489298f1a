"""Rounding never moves a probability across a cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.figures import figures, percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.5, "50 %"),
        (0.934, "93.4 %"),
        (1.0, "100 %"),
        (0.9999, "over 99.9 %"),
        (0.0001, "under 0.1 %"),
    ],
)
def test_it_states_a_share_in_percent(share: float, text: str) -> None:
    assert percent(share) == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_it_adds_digits_where_rounding_would_cross_a_cut() -> None:
    shown = figures(0.8699, 0.1, 0.87)
    assert (shown.probability, shown.manipulated_from) == (
        "86.99\N{NO-BREAK SPACE}%",
        "87\N{NO-BREAK SPACE}%",
    )


def test_it_knows_cuts_that_nothing_reaches() -> None:
    shown = figures(0.5, 0.0, 1.0000001)
    assert shown.authentic_below is None
    assert shown.manipulated_from is None


def test_it_draws_no_scale_where_nothing_was_scored() -> None:
    assert figures(None, 0.1, 0.9).scale is None


@given(st.floats(0, 1), st.integers(0, 1000), st.integers(0, 1000))
def test_the_shown_number_stands_on_the_side_where_the_true_one_is(
    probability: float, a: int, b: int
) -> None:
    low, high = sorted((a / 1000, b / 1000))
    shown = figures(probability, low, high)
    if shown.probability and shown.manipulated_from and shown.probability[0].isdigit():
        number, cut = (float(t.split()[0]) for t in (shown.probability, shown.manipulated_from))
        close = abs(probability - high) < 1e-6  # beyond the digits anybody would show
        assert close or (number >= cut) == (probability >= high)
