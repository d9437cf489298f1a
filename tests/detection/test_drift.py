"""Whether figures differ by more than chance: known values, and how often chance is believed."""

import numpy as np
import pytest

from detection.drift import SCORE_BINS, rise, share_of, stability, wilson


def binned(scores: np.ndarray) -> dict[int, int]:
    at, n = np.unique(np.minimum((scores * SCORE_BINS).astype(int), 99), return_counts=True)
    return dict(zip(at.tolist(), n.tolist(), strict=True))


def test_equal_distributions_have_no_index():
    scores = dict.fromkeys(range(100), 10)
    assert stability(scores, dict.fromkeys(range(100), 100)).index == pytest.approx(0, abs=1e-3)


def test_the_index_is_that_of_the_textbook():
    """Two groups of 60/40 against 40/60, worked out by hand: 2 · 0.2 · ln 1.5."""
    now, before = {0: 60_000, 99: 40_000}, {0: 40_000, 99: 60_000}
    assert stability(now, before).index == pytest.approx(0.4 * np.log(1.5), rel=1e-3)


def test_a_group_that_is_empty_now_is_no_infinity():
    assert 1 < stability({0: 300}, dict.fromkeys(range(100), 30)).index < 10


def test_nothing_cannot_be_compared():
    with pytest.raises(ValueError, match="nothing to compare"):
        stability({}, {1: 5})


def test_one_group_alone_is_never_a_shift():
    found = stability({5: 300}, {5: 600})
    assert found.index == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", ["flat", "at both ends"])
def test_chance_alone_rarely_exceeds_what_it_is_said_to(kind):
    """4,000 pairs of samples from one population; 2 are expected beyond the bound."""
    generator = np.random.default_rng(7)
    beyond = 0
    for _ in range(4000):
        if kind == "flat":
            now, before = generator.random(300), generator.random(1500)
        else:
            now, before = generator.beta(0.4, 0.9, 300), generator.beta(0.4, 0.9, 1500)
        found = stability(binned(now), binned(before))
        beyond += found.index > found.by_chance
    assert beyond <= 14


def test_a_rise_is_stated_by_its_least():
    assert 0 < rise(60, 200, 80, 800) < 60 / 200 - 80 / 800
    assert rise(20, 200, 80, 800) < 0
    assert rise(9, 10, 5, 10) < 0  # too few to tell


def test_an_interval_holds_its_share_and_narrows():
    low, high = wilson(3, 10)
    assert low < 0.3 < high
    narrow = wilson(300, 1000)
    assert narrow[1] - narrow[0] < (high - low) / 5
    assert wilson(0, 50)[0] == pytest.approx(0)
    with pytest.raises(ValueError, match="no interval"):
        wilson(0, 0)


def test_a_share_of_nothing_is_none():
    assert share_of(0, 0) is None
    share = share_of(1, 4)
    assert share is not None
    assert share.value == 0.25
