"""The pair of cuts on P(fake), chosen on validation data for stated error rates."""

from collections.abc import Sequence

import numpy as np


def manipulated_from(reals: Sequence[np.ndarray], max_false_accusation_rate: float) -> float:
    """The lowest cut at which no set of reals has more than that share called manipulated.

    Args:
        reals: P(fake) of real images, one array per set that must keep the rate on its own.
        max_false_accusation_rate: share of each set allowed at or above the cut.
    Returns:
        A cut just above a probability that was seen; above 1 where even 1.0 accuses too many.
    """
    return max(_cut_above(probability, max_false_accusation_rate) for probability in reals)


def authentic_below(fakes: np.ndarray, max_missed_fake_rate: float) -> float:
    """The highest cut under which no more than that share of the fakes lies.

    Args:
        fakes: P(fake) of fake images, shape (n,).
    """
    return float(np.sort(fakes)[_allowed(fakes, max_missed_fake_rate)])


def ordered(low: float, high: float) -> tuple[float, float]:
    """Both cuts in order: where they cross, both rates hold without any band between them.

    The lower cut comes down to the upper one, which only lowers the share of missed fakes.
    """
    return min(low, high), high


def _cut_above(probability: np.ndarray, rate: float) -> float:
    highest_first = np.sort(probability)[::-1]
    return float(np.nextafter(highest_first[_allowed(probability, rate)], np.inf))


def _allowed(probability: np.ndarray, rate: float) -> int:
    if not probability.size or not 0 <= rate < 1:
        raise ValueError(f"need images and a rate in [0, 1), got {probability.size} and {rate}")
    return int(np.floor(rate * probability.size))
