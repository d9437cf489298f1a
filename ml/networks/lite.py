"""EfficientNet-Lite0, from its ImageNet weights: 3.4 million parameters."""

import keras

from ml.networks import efficientnet
from ml.networks.efficientnet import Plan, with_evidence
from ml.networks.imagenet import LITE0

__all__ = ["EDGES", "LIMITS", "PLAN", "VIEWS", "build", "with_evidence"]

# Shown beside verdicts: what this network cannot do, whatever it was trained on. `{side}` is the
# side of a view, which the run decides.
LIMITS = (
    "It learnt from a few kinds of generators, face swaps and retouching; on kinds it never saw it "
    "can be wrong without knowing it.",
    "It sees the picture at {side} pixels a view: the whole and each face. Small retouches away "
    "from faces can be gone before it looks.",
    "Strong compression, small sizes and screenshots erase the traces it looks for.",
)

# What of a picture is judged: see `ml.views`.
# Cuts at full size got no weight from validation; see docs/experiments.md.
VIEWS = ("whole", "face")

PLAN = Plan(
    blocks=(
        (1, 16, 1, 3, 1),
        (2, 24, 6, 3, 2),
        (2, 40, 6, 5, 2),
        (3, 80, 6, 3, 2),
        (3, 112, 6, 5, 1),
        (4, 192, 6, 5, 2),
        (1, 320, 6, 3, 1),
    ),
    weights=LITE0,
    dropout=0.2,
)
# Nearly half of a training step goes into these few filters; patterns of their layers' names.
EDGES = ("stem*", "block[0-2]_*")


def build(size: int | None) -> keras.Model:
    """See `ml.networks.efficientnet.build`."""
    return efficientnet.build(PLAN, size, "lite")
