"""The networks of `ml.networks.efficientnet` for training in bfloat16; weights come and go by name.

They are Keras' own: what this network learnt is put back into the Keras model it was taken from,
and everything else (checkpoints, export, parity) goes on from there.
"""

from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv2d, dropout, pad

from ml.bfloat16.operations import EPSILON, LAST, Depthwise, Normalised, Pointwise, same, scaled
from ml.networks.efficientnet import HEAD_CHANNELS, STEM_CHANNELS, Plan, blocks_of

MOMENTUM = 0.99  # of `ml.networks.efficientnet`'s normalisation


class Network(nn.Module):
    """One of these plans; gives logits (n,) of pictures (n, 3, h, w) in the network's range."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        parts: dict[str, nn.Module] = {"stem": _Stem(), "stem_norm": _Norm(STEM_CHANNELS)}
        into = STEM_CHANNELS
        self.residual: list[bool] = []
        for number, (expansion, channels, kernel, stride) in enumerate(blocks_of(plan)):
            name, wide = f"block{number}", into * expansion
            if expansion > 1:
                parts |= {f"{name}_expand": _Point(into, wide), f"{name}_expand_norm": _Norm(wide)}
            parts[f"{name}_depthwise"] = _Depth(wide, kernel, stride)
            parts[f"{name}_depthwise_norm"] = _Norm(wide)
            parts[f"{name}_project"] = _Point(wide, channels)
            parts[f"{name}_project_norm"] = _Norm(channels, is_activated=False)
            self.residual.append(stride == 1 and into == channels)
            into = channels
        parts |= {"head": _Point(into, HEAD_CHANNELS), "head_norm": _Norm(HEAD_CHANNELS)}
        self.parts = nn.ModuleDict(parts)
        self.evidence = nn.Linear(HEAD_CHANNELS, 1)

    def forward(self, pictures: Any) -> Any:
        x = pictures.bfloat16().contiguous(memory_format=LAST)
        x = self._through(x, "stem")
        for number, is_residual in enumerate(self.residual):
            into = x
            for part in ("expand", "depthwise", "project"):
                x = self._through(x, f"block{number}_{part}")
            x = into + x if is_residual else x
        # the head is linear: the mean of the cells' evidence is the evidence of their mean
        cells = self._through(x, "head").float().mean((2, 3))
        return self.evidence(dropout(cells, self.plan.dropout, self.training))[:, 0]

    def _through(self, x: Any, name: str) -> Any:
        if name not in self.parts:  # the first block expands nothing
            return x
        return self.parts[f"{name}_norm"](self.parts[name](x))

    def take(self, model: keras.Model) -> None:
        """The weights of a Keras model of the same plan."""
        with torch.no_grad():
            for name, part in self.parts.items():
                given = [torch.from_numpy(np.array(w)) for w in model.get_layer(name).get_weights()]
                part.take(given)
            filters, bias = model.get_layer("evidence").get_weights()
            self.evidence.weight.copy_(torch.from_numpy(np.array(filters).reshape(1, -1)))
            self.evidence.bias.copy_(torch.from_numpy(np.array(bias)))

    def give_to(self, model: keras.Model) -> None:
        """Put the weights into a Keras model of the same plan."""
        for name, part in self.parts.items():
            weights = [w.detach().numpy() for w in part.given()]
            model.get_layer(name).set_weights(weights)
        layer = model.get_layer("evidence")
        filters = self.evidence.weight.detach().numpy().reshape(layer.kernel.shape)
        layer.set_weights([filters, self.evidence.bias.detach().numpy()])


class _Filters(nn.Module):
    """Filters as PyTorch orders them; `ORDER` names Keras' axes in that order."""

    ORDER = (3, 2, 0, 1)

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(shape))

    def take(self, weights: list[Any]) -> None:
        self.filters.copy_(weights[0].permute(self.ORDER))

    def given(self) -> list[Any]:
        return [self.filters.permute(*np.argsort(self.ORDER).tolist())]


class _Stem(_Filters):
    def __init__(self) -> None:
        super().__init__(STEM_CHANNELS, 3, 3, 3)

    def forward(self, x: Any) -> Any:
        (top, bottom), (left, right) = (same(side, 3, 2) for side in x.shape[2:])
        return conv2d(pad(x, (left, right, top, bottom)), self.filters.bfloat16(), None, 2)


class _Point(_Filters):
    def __init__(self, into: int, out: int) -> None:
        super().__init__(out, into, 1, 1)

    def forward(self, x: Any) -> Any:
        return Pointwise.apply(x.contiguous(memory_format=LAST), self.filters)


class _Depth(_Filters):
    ORDER = (2, 3, 0, 1)

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, 1, kernel, kernel)
        self.stride = stride

    def forward(self, x: Any) -> Any:
        return Depthwise.apply(x.contiguous(memory_format=LAST), self.filters, self.stride)


class _Norm(nn.Module):
    def __init__(self, channels: int, *, is_activated: bool = True) -> None:
        super().__init__()
        self.is_activated = is_activated
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Any) -> Any:
        x = x.contiguous(memory_format=LAST)
        stored = self.mean, self.variance
        if self.training:
            told = stored, MOMENTUM, self.is_activated
            return Normalised.apply(x, self.gamma, self.beta, told)
        a = self.gamma * (self.variance + EPSILON).rsqrt()
        return scaled(x, a, self.beta - self.mean * a, is_activated=self.is_activated)

    def take(self, weights: list[Any]) -> None:
        for own, given in zip(self.given(), weights, strict=True):
            own.copy_(given)

    def given(self) -> list[Any]:
        return [self.gamma, self.beta, self.mean, self.variance]
