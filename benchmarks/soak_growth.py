"""Whether something grows with the work done, from samples of processes that come and go."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

BLOCKS = 20


@dataclass(frozen=True)
class Slope:
    """A fitted line: units for each 100 of x, with its interval of 95 %."""

    per_100: float
    low: float
    high: float


def slope(x: Sequence[float], y: Sequence[float], *, blocks: int = BLOCKS) -> Slope | None:
    """Fit a line through the means of so many blocks of consecutive samples.

    Samples seconds apart are no independent evidence: memory that is taken is kept. An interval
    from all of them would be far too narrow; one from block means is nearer the truth, not exact.

    Returns:
        None where there are fewer than two samples a block, or x does not move.
    """
    if len(x) < 2 * blocks or x[0] == x[-1]:
        return None
    xs, ys = (
        np.array([part.mean() for part in np.array_split(np.asarray(some, float), blocks)])
        for some in (x, y)
    )
    if not np.ptp(ys):  # nothing to fit, and the library would answer with no number
        return Slope(0.0, 0.0, 0.0)
    fit = stats.linregress(xs, ys)
    reach = stats.t.ppf(0.975, blocks - 2) * fit.stderr
    return Slope(100 * fit.slope, 100 * (fit.slope - reach), 100 * (fit.slope + reach))


@dataclass
class Generation:
    """One process from its first to its last sample; what replaces it is another generation.

    Attributes:
        done: detections that had ended at each sample.
        values: by name, such as `rss`; one of each at each sample.
    """

    role: str
    started: float
    done: list[int] = field(default_factory=list)
    values: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def warm(self, warm_up: int) -> "Generation":
        """The same without the samples of its first so many detections."""
        at = int(np.searchsorted(self.done, self.done[0] + warm_up))
        rest = defaultdict(list, {name: some[at:] for name, some in self.values.items()})
        return Generation(self.role, self.started, self.done[at:], rest)

    def slope(self, name: str) -> Slope | None:
        return slope(self.done, self.values[name]) if self.done else None

    def gained(self, name: str) -> float:
        """How far the median of the last quarter lies above that of the first."""
        some = self.values[name]
        quarter = max(1, len(some) // 4)
        return float(np.median(some[-quarter:]) - np.median(some[:quarter]))

    def near(self, done: int, name: str) -> float:
        """The value at the sample nearest to so many detections."""
        return self.values[name][int(np.argmin(np.abs(np.asarray(self.done) - done)))]


def generations(samples: Iterable[Mapping[str, Any]]) -> list[Generation]:
    """One for each process that was ever seen, in the order they were."""
    found: dict[tuple[int, float], Generation] = {}
    for sample in samples:
        for one in sample["processes"]:
            key = (one["pid"], one["started"])
            generation = found.setdefault(key, Generation(one["role"], one["started"]))
            generation.done.append(sample["done"])
            for name in ("rss", "uss", "fds", "threads"):
                generation.values[name].append(one[name])
    return list(found.values())
