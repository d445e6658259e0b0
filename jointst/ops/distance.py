"""Distances between speech and text states.

B batch, N speech positions, M text positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import layer_norm


def normalise(states: Tensor) -> Tensor:
    """States (..., D) with mean 0 and variance 1 over D, in float32."""
    return layer_norm(states.float(), states.shape[-1:])


def pairwise_l2(speech: Tensor, text: Tensor) -> Tensor:
    """Euclidean distance of every speech state to every text state, in float32 whatever the autocast dtype.

    Args:
        speech: (B, N, D).
        text: (B, M, D).

    Returns:
        (B, N, M), by one matrix product: ||s||^2 + ||t||^2 - 2 s.t. Distances far below the states' norms lose
        digits this way; they only rank positions, the loss itself is computed on gathered pairs.
    """
    with torch.autocast(speech.device.type, enabled=False):
        speech, text = speech.float(), text.float()
        product = torch.bmm(speech, text.transpose(1, 2))
        squared = speech.square().sum(-1)[:, :, None] + text.square().sum(-1)[:, None, :] - 2 * product
        return squared.clamp_min(0).sqrt()
