"""Distances of aligned pairs of states, with a gradient that keeps nothing but the states themselves.

B batch, N speech positions, M text positions, P pairs, D features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jointst.ops.distance import Distance, distance_of, widen

CHUNK_BYTES = 16 * 2**20
"""Gathered states of one side held at a time, one utterance at least: a few temporary arrays of this size come on top
of the gradients."""

_EPSILON = 1e-5  # of torch's layer_norm


def _side(states: Tensor, normalised: bool) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """States as they are compared, and the mean and inverse deviation of each."""
    states = widen(states)
    if not normalised:
        return states, None
    states, mean, inverse = torch.native_layer_norm(states, states.shape[-1:], None, None, _EPSILON)
    return states, (mean, inverse)


def _side_gradient(gradient: Tensor, states: Tensor, statistics: tuple[Tensor, Tensor] | None) -> Tensor:
    """From the gradient of states as they are compared to that of states as they came."""
    if statistics is None:
        return gradient
    backward = torch.ops.aten.native_layer_norm_backward
    wide = widen(states)
    result: Tensor = backward(gradient, wide, wide.shape[-1:], *statistics, None, None, [True, False, False])[0]
    return result


def _flat(index: Tensor, positions: int) -> Tensor:
    """(B, P) positions to rows of (B * positions, D)."""
    first = torch.arange(len(index), device=index.device) * positions
    return (index + first[:, None]).view(-1)


def _take(states: Tensor, index: Tensor | None) -> Tensor:
    """Rows (B * P, D) of states (B, T, D) by index (B, P); None for every row."""
    rows = states.reshape(-1, states.shape[-1])
    return rows if index is None else rows.index_select(0, _flat(index, states.shape[1]))


def _put(gradient: Tensor, index: Tensor | None, shape: torch.Size) -> Tensor:
    """Sum rows (B * P, D) into states (B, T, D) by index (B, P)."""
    if index is None:
        return gradient.view(shape)
    total = torch.zeros(shape, dtype=gradient.dtype, device=gradient.device)
    total.view(-1, shape[-1]).index_add_(0, _flat(index, shape[1]), gradient)
    return total


class _AlignedDistance(torch.autograd.Function):
    """Backward compares the states anew, in chunks of utterances: what the graph holds is the states and the index."""

    @staticmethod
    def forward(
        ctx: Any,
        speech: Tensor,
        text: Tensor,
        speech_index: Tensor | None,
        text_index: Tensor,
        distance: Distance,
        normalised: bool,
    ) -> Tensor:
        ctx.save_for_backward(speech, text, speech_index, text_index)
        ctx.distance, ctx.normalised = distance, normalised
        ctx.scale = distance.scale(speech.shape[-1]) if normalised else 1.0
        result = torch.empty(text_index.shape, dtype=widen(speech[:0]).dtype, device=speech.device)
        for part in _chunks(text_index, speech.shape[-1]):
            s, t = _side(speech[part], normalised)[0], _side(text[part], normalised)[0]
            s, t = _take(s, None if speech_index is None else speech_index[part]), _take(t, text_index[part])
            result[part] = (ctx.scale * distance.rows(s, t)).view(-1, text_index.shape[1])
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        speech, text, speech_index, text_index = ctx.saved_tensors
        needs_speech, needs_text = ctx.needs_input_grad[:2]
        grad_speech = torch.empty_like(speech) if needs_speech else None
        grad_text = torch.empty_like(text) if needs_text else None
        for part in _chunks(text_index, speech.shape[-1]):
            own = None if speech_index is None else speech_index[part]
            s, speech_statistics = _side(speech[part], ctx.normalised)
            t, text_statistics = _side(text[part], ctx.normalised)
            s, t = _take(s, own), _take(t, text_index[part])  # t is a copy: the gradient may overwrite it
            s, t = ctx.distance.gradient(s, t, ctx.scale * upstream[part].reshape(-1))
            if grad_text is not None:
                rows = _put(t, text_index[part], text[part].shape)
                grad_text[part] = _side_gradient(rows, text[part], text_statistics)
            if grad_speech is not None:
                rows = _put(t if s is None else s, own, speech[part].shape)
                rows = _side_gradient(rows, speech[part], speech_statistics)
                grad_speech[part] = -rows if s is None else rows
        return grad_speech, grad_text, None, None, None, None


def _chunks(index: Tensor, dim: int) -> list[slice]:
    """Slices of the batch whose gathered states take ``CHUNK_BYTES`` at most, one utterance at least."""
    rows = max(1, CHUNK_BYTES // (4 * max(1, index.shape[1]) * dim))
    return [slice(first, first + rows) for first in range(0, len(index), rows)]


def aligned_distance(
    speech: Tensor,
    text: Tensor,
    text_index: Tensor,
    speech_index: Tensor | None = None,
    *,
    kind: str = "l2",
    normalised: bool = False,
) -> Tensor:
    """The distance of each aligned pair of states; memory O(N D), never O(N M).

    With the alignment held fixed the gradient is exact, where the distance has one: equal states get 0 of l2.

    Args:
        speech: (B, N, D); padding must be finite.
        text: (B, M, D); padding must be finite.
        text_index: (B, P) int64, the text position of each pair.
        speech_index: (B, P) int64, its frame; None if pair i is of frame i, so P = N.
        kind: as in :func:`jointst.ops.distance.pairwise_distance`.
        normalised: as there.

    Returns:
        (B, P) float32, or float64 for float64 states; differentiable once.

    Raises:
        JointstError: an unknown kind.
    """
    with torch.autocast(speech.device.type, enabled=False):
        result: Tensor = _AlignedDistance.apply(  # type: ignore[no-untyped-call]
            speech, text, speech_index, text_index, distance_of(kind), normalised
        )
    return result
