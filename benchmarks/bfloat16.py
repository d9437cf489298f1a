"""Training in bfloat16: how far its operations are from single precision, and how fast it learns.

    pip install torch
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 python -m benchmarks.bfloat16

Peers: PyTorch's own operations in single precision for what they give, and for the speed a step of
`ml.training` in TensorFlow. The two settings keep memory that the next step needs from going back
to the system, which would cost a third of the time.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

STEPS = 6
ROUNDING = 0.01  # beyond it, an operation does something else than it should
SHAPES = ((32, 18, 3, 1), (96, 18, 3, 2), (48, 17, 5, 2), (48, 16, 5, 2), (144, 16, 5, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["lite", "lite2"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 256])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tensorflow", nargs=2, metavar=("NETWORK", "SIZE"), help="only that")
    options = parser.parse_args()
    if options.tensorflow:
        network, size = options.tensorflow
        print(tensorflow_views_per_s(network, int(size), options.batch))
        return
    print("largest difference from single precision, as a share of the largest value")
    wrong = False
    for name, differences in all_differences():
        print(f"  {name:28} " + "  ".join(f"{part} {d:.4f}" for part, d in differences.items()))
        wrong |= max(differences.values()) > ROUNDING
    if wrong:
        sys.exit("an operation differs by more than rounding")
    print(f"views a second, the fastest of {STEPS} steps of {options.batch}")
    for network in options.networks:
        for size in options.sizes:
            ours = bfloat16_views_per_s(network, size, options.batch)
            theirs = _in_a_process(network, size, options.batch)
            ratio = ours / theirs
            print(f"  {network} {size}: {ours:.1f}, TensorFlow {theirs:.1f}, ratio {ratio:.1f}")


def all_differences() -> Iterator[tuple[str, dict[str, float]]]:
    """Of each operation: its output and its gradients."""
    import torch

    from ml.bfloat16.operations import Depthwise, Normalised, Pointwise

    torch.manual_seed(0)
    for channels, side, k, stride in SHAPES:
        filters = torch.randn(channels, 1, k, k).bfloat16().float()
        yield (
            f"depthwise {channels} {k}x{k} / {stride}",
            _differences(
                lambda x, w, stride=stride: Depthwise.apply(x, w, stride),
                lambda x, w, stride=stride: _depthwise(x, w, stride),
                (channels, side),
                (filters,),
            ),
        )
    for into, out in ((24, 144), (144, 40)):
        filters = torch.randn(out, into, 1, 1).bfloat16().float()
        conv2d = torch.nn.functional.conv2d
        yield (
            f"pointwise {into} to {out}",
            _differences(Pointwise.apply, conv2d, (into, 14), (filters,)),
        )
    for channels in (48, 24):
        for is_activated in (True, False):
            moments = torch.zeros(channels), torch.ones(channels)
            told = moments, 0.99, is_activated
            yield (
                f"normalised {channels}{', ReLU6' if is_activated else ''}",
                _differences(
                    lambda x, a, b, told=told: Normalised.apply(x, a, b, told),
                    lambda x, a, b, act=is_activated: _normalised(x, a, b, act),
                    (channels, 10),
                    (torch.rand(channels), torch.randn(channels)),
                ),
            )


def _differences(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    shape: tuple[int, int],
    weights: tuple[Any, ...],
) -> dict[str, float]:
    import torch

    channels, side = shape
    x = (3 * torch.randn(4, channels, side, side) + 1).bfloat16()
    x = x.contiguous(memory_format=torch.channels_last)
    found = []
    gradient = None
    for operation, picture in ((ours, x), (theirs, x.float())):
        leaves = [one.detach().clone().requires_grad_() for one in (picture, *weights)]
        y = operation(*leaves)
        gradient = torch.randn_like(y) if gradient is None else gradient.to(y.dtype)
        found.append((y, *torch.autograd.grad(y, leaves, gradient)))
    names = ("output", "of x", *(f"of weight {n + 1}" for n in range(len(weights))))
    return {
        name: float((a.detach().float() - b.detach()).abs().max() / b.detach().abs().max())
        for name, a, b in zip(names, *found, strict=True)
    }


def _depthwise(x: Any, filters: Any, stride: int) -> Any:
    from torch.nn.functional import conv2d, pad

    from ml.bfloat16.operations import same

    k = filters.shape[-1]
    before, after = same(x.shape[-1], k, stride)
    padded = pad(x, (before, after, before, after))
    return conv2d(padded, filters, None, stride, groups=len(filters))


def _normalised(x: Any, gamma: Any, beta: Any, is_activated: bool) -> Any:
    from torch.nn.functional import batch_norm, relu6

    y = batch_norm(x, None, None, gamma, beta, True, 0, 1e-3)
    return relu6(y) if is_activated else y


def bfloat16_views_per_s(network: str, size: int, batch: int) -> float:
    """Of whole steps: forward, backward, weights."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from ml.bfloat16.network import Network

    made = Network(importlib.import_module(f"ml.networks.{network}").PLAN)
    for one in made.parameters():
        torch.nn.init.normal_(one, std=0.05)
    optimizer = torch.optim.AdamW(made.parameters(), 1e-4, fused=True)
    pictures, label = torch.rand(batch, 3, size, size), torch.rand(batch).round()

    def step() -> None:
        loss = binary_cross_entropy_with_logits(made(pictures), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return batch / _fastest(step)


def tensorflow_views_per_s(network: str, size: int, batch: int) -> float:
    """The same by Keras on TensorFlow, as `ml.training` does it."""
    import keras

    made = importlib.import_module(f"ml.networks.{network}").build(None)
    made.compile(keras.optimizers.AdamW(1e-4), "binary_crossentropy")
    pictures = np.random.default_rng(0).random((batch, size, size, 3), dtype=np.float32)
    label = np.tile(np.float32([[0.0], [1.0]]), (batch // 2, 1))
    return batch / _fastest(lambda: made.train_on_batch(pictures, label))


def _fastest(step: Callable[[], object]) -> float:
    step()
    took = []
    for _ in range(STEPS):
        began = time.perf_counter()
        step()
        took.append(time.perf_counter() - began)
    return min(took)


def _in_a_process(network: str, size: int, batch: int) -> float:
    """TensorFlow's threads would stand beside PyTorch's."""
    command = [sys.executable, "-m", "benchmarks.bfloat16", "--batch", str(batch)]
    told = subprocess.run(
        [*command, "--tensorflow", network, str(size)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    return float(told.stdout.split()[-1])


if __name__ == "__main__":
    main()
