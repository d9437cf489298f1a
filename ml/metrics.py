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


def recall_at(label: np.ndarray, score: np.ndarray, false_positive_rate: float) -> Estimate:
    """Share of the fakes above the lowest cut that at most that share of the reals reach.

    The interval is Wilson's over the fakes and takes the cut as given.
    """
    _check(label, score)
    fakes, reals = score[label == 1], np.sort(score[label == 0])[::-1]
    if not fakes.size or not reals.size:
        return Estimate(nan, nan, nan, 0)
    cut = reals[int(np.floor(false_positive_rate * reals.size))]
    return rate(int((fakes > cut).sum()), fakes.size)


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


def debiased_calibration_error(
    probability: np.ndarray, label: np.ndarray, *, bins: int = 15
) -> float:
    """Root mean square gap over bins of equal size, less what chance alone would add; 0 is perfect.

    Args:
        probability, label: as `calibration_error`.
        bins: each with the same number of images.
    Raises:
        ValueError: as `calibration_error`, or fewer than two images a bin.
    Source: Kumar, Liang and Ma, Verified Uncertainty Calibration, NeurIPS 2019, definition 4.1.
    """
    _check(label, probability)
    if label.size < 2 * bins:
        raise ValueError(f"{bins} bins need {2 * bins} images, got {label.size}")
    total = 0.0
    for part in np.array_split(np.argsort(probability, kind="stable"), bins):
        share = float(label[part].mean())
        gap = float(probability[part].mean()) - share
        total += part.size * (gap**2 - share * (1 - share) / (part.size - 1))
    return sqrt(max(0.0, total / label.size))


def calibration_floor(
    probability: np.ndarray, *, bins: int = 15, draws: int = 200, seed: int = 1
) -> float:
    """The debiased error that 95 of 100 perfectly calibrated detectors stay below.

    Labels are drawn from the probabilities themselves, so nothing but chance is left over.
    """
    generator = np.random.default_rng(seed)
    drawn = (generator.random((draws, probability.size)) < probability).astype(int)
    errors = [debiased_calibration_error(probability, label, bins=bins) for label in drawn]
    return float(np.quantile(errors, 0.95))


def reliability(
    probability: np.ndarray, label: np.ndarray, *, bins: int = 10
) -> list[tuple[float, Estimate]]:
    """Mean probability and share of fakes in bins of equal size, lowest first."""
    _check(label, probability)
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, label.size))
    return [
        (float(probability[part].mean()), rate(int(label[part].sum()), part.size)) for part in parts
    ]


def roc(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates of every cut, each rising from 0 to 1."""
    _check(label, score)
    order = np.argsort(-score, kind="stable")
    is_last = np.append(np.diff(score[order]) != 0, True)
    hits, misses = np.cumsum(label[order] == 1)[is_last], np.cumsum(label[order] == 0)[is_last]
    fakes, reals = max(1, int((label == 1).sum())), max(1, int((label == 0).sum()))
    return np.append(0.0, misses / reals), np.append(0.0, hits / fakes)


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
