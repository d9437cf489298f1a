"""Old images among new ones, so that a network that goes on learning does not forget."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.datasets.manifest import Sample


@dataclass(frozen=True)
class Replay:
    """Which images the first weights have learnt from, and how much of an epoch they get.

    Attributes:
        share: of what an epoch shows, in (0, 1).
        learnt: SHA-256 of the files that were learnt from before.
    """

    share: float
    learnt: frozenset[str]

    def is_old(self, sample: Sample) -> bool:
        return sample.sha256 in self.learnt

    def one_epoch(self, samples: Sequence[Sample], generator: np.random.Generator) -> np.ndarray:
        """Which rows one epoch shows, shuffled: every new one, and old ones in their share.

        Where there are too few old ones they come more than once; without new ones, all once.
        """
        old = np.flatnonzero([self.is_old(row) for row in samples])
        new = np.flatnonzero([not self.is_old(row) for row in samples])
        if not old.size or not new.size:
            return generator.permutation(len(samples))
        wanted = max(1, round(new.size * self.share / (1 - self.share)))
        whole, rest = divmod(wanted, old.size)
        drawn = [*[old] * whole, generator.choice(old, rest, replace=False)]
        return generator.permutation(np.concatenate([new, *drawn]))

    def described(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """What a run says of it: the share, and how many rows are old and new."""
        n_old = sum(map(self.is_old, samples))
        listed = "\n".join(sorted(self.learnt)).encode()
        return {
            "share": self.share,
            "n_old": n_old,
            "n_new": len(samples) - n_old,
            "learnt_sha256": hashlib.sha256(listed).hexdigest(),
        }


def read_learnt(path: Path) -> frozenset[str]:
    """A file of SHA-256 in hexadecimal, one a line."""
    return frozenset(path.read_text(encoding="ascii").split())
