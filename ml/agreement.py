"""How far two people agree beyond chance."""

from collections.abc import Hashable, Sequence
from math import nan

import numpy as np

from ml.metrics import Estimate

ROUNDS = 2000


def cohens_kappa(pairs: Sequence[tuple[Hashable, Hashable]], *, seed: int = 0) -> Estimate:
    """Agreement of first and second opinions, 1 is perfect and 0 what chance alone would give.

    NaN where it is not defined: without pairs, or where all opinions are one and the same. The 95 %
    interval is that of 2,000 resamples of the pairs; those in which it is not defined are left out.

    Source: Cohen, Educational and Psychological Measurement 20, 1960; Efron, The Annals of
    Statistics 7, 1979.
    """
    n = len(pairs)
    if n == 0:
        return Estimate(nan, nan, nan, 0)
    table = _table(pairs)
    value = float(_kappa(table[np.newaxis])[0])
    # Resampling pairs is drawing how often each cell of their table comes.
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=ROUNDS)
    found = _kappa(drawn.reshape(ROUNDS, *table.shape))
    known = found[~np.isnan(found)]
    if np.isnan(value) or not known.size:
        return Estimate(value, nan, nan, n)
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n)


def _table(pairs: Sequence[tuple[Hashable, Hashable]]) -> np.ndarray:
    """How often each opinion came with each, shape (opinions, opinions)."""
    said = sorted({one for pair in pairs for one in pair}, key=str)
    table = np.zeros((len(said), len(said)), int)
    for first, second in pairs:
        table[said.index(first), said.index(second)] += 1
    return table


def _kappa(tables: np.ndarray) -> np.ndarray:
    """Of each table, shape (n, opinions, opinions)."""
    total = tables.sum(axis=(1, 2))
    seen = np.trace(tables, axis1=1, axis2=2) / total
    by_chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(by_chance < 1, (seen - by_chance) / (1 - by_chance), nan)
