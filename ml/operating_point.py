"""Calibration and the pair of cuts, from validation data alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml import calibration, thresholds
from ml.calibration import Calibration
from ml.datasets.manifest import Sample
from ml.decision import OperatingPoint
from ml.evaluation import APART

# The rate of false accusations must hold for these on their own, and not only in the pool.
HELD_APART = ("photographs",)

# Names from `ml.stability.TRANSFORMS`. Among 489 decided validation images of `paper_cnn`, scale_75
# alone unsettled 10 and jpeg_85 alone 3; webp_85 alone unsettled 1, for 40 % of a judgement's cost.
STABILITY_TRANSFORMS = ("jpeg_85", "scale_75")


@dataclass(frozen=True)
class ErrorRates:
    """The shares of validation images that the two cuts may get wrong."""

    max_false_accusation_rate: float
    max_missed_fake_rate: float


def fit_operating_point(
    rows: Sequence[Sample],
    logit: np.ndarray,
    input_size: int,
    rates: ErrorRates,
) -> tuple[Calibration, OperatingPoint]:
    """Calibration and the two cuts from validation rows alone.

    Args:
        logit: network outputs of the rows, shape (n,).
    Raises:
        ValueError: a row of another split is among them.
    """
    if any(sample.split != "val" for sample in rows):
        raise ValueError("thresholds may be chosen on validation rows alone")
    label = np.array([sample.label for sample in rows])
    source = np.array([sample.source for sample in rows])
    pool = ~np.isin(source, list(APART))
    calibrated = calibration.fit(logit[pool], label[pool])
    probability = calibrated.probability(logit)
    reals = [probability[pool & (label == 0)]]
    reals += [probability[source == name] for name in HELD_APART if (source == name).any()]
    low, high = thresholds.ordered(
        thresholds.authentic_below(probability[pool & (label == 1)], rates.max_missed_fake_rate),
        thresholds.manipulated_from(reals, rates.max_false_accusation_rate),
    )
    return calibrated, OperatingPoint(
        authentic_below=low,
        manipulated_from=high,
        max_false_accusation_rate=rates.max_false_accusation_rate,
        max_missed_fake_rate=rates.max_missed_fake_rate,
        min_side_px=input_size,
        stability_transforms=STABILITY_TRANSFORMS,
    )
