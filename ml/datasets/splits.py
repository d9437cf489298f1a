"""Train, validation and test: stratified by label and source, with every group whole."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml.datasets.manifest import SPLITS, Sample

SHARES = (0.8, 0.1, 0.1)


def grouped_split(
    samples: Sequence[Sample], *, seed: int, shares: Sequence[float] = SHARES
) -> list[Sample]:
    """Give every sample a split, as near to the shares as whole groups allow.

    Groups are dealt stratum by stratum (which labels and sources a group holds), each to the
    split that is furthest behind, so a stratum of three groups or more reaches every split.
    The order is drawn from the seed and does not depend on the order of the samples.
    """
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    strata: dict[tuple[tuple[str, int], ...], list[str]] = defaultdict(list)
    for name in sorted(groups):
        strata[tuple(sorted({(s.source, s.label) for s in groups[name]}))].append(name)
    split_of: dict[str, str] = {}
    generator = np.random.default_rng(seed)
    for stratum in sorted(strata):
        names = [strata[stratum][at] for at in generator.permutation(len(strata[stratum]))]
        split_of |= _deal(names, [len(groups[name]) for name in names], shares)
    return [replace(sample, split=split_of[sample.group]) for sample in samples]


def _deal(names: Sequence[str], sizes: Sequence[int], shares: Sequence[float]) -> dict[str, str]:
    total = sum(sizes)
    given = np.zeros(len(shares))
    dealt = {}
    for name, size in zip(names, sizes, strict=True):
        at = _furthest_behind(given, total, shares)
        given[at] += size
        dealt[name] = SPLITS[at]
    return dealt


def _furthest_behind(given: np.ndarray, total: int, shares: Sequence[float]) -> int:
    wanted = np.asarray(shares) * total
    return int(np.argmax((wanted - given) / wanted))


def next_split(given: Sequence[int], size: int, shares: Sequence[float] = SHARES) -> str:
    """The split of one more group, where others of its kind have theirs already.

    Args:
        given: how many of its kind are in `SPLITS`, in their order.
        size: of the group.
    """
    at = _furthest_behind(np.asarray(given, dtype=float), sum(given) + size, shares)
    return SPLITS[at]


def split_by_name(group: str, shares: Sequence[float] = SHARES) -> str:
    """A split that depends on the group's name alone, whatever else is there and comes later.

    The shares hold on average: of n groups, each split gets its share within about sqrt(n) / 2.
    """
    share = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    return SPLITS[int(np.searchsorted(np.cumsum(shares)[:-1], share, side="right"))]
