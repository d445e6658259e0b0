"""Training a pretrained encoder with the model around it: lower rates below than above, and less memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter
from torch.utils.checkpoint import checkpoint

from jointst.config import AudioEncoderConfig
from jointst.pretrained.encoder import PretrainedEncoder


def rate_shares(encoder: PretrainedEncoder, config: AudioEncoderConfig) -> Iterator[tuple[Parameter, float]]:
    """Each weight of an encoder with its learning rate as a share of the model's.

    The uppermost block has ``config.rate``, each one below ``config.rate_decay`` times that of the one above; weights
    in no block, as those of a norm after all of them, are with the uppermost.

    Args:
        encoder: the encoder.
        config: its settings.
    """
    blocks = encoder.blocks()
    shares: dict[Parameter, float] = {}
    for below, block in enumerate(reversed(blocks)):
        for weight in block.parameters():
            shares.setdefault(weight, config.rate * config.rate_decay**below)
    for weight in encoder.parameters():
        yield weight, shares.get(weight, config.rate)


def recompute(encoder: PretrainedEncoder) -> None:
    """Let each block keep its input alone for the backward pass, which computes the rest again: the gradients are the
    same, for a third more time and a fraction of the memory."""
    for block in encoder.blocks():
        _recompute(block)


def _recompute(block: nn.Module) -> None:
    forward = block.forward

    @wraps(forward)
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        if block.training and torch.is_grad_enabled():
            return checkpoint(forward, *args, use_reentrant=False, **kwargs)
        return forward(*args, **kwargs)

    block.forward = recomputed
