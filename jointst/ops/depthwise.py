"""Depthwise convolution over time, features last.

B batch, T positions, K positions of the kernel, D features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv1d

from jointst.ops.kernels.depthwise import convolve, convolve_backward
from jointst.ops.kernels.dispatch import ONE_AT_A_TIME


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        # Copies of weights: memory that numpy has seen cannot be let go of where processes share a model (FSDP2).
        taps, bias = weight[:, 0].t().clone(memory_format=torch.contiguous_format), bias.clone()  # (D, 1, K) -> (K, D)
        x = x.contiguous()
        ctx.save_for_backward(x, taps)
        y = x.new_empty(x.shape[0], x.shape[1] - len(taps) + 1, x.shape[2])
        with ONE_AT_A_TIME:
            convolve(*(part.detach().numpy() for part in (x, taps, bias)), y.numpy())
        return y

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, taps = ctx.saved_tensors
        grad_y, grad_x = grad_y.contiguous(), torch.zeros_like(x)
        grad_taps = x.new_zeros(len(x), *taps.shape)
        with ONE_AT_A_TIME:
            convolve_backward(*(part.numpy() for part in (x, taps, grad_y, grad_x, grad_taps)))
        return grad_x, grad_taps.sum(0).t()[:, None], grad_y.sum((0, 1))


def depthwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each feature convolved with its own kernel.

    While training on a CPU, torch's own takes twenty times as long, most of it backward
    (:mod:`jointst.ops.kernels.depthwise`); elsewhere that is what is called.

    Args:
        x: (B, T+K-1, D), with its context.
        weight: (D, 1, K).
        bias: (D,).

    Returns:
        (B, T, D).
    """
    if x.device.type == "cpu" and torch.is_grad_enabled() and x.dtype == weight.dtype:
        y: Tensor = _Depthwise.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return y
    return conv1d(x.transpose(1, 2), weight, bias, groups=len(weight)).transpose(1, 2)
