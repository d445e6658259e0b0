"""The consistency loss: speech states close to text states under their best alignment (arXiv 2308.06125).

B batch, N speech positions, M text positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.ops.alignment import best_alignment
from jointst.ops.distance import normalise, pairwise_l2
from jointst.ops.masks import length_mask


def pair_distance(speech: Tensor, text: Tensor, index: Tensor, speech_lengths: Tensor) -> Tensor:
    """Mean distance of each frame to the text state it is aligned with.

    Only the gathered pairs are in the graph: memory is O(N D), never O(N M).

    Args:
        speech: (B, N, D).
        text: (B, M, D).
        index: (B, N) int64, a text position for each frame.
        speech_lengths: (B,).

    Returns:
        (B,) means over valid frames, in float32.
    """
    gathered = text.gather(1, index[:, :, None].expand(-1, -1, text.shape[2]))
    difference = (speech - gathered).float()
    # The root has an infinite slope at 0: the floor keeps the gradient of equal states 0 instead of NaN.
    distance = difference.square().sum(-1).clamp_min(1e-12).sqrt()
    valid = length_mask(speech_lengths, speech.shape[1])
    return (distance * valid).sum(1) / speech_lengths


def consistency_loss(
    speech: list[Tensor], text: list[Tensor], speech_lengths: Tensor, text_lengths: Tensor, *, normalised: bool = True
) -> list[Tensor]:
    """The loss of each layer: the alignment is found on detached states, the gradient flows through its pairs.

    With the alignment held fixed this is the exact gradient almost everywhere.

    Args:
        speech: states (B, N, D) of each layer.
        text: states (B, M, D) of each layer.
        speech_lengths: (B,).
        text_lengths: (B,).
        normalised: layer-normalise states first, so that the loss cannot be won by shrinking norms; distances are
            then divided by sqrt(D), so that independent states are about sqrt(2) apart at any width.

    Returns:
        One scalar for each layer.
    """
    losses = []
    for speech_states, text_states in zip(speech, text, strict=True):
        scale = 1.0
        if normalised:
            scale = speech_states.shape[-1] ** -0.5
            speech_states, text_states = normalise(speech_states), normalise(text_states)
        with torch.no_grad():
            index, _ = best_alignment(pairwise_l2(speech_states, text_states), speech_lengths, text_lengths)
        losses.append(scale * pair_distance(speech_states, text_states, index, speech_lengths).mean())
    return losses
