"""EfficientNet-Lite0 beside a small branch that sees only what resizing leaves behind.

The trunk (`ml.networks.lite`) sees the picture; the branch (0.07 million parameters) sees
x - up(down(x)), the residual that exposes up-sampling (Tan et al., CVPR 2024), through a
receptive field of 29 pixels, so that it judges patches and not scenes. Both end on one grid of
cells, 32 pixels apart. The branch learnt nothing beside a trunk that starts from ImageNet:
docs/experiments.md.
"""

from typing import Any

import keras
from keras import layers

from ml.networks import lite
from ml.networks.efficientnet import convolved, load_imagenet, score, trunk, with_evidence

__all__ = ["LIMITS", "VIEWS", "build", "with_evidence"]

LIMITS = (
    lite.LIMITS[0],
    "It sees the picture at {side} pixels a view: the whole, cuts at full size and each face. "
    "Small retouches away from faces can fall between the views.",
    lite.LIMITS[2],
)
VIEWS = ("whole", "cut", "face")

# channels and strides of the residual branch, 3x3 each; 16 pixels between its cells
BRANCH = ((16, 1), (24, 2), (40, 2), (64, 2))
# the residual of photographs has about an eighth of their spread
RESIDUAL_GAIN = 8.0


def build(size: int | None) -> keras.Model:
    """The network for training; gives P(fake), uncalibrated, shape (n, 1).

    Raises:
        FileNotFoundError: the package with the ImageNet weights is not installed.
    """
    image = keras.Input((size, size, 3), name="image")
    cells = layers.Concatenate(name="cells")([trunk(image, lite.PLAN), _branch(image)])
    model = keras.Model(image, score(cells, lite.PLAN), name="lite_residual")
    load_imagenet(model, lite.PLAN)
    return model


def _branch(image: Any) -> Any:
    averaged = layers.UpSampling2D(2, name="up")(layers.AveragePooling2D(2, name="down")(image))
    x = layers.Rescaling(RESIDUAL_GAIN, name="residual")(layers.Subtract()([image, averaged]))
    for at, (channels, stride) in enumerate(BRANCH):
        x = convolved(x, channels, 3, stride, f"branch{at}")
    return layers.AveragePooling2D(4, name="branch_cells")(x)
