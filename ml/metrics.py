"""Figures of a binary detector as pure functions on arrays; fake = 1 is the positive class."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Confusion:
    """Counts of a decision: fakes found and missed, reals accused and cleared."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def n(self) -> int:
        return self.true_positive + self.false_positive + self.true_negative + self.false_negative


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; NaN where there is nothing to count."""

    value: float
    low: float
    high: float
    n: int


def confusion(label: np.ndarray, is_called_fake: np.ndarray) -> Confusion:
    """Count a decision against the labels.

    Args:
        label: 1 = fake, 0 = real, shape (n,).
        is_called_fake: the decision, bool, shape (n,).
    """
    _check(label, is_called_fake)
    fake = label == 1
    return Confusion(
        true_positive=int((fake & is_called_fake).sum()),
        false_positive=int((~fake & is_called_fake).sum()),
        true_negative=int((~fake & ~is_called_fake).sum()),
        false_negative=int((fake & ~is_called_fake).sum()),
    )


def accuracy(counts: Confusion) -> Estimate:
    return rate(counts.true_positive + counts.true_negative, counts.n)


def precision(counts: Confusion) -> Estimate:
    """Share of the images called fake that are."""
    return rate(counts.true_positive, counts.true_positive + counts.false_positive)


def recall(counts: Confusion) -> Estimate:
    """Share of the fakes that are called fake."""
    return rate(counts.true_positive, counts.true_positive + counts.false_negative)


def f1(counts: Confusion) -> float:
    """Harmonic mean of precision and recall; NaN without fakes, called or real."""
    wrong = counts.false_positive + counts.false_negative
    total = 2 * counts.true_positive + wrong
    return 2 * counts.true_positive / total if total else nan


def rate(count: int, n: int) -> Estimate:
    """A share with Wilson's 95 % interval.

    Source: Wilson, Journal of the American Statistical Association 22, 1927.
    """
    if n == 0:
        return Estimate(nan, nan, nan, 0)
    share, square = count / n, Z_95**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z_95 * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def auc(label: np.ndarray, score: np.ndarray) -> Estimate:
    """Chance that a fake scores above a real, ties counting half, with DeLong's 95 % interval.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988.
    """
    _check(label, score)
    fakes, reals = score[label == 1], score[label == 0]
    if not fakes.size or not reals.size:
        return Estimate(nan, nan, nan, label.size)
    of_fakes, of_reals = _share_below(fakes, reals), 1 - _share_below(reals, fakes)
    value = float(of_fakes.mean())
    variance = _variance(of_fakes) / fakes.size + _variance(of_reals) / reals.size
    half = Z_95 * sqrt(variance)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), label.size)


def brier_error(probability: np.ndarray, label: np.ndarray) -> float:
    """Mean squared gap between stated probability and truth; 0 is perfect."""
    _check(label, probability)
    return float(np.mean((probability - label) ** 2))


def calibration_error(probability: np.ndarray, label: np.ndarray, *, bins: int = 15) -> float:
    """Mean gap between stated probability and observed share of fakes; 0 is perfect.

    Args:
        probability: calibrated P(fake), shape (n,), in [0, 1].
        label: 1 = fake, 0 = real, shape (n,).
        bins: equal-width bins over [0, 1]; empty bins weigh nothing.
    Raises:
        ValueError: empty input, unequal shapes, or a probability outside [0, 1].
    Source: Naeini, Cooper and Hauskrecht, AAAI 2015 (binary form).
    """
    _check(label, probability)
    if probability.min() < 0 or probability.max() > 1:
        raise ValueError("a probability lies outside [0, 1]")
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights=probability - label, minlength=bins)
    return float(np.abs(gaps).sum() / label.size)


def _share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, "left")
    not_above = np.searchsorted(ordered, values, "right")
    return (below + not_above) / (2 * others.size)


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if values.size > 1 else 0.0


def _check(label: np.ndarray, other: np.ndarray) -> None:
    if label.shape != other.shape or label.ndim != 1 or not label.size:
        raise ValueError(f"need equal, non-empty shapes (n,), got {label.shape} and {other.shape}")
