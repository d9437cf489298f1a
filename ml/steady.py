"""Training that asks for one answer about a view and its re-saved copy."""

from pathlib import Path
from typing import Any

import keras
from keras import ops

# Beyond this difference of logits the pull no longer grows: a copy with nothing left to see would
# otherwise outweigh all others.
HUBER_DELTA = 1.0
# Scores nearer to 0 and 1 than this count as this near: their logits would be infinite.
EPSILON = 1e-6


@keras.saving.register_keras_serializable(package="unmask")
class Steady(keras.Model):
    """A network whose batches hold views and then, in the same order, their copies.

    Attributes:
        steadiness: weight of the mean Huber loss of the logits' differences; a saved network
            forgets it.
    """

    steadiness = 0.0

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The compiled loss; in training, with what the copies differ from their views."""
        loss = super().compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
        )
        if not training:
            return loss
        return loss + self.steadiness * difference(y_pred)


def load(path: Path, *, compile: bool = True) -> keras.Model:
    """A saved network of any class of ours: reading this module is what makes them known."""
    return keras.saving.load_model(path, compile=compile)


def difference(score: Any) -> Any:
    """Mean Huber loss between the logits of a batch's first half and its second.

    Args:
        score: P(fake), shape (2 n, 1).
    """
    kept = ops.clip(score, EPSILON, 1 - EPSILON)
    logit = ops.log(kept) - ops.log(1 - kept)
    first, second = ops.split(logit, 2)
    apart = ops.abs(first - second)
    near = ops.minimum(apart, HUBER_DELTA)
    return ops.mean(near * (apart - 0.5 * near))


def steady(model: keras.Model, steadiness: float) -> keras.Model:
    """The same network, of this class where steadiness is asked for."""
    if not steadiness:
        return model
    if not isinstance(model, Steady):
        model = Steady(inputs=model.inputs, outputs=model.outputs, name=model.name)
    model.steadiness = steadiness
    return model
