"""A loss whose gradient for some weights is zero: processes that share gradients wait for one of every weight.

Without such a gradient a process whose batch has no text would leave out what the others wait for, and all would hang.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class _WithZeros(torch.autograd.Function):
    """A scalar, beside weights that it does not depend on."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, *weights: Tensor) -> Tensor:
        ctx.like = [(weight.shape, weight.dtype, weight.device) for weight in weights]
        return total.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return (gradients[0], *(torch.zeros(shape, dtype=dtype, device=place) for shape, dtype, place in ctx.like))


def with_zeros(total: Tensor, weights: Iterable[Tensor]) -> Tensor:
    """The same scalar; those of the weights that are trained get a gradient of zeros from it, if no other."""
    trained = [weight for weight in weights if weight.requires_grad]
    if not trained:
        return total
    found: Tensor = _WithZeros.apply(total, *trained)  # type: ignore[no-untyped-call]
    return found
