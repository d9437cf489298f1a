"""From a network's logit to a probability that holds: fitted on validation data alone."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

MAX_ITERATIONS = 100
TOLERANCE = 1e-10


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit)) without overflow."""
    positive = 1.0 / (1.0 + np.exp(-np.abs(logit)))
    return np.where(logit >= 0, positive, 1.0 - positive)


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: P(fake) = sigmoid(slope * logit + intercept).

    Attributes:
        fake_share: share of fakes in the data it was fitted on; the probability presumes it.
        n: number of those images.
    """

    slope: float
    intercept: float
    fake_share: float
    n: int

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def probability(self, logit: np.ndarray) -> np.ndarray:
        return sigmoid(self.slope * np.asarray(logit, dtype=np.float64) + self.intercept)


def fit(logit: np.ndarray, label: np.ndarray) -> Calibration:
    """Platt scaling by Newton's method, with Platt's smoothed labels against overconfidence.

    Args:
        logit: network outputs, shape (n,).
        label: 1 = fake, 0 = real, shape (n,).
    Raises:
        ValueError: unequal shapes, or one class is missing.
    Source: Platt, Advances in Large Margin Classifiers, 1999; Lin, Lin and Weng, 2007.
    """
    fakes, reals = int((label == 1).sum()), int((label == 0).sum())
    if logit.shape != label.shape or not fakes or not reals:
        raise ValueError(f"need both classes and equal shapes, got {fakes} fakes, {reals} reals")
    wanted = np.where(label == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    design = np.stack([logit.astype(np.float64), np.ones(logit.shape)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(MAX_ITERATIONS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - wanted)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step * min(1.0, 1.0 / max(1e-12, float(np.abs(step).max())))
        if float(np.abs(step).max()) < TOLERANCE:
            break
    return Calibration(float(weights[0]), float(weights[1]), fakes / label.size, label.size)
