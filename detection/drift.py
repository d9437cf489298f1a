"""Whether figures of one time differ from those of another by more than chance: pure arithmetic.

Counts in, numbers out; no database, no words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt

from ml.metrics import Estimate, rate

Share = Estimate  # with its 95 % interval

SCORE_BINS = 100  # of the probability, equally wide
MOST_GROUPS = 10  # of the reference, about equally full
# One-sided 99.95 %: rules are asked every day, and false alarms teach people to look away.
Z_ALARM = 3.2905


@dataclass(frozen=True)
class Stability:
    """A population stability index, and what chance alone would rarely exceed.

    Attributes:
        index: 0 for equal distributions.
        by_chance: exceeded once in 2,000 times by two samples of these sizes from one population.
        n, n_reference: what was compared.
    """

    index: float
    by_chance: float
    n: int
    n_reference: int


def stability(now: Mapping[int, int], reference: Mapping[int, int]) -> Stability:
    """How far the scores of one time lie from those of another, as a population stability index.

    Sum over groups of (p − q) · ln(p / q), with half a score added to each group so that an empty
    one does not make it infinite. Groups are neighbouring bins of the score, about equally full in
    the reference. Under one population the index times n·m / (n + m) follows a chi-squared
    distribution with one degree of freedom less than there are groups.

    Args:
        now, reference: scores by bin, of `SCORE_BINS`; neither empty.
    Raises:
        ValueError: one of the two is empty.
    Source: Siddiqi, Credit Risk Scorecards, Wiley 2006, with 0.1 and 0.2 as usual bounds; for what
        chance does: Yurdakul and Naranjo, Journal of Risk Model Validation 14 (4), 2020.
    """
    n, m = sum(now.values()), sum(reference.values())
    if not (n and m):
        raise ValueError(f"nothing to compare: {n} scores now, {m} in the reference")
    groups = _groups(reference)
    p = _shares([sum(now.get(at, 0) for at in group) for group in groups])
    q = _shares([sum(reference.get(at, 0) for at in group) for group in groups])
    index = sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True))
    by_chance = _chi_squared(len(groups) - 1) * (1 / n + 1 / m) if len(groups) > 1 else 0.0
    return Stability(index, by_chance, n, m)


def rise(count: int, n: int, count_before: int, n_before: int) -> float:
    """By how much a share has risen at least: the lower end of the difference's interval.

    Args:
        count, n: now.
        count_before, n_before: in the reference.
    Returns:
        negative where it may as well have fallen; one-sided 99.95 %.
    Raises:
        ValueError: n or n_before is 0.
    Source: Newcombe, Statistics in Medicine 17, 1998, method 10: both shares with Wilson's
        intervals.
    """
    share, share_before = count / n, count_before / n_before
    lowest, _ = wilson(count, n)
    _, highest_before = wilson(count_before, n_before)
    margin = sqrt((share - lowest) ** 2 + (highest_before - share_before) ** 2)
    return share - share_before - margin


def wilson(count: int, n: int, z: float = Z_ALARM) -> tuple[float, float]:
    """Wilson's interval of a share, by default wide enough to be acted on.

    Raises:
        ValueError: n is 0.
    """
    if not n:
        raise ValueError("a share of nothing has no interval")
    share, spread = count / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def share_of(count: int, n: int) -> Share | None:
    """A share with its 95 % interval, as pages state it; None of nothing."""
    return rate(count, n) if n else None


def _groups(reference: Mapping[int, int]) -> list[range]:
    """Neighbouring bins together, each group about as full as the others."""
    wanted = sum(reference.values()) / MOST_GROUPS
    groups: list[range] = []
    start = held = 0
    for at in range(SCORE_BINS):
        held += reference.get(at, 0)
        if held >= wanted and len(groups) < MOST_GROUPS - 1:
            groups.append(range(start, at + 1))
            start, held = at + 1, 0
    if start < SCORE_BINS:
        groups.append(range(start, SCORE_BINS))
    return groups


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + len(counts) / 2
    return [(count + 0.5) / total for count in counts]


def _chi_squared(degrees: int) -> float:
    """What a chi-squared variable exceeds once in 2,000 times.

    Source: Wilson and Hilferty, PNAS 17, 1931.
    """
    narrow = 2 / (9 * degrees)
    return degrees * (1 - narrow + Z_ALARM * sqrt(narrow)) ** 3
