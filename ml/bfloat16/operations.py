"""Operations of layers in bfloat16, with gradients; what PyTorch is slow at, our kernels do.

Pictures are (n, c, h, w) in bfloat16 and lie in memory as [n, h, w, c]; c is a multiple of 8 (of
16 where a convolution is depthwise), and n h w even. Weights are single precision and rounded to
bfloat16 where they are used.
"""

import functools
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import conv2d, pad
from torch.utils import cpp_extension

LAST = torch.channels_last
EPSILON = 1e-3  # of `ml.networks.efficientnet`'s normalisation
# As many channels go into one register; a row of fewer is taken together with the next one.
LANES = 16


@functools.cache
def kernels() -> Any:
    """The kernels, compiled on first use: a minute, then they lie in PyTorch's cache.

    Raises:
        RuntimeError: there is no C++ compiler, or the processor has no avx512_bf16.
    """
    if "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        raise RuntimeError("no avx512_bf16")  # or they would end the process where it first counts
    flags = ["-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp"]
    source = Path(__file__).with_name("kernels.cpp")
    return cpp_extension.load(
        "unmask_bfloat16", [str(source)], extra_cflags=flags, extra_ldflags=["-fopenmp"]
    )


class Depthwise(torch.autograd.Function):
    """A depthwise convolution with "same" padding as TensorFlow means it: more of it at the end."""

    @staticmethod
    def forward(context: Any, x: Any, filters: Any, stride: int) -> Any:
        channels, _, k, _ = filters.shape
        height, width = x.shape[2:]
        (top, bottom), (left, right) = (same(side, k, stride) for side in (height, width))
        flat = filters.reshape(channels, k * k).t().contiguous()
        context.save_for_backward(x, flat)
        context.told = k, stride, top, left
        padded = pad(x, (left, right, top, bottom)) if stride > 1 else x
        around = 0 if stride > 1 else k // 2
        y = conv2d(padded, filters.bfloat16(), None, stride, around, groups=channels)
        return y.contiguous(memory_format=LAST)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        x, flat = context.saved_tensors
        k, stride, top, left = context.told
        channels, (height, width) = x.shape[1], x.shape[2:]
        gradient = gradient.contiguous(memory_format=LAST)
        if stride > 1:
            of_x = kernels().depthwise_input(gradient, flat, k, stride, top, left, height, width)
        else:
            turned = flat.t().reshape(channels, 1, k, k).flip(2, 3).bfloat16().contiguous()
            of_x = conv2d(gradient, turned, None, 1, k // 2, groups=channels)
        of_filters = kernels().depthwise_weight(x, gradient, k, stride, top, left)
        return of_x, of_filters, None


class Pointwise(torch.autograd.Function):
    """A convolution of one pixel; its filters are (c', c, 1, 1)."""

    @staticmethod
    def forward(context: Any, x: Any, filters: Any) -> Any:
        rounded = filters.bfloat16()
        context.save_for_backward(x, rounded)
        n, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
        y = rows @ rounded.view(-1, channels).t()
        return y.view(n, height, width, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        x, rounded = context.saved_tensors
        gradient = gradient.contiguous(memory_format=LAST)
        n, channels, height, width = x.shape
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
        of_x = (rows @ rounded.view(-1, channels)).view(n, height, width, channels)
        nothing, none = [0, 0], [1, 1]
        of_filters = torch.ops.aten.convolution_backward(
            gradient, x, rounded, None, none, nothing, none, False, nothing, 1, [False, True, False]
        )[1]
        return of_x.permute(0, 3, 1, 2), of_filters.float()


class Normalised(torch.autograd.Function):
    """Batch normalisation in training, and ReLU6 of it where asked.

    `told` is the stored moments, which it moves, by how much they stay, and whether to activate.
    """

    @staticmethod
    def forward(
        context: Any, x: Any, gamma: Any, beta: Any, told: tuple[tuple[Any, Any], float, bool]
    ) -> Any:
        stored, momentum, is_activated = told
        channels = x.shape[1]
        mean, square = _once(kernels().moments(_rows(x)), channels, torch.mean)
        variance = (square - mean * mean).clamp_min(0)
        for kept, now in zip(stored, (mean, variance), strict=True):
            kept.mul_(momentum).add_(now, alpha=1 - momentum)
        inverse = (variance + EPSILON).rsqrt()
        a = (gamma * inverse).float()
        b = (beta - mean * gamma * inverse).float()
        context.save_for_backward(x, a, b, mean, inverse)
        context.is_activated = is_activated
        return _pictures(kernels().scaled(*_wide(x, a, b), is_activated), x)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        x, a, b, mean, inverse = context.saved_tensors
        channels, n = x.shape[1], x.numel() // x.shape[1]
        rows, wide_a, wide_b = _wide(x, a, b)
        of_y = _rows(gradient.contiguous(memory_format=LAST))
        told = (of_y, rows, wide_a, wide_b)
        sums = kernels().gradient_sums(*told, context.is_activated)
        of_beta, of_products = _once(sums, channels, torch.sum)
        of_gamma = (of_products - mean * of_beta) * inverse
        q = -a * inverse * of_gamma / n
        r = -a * of_beta / n - q * mean
        _, p, q, r = _wide(x, a, q.float(), r.float())
        of_x = kernels().input_gradient(*told, p, q, r, context.is_activated)
        return _pictures(of_x, x), of_gamma.float(), of_beta.float(), None


def scaled(x: Any, a: Any, b: Any, *, is_activated: bool) -> Any:
    """`x a + b`, and ReLU6 of it where asked: normalisation when it no longer learns."""
    return _pictures(kernels().scaled(*_wide(x, a, b), is_activated), x)


def same(side: int, k: int, stride: int) -> tuple[int, int]:
    """Padding before and after a side in pixels for "same"."""
    both = max((-(-side // stride) - 1) * stride + k - side, 0)
    return both // 2, both - both // 2


def _rows(x: Any) -> Any:
    """Pictures as rows of channels, two pixels a row where one has too few."""
    channels = x.shape[1]
    wide = channels if channels % LANES == 0 else 2 * channels
    return x.permute(0, 2, 3, 1).reshape(-1, wide)


def _pictures(rows: Any, like: Any) -> Any:
    n, channels, height, width = like.shape
    return rows.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def _wide(x: Any, *of_channels: Any) -> tuple[Any, ...]:
    """Rows, and what belongs to each channel as often as a row has it."""
    rows = _rows(x)
    times = rows.shape[1] // x.shape[1]
    return rows, *(each.repeat(times).contiguous() for each in of_channels)


def _once(figures: Any, channels: int, together: Any) -> Any:
    """Figures of the channels of rows (2, c or 2 c) as (2, c)."""
    return together(figures.reshape(2, -1, channels), 1)
