"""How far a picture lies from those a network learnt from, by the mean of its last features."""

from dataclasses import dataclass

import numpy as np

COMPONENTS = 64


@dataclass(frozen=True)
class Domain:
    """Where the training images lie among the features.

    The squared distance is the mean square of the first whitened components plus the square of
    what they leave over, each in units of its mean over the training images: 2 on average.
    Source: Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples,
    NeurIPS 2018, with one Gaussian; the rest as in probabilistic principal components (Tipping
    and Bishop, 1999).

    Attributes:
        mean: shape (d,).
        directions: orthonormal, shape (d, k).
        variance: along each of them, shape (k,).
        rest: mean square of what they leave over.
    """

    mean: np.ndarray
    directions: np.ndarray
    variance: np.ndarray
    rest: float

    def distance(self, embedding: np.ndarray) -> np.ndarray:
        """Distance of features of shape (n, d), shape (n,)."""
        centred = embedding - self.mean
        along = centred @ self.directions
        left_over = (centred**2).sum(axis=1) - (along**2).sum(axis=1)
        squared = (along**2 / self.variance).mean(axis=1) + left_over / self.rest
        return np.sqrt(np.maximum(squared, 0))


def fit(embedding: np.ndarray, components: int = COMPONENTS) -> Domain:
    """Fit to features of training images.

    Args:
        embedding: shape (n, d), more rows than components.
    Raises:
        ValueError: too few rows.
    """
    n, d = embedding.shape
    k = min(components, d - 1)
    if n <= k:
        raise ValueError(f"{k} components need more than {n} images")
    mean = embedding.mean(axis=0, dtype=np.float64)
    centred = embedding.astype(np.float64) - mean
    variance, directions = np.linalg.eigh(centred.T @ centred / (n - 1))
    top = slice(d - k, d)
    return Domain(
        mean=mean.astype(np.float32),
        directions=directions[:, top].astype(np.float32),
        variance=np.maximum(variance[top], 1e-12).astype(np.float32),
        rest=float(max(variance[: d - k].sum(), 1e-12)),
    )
