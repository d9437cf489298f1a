"""EfficientNet-Lite, the trunk and the head that gives evidence for each cell of its last grid.

A linear head gives each cell, 32 pixels apart, its evidence, and the logit is their mean: so the
evidence map is the decision itself, not an approximation of it. Any multiple of 32 pixels goes in;
built from Keras 3 operations alone, so it runs on every backend.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from ml.networks.imagenet import WeightsFile, imagenet_weights

STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


@dataclass(frozen=True)
class Plan:
    """What tells one EfficientNet-Lite from another.

    Attributes:
        blocks: repeats, channels out, expansion, kernel and stride of each group of blocks.
        weights: its ImageNet weights.
        dropout: share of channels that the head does without in training.
    """

    blocks: tuple[tuple[int, int, int, int, int], ...]
    weights: WeightsFile
    dropout: float


def build(plan: Plan, size: int | None, name: str) -> keras.Model:
    """The network for training; gives P(fake), uncalibrated, shape (n, 1).

    Raises:
        FileNotFoundError: the package with the ImageNet weights is not installed.
    """
    image = keras.Input((size, size, 3), name="image")
    model = keras.Model(image, score(trunk(image, plan), plan), name=name)
    load_imagenet(model, plan)
    return model


def score(cells: Any, plan: Plan) -> Any:
    """The head: evidence for each cell, its mean as the logit, and that as P(fake)."""
    dropped = layers.SpatialDropout2D(plan.dropout, name="dropout")(cells)
    evidence = layers.Conv2D(1, 1, name="evidence")(dropped)
    logit = layers.GlobalAveragePooling2D(name="logit")(evidence)
    return layers.Activation("sigmoid", name="score")(logit)


def with_evidence(trained: keras.Model, size: int) -> keras.Model:
    """The trained network for export.

    Gives `logit` (n, 1), `activation` (n, h, w), the evidence of each cell, whose mean is the
    logit, and `embedding` (n, d), the cells' mean before the head.
    """
    cells = trained.get_layer("dropout").input
    evidence = trained.get_layer("evidence")(cells)
    outputs = [
        trained.get_layer("logit")(evidence),
        layers.Reshape((size // 32, size // 32), name="activation")(evidence),
        layers.GlobalAveragePooling2D(name="embedding")(cells),
    ]
    inner = keras.Model(trained.inputs[0], outputs)
    image = keras.Input((size, size, 3), name="image")
    return keras.Model(image, inner(image), name=f"{trained.name}_with_evidence")


def trunk(image: Any, plan: Plan) -> Any:
    """Cells (n, h / 32, w / 32, 1280) of a picture (n, h, w, 3)."""
    x = convolved(image, STEM_CHANNELS, 3, 2, "stem")
    for number, block in enumerate(blocks_of(plan)):
        x = _inverted(x, block, f"block{number}")
    return convolved(x, HEAD_CHANNELS, 1, 1, "head")


def blocks_of(plan: Plan) -> Iterator[tuple[int, int, int, int]]:
    """Expansion, channels out, kernel and stride of each block."""
    for repeats, channels, expansion, kernel, stride in plan.blocks:
        for repeat in range(repeats):
            yield expansion, channels, kernel, stride if repeat == 0 else 1


def _inverted(x: Any, block: tuple[int, int, int, int], name: str) -> Any:
    into = x
    expansion, channels, kernel, stride = block
    if expansion > 1:
        x = convolved(x, into.shape[-1] * expansion, 1, 1, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = _activated(_normalised(x, f"{name}_depthwise"), f"{name}_depthwise")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalised(x, f"{name}_project")
    if stride == 1 and into.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([into, x])
    return x


def convolved(x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    """A convolution without bias, normalised, under ReLU6."""
    x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return _activated(_normalised(x, name), name)


def _normalised(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_norm")(x)


def _activated(x: Any, name: str) -> Any:
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def load_imagenet(model: keras.Model, plan: Plan) -> None:
    """Give a network that holds this trunk the ImageNet weights."""
    weights = imagenet_weights(plan.weights)
    for ours, torch_convolution, torch_norm in weight_names(plan):
        layer, norm = model.get_layer(ours), model.get_layer(f"{ours}_norm")
        # ported from TensorFlow, the file kept its memory layout under torch's strides: ours
        layer.set_weights([weights[f"{torch_convolution}.weight"].reshape(layer.kernel.shape)])
        parts = ("weight", "bias", "running_mean", "running_var")
        norm.set_weights([weights[f"{torch_norm}.{part}"] for part in parts])


def weight_names(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Our layer, the file's convolution and the file's normalisation, for each of them."""
    yield "stem", "_conv_stem", "_bn0"
    for block, (expansion, *_) in enumerate(blocks_of(plan)):
        torch = f"_blocks.{block}"
        if expansion > 1:
            yield f"block{block}_expand", f"{torch}._expand_conv", f"{torch}._bn0"
        yield f"block{block}_depthwise", f"{torch}._depthwise_conv", f"{torch}._bn1"
        yield f"block{block}_project", f"{torch}._project_conv", f"{torch}._bn2"
    yield "head", "_conv_head", "_bn1"
