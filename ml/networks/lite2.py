"""EfficientNet-Lite2, from its ImageNet weights: 4.8 million parameters.

Wider by a tenth and deeper by a fifth than `ml.networks.lite`; else the same.
"""

import keras

from ml.networks import efficientnet, lite
from ml.networks.efficientnet import Plan, with_evidence
from ml.networks.imagenet import LITE2

__all__ = ["LIMITS", "PLAN", "VIEWS", "build", "with_evidence"]

LIMITS, VIEWS = lite.LIMITS, lite.VIEWS

PLAN = Plan(
    blocks=(
        (1, 16, 1, 3, 1),
        (3, 24, 6, 3, 2),
        (3, 48, 6, 5, 2),
        (4, 88, 6, 3, 2),
        (4, 120, 6, 5, 1),
        (5, 208, 6, 5, 2),
        (1, 352, 6, 3, 1),
    ),
    weights=LITE2,
    dropout=0.3,
)


def build(size: int | None) -> keras.Model:
    """See `ml.networks.efficientnet.build`."""
    return efficientnet.build(PLAN, size, "lite2")
