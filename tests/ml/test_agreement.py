"""Cohen's kappa and its interval."""

from math import isnan

import pytest

from ml.agreement import cohens_kappa


def test_it_is_that_of_the_textbook():
    """20 and 15 agreements of 50, 5 and 10 differences: observed 0.7, by chance 0.5."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = cohens_kappa(pairs)
    assert found.value == pytest.approx(0.4)
    assert found.n == 50
    assert 0.1 < found.low < 0.4 < found.high < 0.7


def test_the_interval_shrinks_with_the_pairs():
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    few, many = cohens_kappa(pairs), cohens_kappa(pairs * 20)
    assert many.high - many.low < (few.high - few.low) / 3


def test_those_who_always_agree_and_never():
    assert cohens_kappa([("a", "a"), ("b", "b")]).value == 1
    assert cohens_kappa([("a", "b"), ("b", "a")]).value == -1


def test_the_same_pairs_give_the_same_interval():
    pairs = [("a", "a"), ("b", "a"), ("b", "b"), ("c", "c")] * 3
    assert cohens_kappa(pairs) == cohens_kappa(pairs)


@pytest.mark.parametrize("pairs", [[], [("a", "a")] * 5])
def test_where_nothing_can_be_said_it_says_so(pairs):
    found = cohens_kappa(pairs)
    assert isnan(found.value)
    assert isnan(found.low)
    assert found.n == len(pairs)
