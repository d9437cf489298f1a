"""The network of the original work, 7.4 million parameters at 128 pixels.

Conv 32 3x3 ReLU, MaxPool 2, Conv 64 3x3 ReLU, MaxPool 2, Flatten, Dense 128 ReLU, Dropout 0.5,
Dense 1 sigmoid. Built from Keras 3 operations alone, so it runs on every backend.
"""

from typing import Any

import keras
from keras import layers, ops

# Shown beside verdicts: what this network cannot do, whatever it was trained on. `{side}` is the
# side of what it sees, which the run decides.
LIMITS = (
    "It sees the whole picture reduced to {side} by {side} pixels: small retouches and the fine "
    "traces of generators are gone before it looks.",
    "It knows the kinds of manipulation it was trained on; on others it is close to guessing.",
    "It ranks pictures by how they look, not by where they come from: a real picture may look "
    "unusual and a false one may look plain.",
)

# What of a picture is judged: see `ml.views`.
VIEWS = ("whole",)


def build(size: int) -> keras.Model:
    """The network for training; gives P(fake), uncalibrated, shape (n, 1)."""
    return keras.Sequential(
        [
            keras.Input((size, size, 3), name="image"),
            layers.Conv2D(32, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Conv2D(64, 3, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(1, name="logit"),
            layers.Activation("sigmoid", name="score"),
        ],
        name="paper_cnn",
    )


def with_evidence(trained: keras.Model, size: int) -> keras.Model:
    """The trained network for export; gives `logit` (n, 1) and `activation` (n, h, w)."""
    evidence = Evidence(trained.get_layer("hidden"), trained.get_layer("logit"), name="evidence")
    logit, activation = evidence(trained.get_layer("pool_2").output)
    return keras.Model(trained.inputs[0], [logit, activation], name="paper_cnn_with_evidence")


class Evidence(layers.Layer):
    """The dense head, and how much each cell of the last feature map moved its logit.

    With cells a[c] (64 numbers in each of h * w cells), hidden units z = sum_c a[c] W[c] + b and
    logit = relu(z) v + d, a unit j is active where z_j > 0, and

        activation[c] = sum over active j of (a[c] W[c])_j v_j

    so that sum_c activation[c] + sum over active j of b_j v_j + d is the logit exactly: each
    cell is credited with what it sent through the active units, in logits.
    """

    def __init__(self, hidden: layers.Dense, logit: layers.Dense, **options: Any) -> None:
        super().__init__(**options)
        self.hidden, self.last = hidden, logit

    def call(self, cells: Any) -> tuple[Any, Any]:
        _, height, width, channels = cells.shape
        units = self.hidden.units
        kernel = ops.reshape(self.hidden.kernel, (height * width, channels, units))
        by_cell = ops.transpose(ops.reshape(cells, (-1, height * width, channels)), (1, 0, 2))
        # One pass over the 7.4 million weights serves both outputs, and the file holds them once.
        contributions = ops.matmul(by_cell, kernel)
        before = ops.sum(contributions, axis=0) + self.hidden.bias
        logit = ops.matmul(ops.relu(before), self.last.kernel) + self.last.bias
        through = ops.cast(before > 0, before.dtype) * self.last.kernel[:, 0]
        activation = ops.transpose(ops.sum(contributions * through, axis=-1))
        return logit, ops.reshape(activation, (-1, height, width))
