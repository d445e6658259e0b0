"""Distances between speech and text states: of all pairs, to align them, and of aligned pairs, to train on them.

B batch, N speech positions, M text positions, P pairs, R rows, D features. All is computed in float32 whatever the
autocast dtype (float64 states stay float64). A new distance is a :class:`Distance` in ``DISTANCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from jointst.common.errors import JointstError

CHUNK_BYTES = 64 * 2**20
"""Temporary arrays of one kind at most, over the results themselves."""

_TINY = 1e-12
"""Squared distances are held above this: the root has an infinite slope at 0."""


def widen(states: Tensor) -> Tensor:
    """States in float32, or float64 if they are that."""
    return states if states.dtype == torch.float64 else states.float()


def normalise(states: Tensor) -> Tensor:
    """States (..., D) with mean 0 and variance 1 over D, in float32 or float64."""
    return layer_norm(widen(states), states.shape[-1:])


def _squared_all(speech: Tensor, text: Tensor) -> Tensor:
    # ||s||^2 + ||t||^2 - 2 s.t: distances far below the states' norms lose digits this way. They rank positions.
    norms = speech.square().sum(-1)[:, :, None] + text.square().sum(-1)[:, None, :]
    return torch.baddbmm(norms, speech, text.transpose(1, 2), alpha=-2)


def _l2_all(speech: Tensor, text: Tensor) -> Tensor:
    squared = _squared_all(speech, text)
    if squared.requires_grad:
        return squared.clamp_min(_TINY).sqrt()
    return squared.clamp_min_(_TINY).sqrt_()


def _mae_all(speech: Tensor, text: Tensor) -> Tensor:
    result: Tensor = torch.cdist(speech, text, p=1.0) / speech.shape[-1]
    return result


def _cosine_all(speech: Tensor, text: Tensor) -> Tensor:
    return 1 - torch.bmm(_unit(speech), _unit(text).transpose(1, 2))


def _unit(states: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
    return states / norm.clamp_min(_TINY)


def _l2_rows(speech: Tensor, text: Tensor) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(speech - text, dim=-1)
    return result


def _l2_gradient(speech: Tensor, text: Tensor, upstream: Tensor) -> tuple[Tensor | None, Tensor]:
    gradient = text.sub_(speech)
    length = torch.linalg.vector_norm(gradient, dim=-1)
    # Equal states have the gradient 0.
    return None, gradient.mul_(torch.where(length > _TINY**0.5, upstream / length, 0.0)[:, None])


def _squared_gradient(speech: Tensor, text: Tensor, upstream: Tensor) -> tuple[Tensor | None, Tensor]:
    return None, text.sub_(speech).mul_((2 * upstream)[:, None])


def _mae_gradient(speech: Tensor, text: Tensor, upstream: Tensor) -> tuple[Tensor | None, Tensor]:
    return None, text.sub_(speech).sign_().mul_((upstream / speech.shape[-1])[:, None])


def _cosine_gradient(speech: Tensor, text: Tensor, upstream: Tensor) -> tuple[Tensor | None, Tensor]:
    norm, other = (torch.linalg.vector_norm(states, dim=-1, keepdim=True).clamp_min(_TINY) for states in (speech, text))
    speech, text = speech / norm, text / other
    cosine = (speech * text).sum(-1, keepdim=True)
    return (cosine * speech - text) * (upstream[:, None] / norm), (cosine * text - speech) * (upstream[:, None] / other)


@dataclass(frozen=True)
class Distance:
    """A distance of two states.

    Attributes:
        all_pairs: (B, N, D) and (B, M, D) to (B, N, M), differentiable.
        rows: (R, D) and (R, D) to (R,).
        gradient: of ``rows``: both and the upstream gradient (R,) to the gradients of both, (R, D). It may overwrite
            the text states; None for the speech side's says that it is the opposite of the text side's.
        scale: by D, for layer-normalised states: makes the distance of independent states the same at any width.
    """

    all_pairs: Callable[[Tensor, Tensor], Tensor]
    rows: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor, Tensor], tuple[Tensor | None, Tensor]]
    scale: Callable[[int], float] = lambda dim: 1.0


DISTANCES: Mapping[str, Distance] = {
    "l2": Distance(_l2_all, _l2_rows, _l2_gradient, lambda dim: dim**-0.5),
    "squared_l2": Distance(
        lambda s, t: _squared_all(s, t).clamp_min(0),
        lambda s, t: (s - t).square().sum(-1),
        _squared_gradient,
        lambda dim: 1 / dim,
    ),
    "mae": Distance(_mae_all, lambda s, t: (s - t).abs().mean(-1), _mae_gradient),
    "cosine": Distance(_cosine_all, lambda s, t: 1 - (_unit(s) * _unit(t)).sum(-1), _cosine_gradient),
}


def distance_of(name: str) -> Distance:
    """A distance by name.

    Raises:
        JointstError: there is none of that name.
    """
    if name not in DISTANCES:
        raise JointstError(f"distance {name!r} is unknown; known: {' '.join(DISTANCES)}")
    return DISTANCES[name]


def pairwise_distance(
    speech: Tensor, text: Tensor, kind: str = "l2", *, normalised: bool = False, out: Tensor | None = None
) -> Tensor:
    """The distance of every speech state to every text state.

    Computed by batched matrix products (``mae``: by direct sums), in chunks of utterances, so that beside the result
    only ``CHUNK_BYTES`` are needed at a time; where a gradient is asked for, in one piece.

    Args:
        speech: (B, N, D).
        text: (B, M, D).
        kind: l2, squared_l2, mae (mean over D of absolute differences) or cosine (1 - cosine similarity).
        normalised: layer-normalise states first, and scale the distance by a power of D (l2: D^-1/2), so that
            independent states are about equally far apart at any width: sqrt(2) for l2.
        out: (B, N, M), written and returned; no gradient.

    Returns:
        (B, N, M) float32 or float64.

    Raises:
        JointstError: an unknown kind.
    """
    distance = distance_of(kind)
    scale = distance.scale(speech.shape[-1]) if normalised else 1.0

    def compute(speech: Tensor, text: Tensor) -> Tensor:
        speech, text = (normalise(s) if normalised else widen(s) for s in (speech, text))
        result = distance.all_pairs(speech, text)
        return result if scale == 1.0 else result * scale if result.requires_grad else result.mul_(scale)

    with torch.autocast(speech.device.type, enabled=False):
        if out is None and torch.is_grad_enabled() and (speech.requires_grad or text.requires_grad):
            return compute(speech, text)
        size = 4 * max(1, speech.shape[1]) * max(1, text.shape[1])
        rows = max(1, CHUNK_BYTES // size)
        if out is None and rows >= len(speech):
            return compute(speech, text)
        if out is None:
            wide = widen(speech[:0]).dtype
            out = torch.empty(*speech.shape[:2], text.shape[1], dtype=wide, device=speech.device)
        for first in range(0, len(speech), rows):
            out[first : first + rows] = compute(speech[first : first + rows], text[first : first + rows])
        return out


def pairwise_l2(speech: Tensor, text: Tensor) -> Tensor:
    """Euclidean distance of every speech state (B, N, D) to every text state (B, M, D): (B, N, M)."""
    return pairwise_distance(speech, text, "l2")
