"""The consistency loss: speech states close to text states under their alignment (arXiv 2308.06125).

K compared layers, B batch, N speech positions, M text positions, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from jointst.common.errors import AlignmentError, JointstError
from jointst.ops.aligned_distance import aligned_distance
from jointst.ops.alignment import Alignment, kind_of, make_options
from jointst.ops.distance import distance_of, pairwise_distance, widen
from jointst.ops.masks import length_mask

COST_BYTES = 512 * 2**20
"""Distances of all layers held at a time to find hard alignments; more utterances than that are aligned in turn."""


def pair_distance(speech: Tensor, text: Tensor, index: Tensor, speech_lengths: Tensor) -> Tensor:
    """Mean L2 distance of each frame to the text state it is aligned with.

    Args:
        speech: (B, N, D).
        text: (B, M, D).
        index: (B, N) int64, a text position for each frame.
        speech_lengths: (B,).

    Returns:
        (B,) means over valid frames, in float32.
    """
    valid = length_mask(speech_lengths, speech.shape[1])
    return torch.where(valid, aligned_distance(speech, text, index), 0.0).sum(1) / speech_lengths


def centred(speech: Tensor, text: Tensor, speech_lengths: Tensor, text_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """States without what all valid positions of the batch have in common: the mean over both sides, each half of it.

    Args:
        speech: (B, N, D).
        text: (B, M, D).
        speech_lengths: (B,).
        text_lengths: (B,).

    Returns:
        The same in float32 or float64; what stands in padding has no meaning.
    """
    speech, text = widen(speech), widen(text)
    means = [
        torch.where(length_mask(lengths, states.shape[1])[..., None], states, 0.0).sum((0, 1)) / lengths.sum()
        for states, lengths in ((speech, speech_lengths), (text, text_lengths))
    ]
    common = (means[0] + means[1]) / 2
    return speech - common, text - common


@dataclass(frozen=True, kw_only=True)
class ConsistencyResult:
    """A consistency loss and what it is made of.

    Attributes:
        total: the weighted mean over layers.
        layers: scalars of each compared layer, by its number.
    """

    total: Tensor
    layers: dict[int, Tensor]

    @property
    def parts(self) -> dict[str, Tensor]:
        """``consistency/layer0``, ..., and ``consistency``, the total."""
        named = {f"consistency/layer{layer}": loss for layer, loss in self.layers.items()}
        return {**named, "consistency": self.total}


class ConsistencyLoss(nn.Module):
    """Mean distance of aligned speech and text states, over utterances and shared-encoder layers.

    The alignment is found on detached states, and the gradient flows through its pairs. For hard kinds that is the
    exact gradient almost everywhere, and the graph never holds an (N, M) tensor. For soft kinds the loss is the
    expected distance, sum_ij w_ij d_ij / sum_ij w_ij. With ``soft_gradient`` fixed the weights are constants: that is
    the gradient of the soft minimum (soft_dtw) and of the regularised transport cost (sinkhorn, once converged).

    Args:
        alignment: a kind of :mod:`jointst.ops.alignment`.
        options: of that kind.
        distance: a kind of :mod:`jointst.ops.distance`; alignment and loss use the same.
        normalised: layer-normalise states first, so that the loss cannot be won by shrinking norms.
        centred: before that, take from all states the mean of their layer (:func:`centred`), so that the loss cannot be
            won by a part that all states have in common either. It then depends on what else is in the batch.
        layers: numbers of the layers to compare; empty for all that are given.
        layer_weights: of these layers in the total, which is their weighted mean; empty for equal ones.
        stop_gradient: the side that the loss does not train.
        soft_gradient: fixed, or through the weights of sinkhorn too.

    Raises:
        JointstError: an unknown kind or option, or weights that do not fit the layers.
    """

    def __init__(
        self,
        *,
        alignment: str = "best",
        options: Mapping[str, Any] | None = None,
        distance: str = "l2",
        normalised: bool = True,
        centred: bool = False,
        layers: Sequence[int] = (),
        layer_weights: Sequence[float] = (),
        stop_gradient: Literal["none", "speech", "text"] = "none",
        soft_gradient: Literal["fixed", "through"] = "fixed",
    ) -> None:
        super().__init__()
        self.kind = kind_of(alignment)
        self.options = dict(options or {})
        if alignment != "forced":  # whose durations come with each batch
            make_options(alignment, self.options)
        distance_of(distance)
        if layers and layer_weights and len(layers) != len(layer_weights):
            raise JointstError(f"{len(layer_weights)} layer weights for {len(layers)} layers")
        if layer_weights and not (min(layer_weights) >= 0 and sum(layer_weights) > 0):
            raise JointstError(f"layer weights {tuple(layer_weights)}: give weights from 0, and one above")
        if stop_gradient not in ("none", "speech", "text"):
            raise JointstError(f"stop_gradient is {stop_gradient!r}: give none, speech or text")
        if soft_gradient != "fixed" and (alignment, soft_gradient) != ("sinkhorn", "through"):
            raise JointstError(f"soft_gradient is {soft_gradient!r}: give fixed, or through with sinkhorn")
        self.alignment, self.distance, self.normalised, self.centred = alignment, distance, normalised, centred
        self.layers, self.layer_weights = tuple(layers), tuple(layer_weights)
        self.stop_gradient, self.soft_gradient = stop_gradient, soft_gradient

    def forward(
        self,
        speech: Sequence[Tensor],
        text: Sequence[Tensor],
        speech_lengths: Tensor,
        text_lengths: Tensor,
        durations: Tensor | None = None,
    ) -> ConsistencyResult:
        """Compare both sides of a batch.

        On a GPU nothing is read back: an utterance that cannot be aligned makes the loss NaN there, while on the CPU
        it is an error.

        Args:
            speech: states (B, N, D of the layer) of every shared layer.
            text: states (B, M, D of the layer) of every shared layer.
            speech_lengths: (B,) int64.
            text_lengths: (B,) int64.
            durations: (B, M) int64, frames of each text position; for ``forced`` only.

        Raises:
            JointstError: layers that are not there, or an utterance that cannot be aligned, with index and lengths.
        """
        layers = self.layers or tuple(range(len(speech)))
        weights = self.layer_weights or (1.0,) * len(layers)
        if len(speech) != len(text) or len(weights) != len(layers) or not all(0 <= k < len(speech) for k in layers):
            raise JointstError(
                f"layers {layers} with {len(weights)} weights, of {len(speech)} speech and {len(text)} text layers"
            )
        options = self.options if durations is None else {**self.options, "durations": durations}
        spoken = [speech[k].detach() if self.stop_gradient == "speech" else speech[k] for k in layers]
        written = [text[k].detach() if self.stop_gradient == "text" else text[k] for k in layers]
        if self.centred:
            sides = [centred(s, t, speech_lengths, text_lengths) for s, t in zip(spoken, written, strict=True)]
            spoken, written = [s for s, _ in sides], [t for _, t in sides]
        compare = self._soft if self.kind.soft else self._hard
        losses = compare(spoken, written, speech_lengths, text_lengths, options)
        total = sum((w * loss for w, loss in zip(weights, losses, strict=True)), losses[0].new_zeros(())) / sum(weights)
        return ConsistencyResult(total=total, layers=dict(zip(layers, losses, strict=True)))

    def _align(self, cost: Tensor, lengths: tuple[Tensor, Tensor], options: Mapping[str, Any]) -> Alignment:
        return self.kind.function(cost, *lengths, make_options(self.alignment, options), cost.device.type == "cpu")

    def _hard(
        self,
        speech: list[Tensor],
        text: list[Tensor],
        speech_lengths: Tensor,
        text_lengths: Tensor,
        options: Mapping[str, Any],
    ) -> list[Tensor]:
        found = self._hard_alignment(speech, text, speech_lengths, text_lengths, options)
        pairs = found.pairs(speech_lengths, text[0].shape[1])
        losses: list[Tensor] = []
        for group in _alike(speech):
            # Layers of one width as one batch: a GPU has a launch for all of them.
            s, t = (torch.cat(side[group]) for side in (speech, text))  # (K' B, ...)
            valid = pairs.valid[group].flatten(0, 1)
            own = None if found.first is None else pairs.speech[group].flatten(0, 1)
            index = pairs.text[group].flatten(0, 1)
            distance = aligned_distance(s, t, index, own, kind=self.distance, normalised=self.normalised)
            means = torch.where(valid, distance, 0.0).sum(1) / valid.sum(1)
            means = torch.where(found.total[group].flatten().isfinite(), means, torch.nan)
            losses += means.view(-1, len(speech_lengths)).mean(1)
        return losses

    @torch.no_grad()
    def _hard_alignment(
        self,
        speech: list[Tensor],
        text: list[Tensor],
        speech_lengths: Tensor,
        text_lengths: Tensor,
        options: Mapping[str, Any],
    ) -> Alignment:
        """Of all layers, (K, B): one kernel launch for each slice of utterances whose distances fit ``COST_BYTES``."""
        batch, frames, positions = len(speech_lengths), speech[0].shape[1], text[0].shape[1]
        wide = widen(speech[0][:0]).dtype
        if not self.kind.reads_cost:  # one number in the place of all distances
            cost = speech[0].new_zeros((), dtype=wide).expand(len(speech), batch, frames, positions)
            return self._align(cost, (speech_lengths, text_lengths), options)
        rows = max(1, COST_BYTES // (4 * len(speech) * frames * positions))
        found = []
        for first in range(0, batch, rows):
            part = slice(first, first + rows)
            shape = (len(speech), len(speech_lengths[part]), frames, positions)
            cost = torch.empty(shape, dtype=wide, device=speech[0].device)
            for group in _alike(speech):
                s, t = (torch.cat([states[part] for states in side[group]]) for side in (speech, text))
                out = cost[group].flatten(0, 1)
                pairwise_distance(s, t, self.distance, normalised=self.normalised, out=out)
            try:
                found.append(self._align(cost, (speech_lengths[part], text_lengths[part]), options))
            except AlignmentError as error:
                raise error.shifted(first) from None
        return found[0] if len(found) == 1 else _joined(found)

    def _soft(
        self,
        speech: list[Tensor],
        text: list[Tensor],
        speech_lengths: Tensor,
        text_lengths: Tensor,
        options: Mapping[str, Any],
    ) -> list[Tensor]:
        distances = torch.stack(
            [
                pairwise_distance(s, t, self.distance, normalised=self.normalised)
                for s, t in zip(speech, text, strict=True)
            ]
        )
        cost = distances if self.soft_gradient == "through" else distances.detach()
        found = self._align(cost, (speech_lengths, text_lengths), options)
        assert found.weights is not None
        weights = found.weights if self.soft_gradient == "through" else found.weights.detach()
        means = (weights * distances).sum((-1, -2)) / weights.sum((-1, -2))  # (K, B)
        return list(torch.where(found.total.isfinite(), means, torch.nan).mean(1))


def _alike(states: Sequence[Tensor]) -> list[slice]:
    """Layers that follow each other with the same width."""
    widths = [layer.shape[-1] for layer in states]
    firsts = [k for k, width in enumerate(widths) if k == 0 or width != widths[k - 1]]
    return [slice(first, end) for first, end in zip(firsts, [*firsts[1:], len(widths)])]


def _joined(parts: list[Alignment]) -> Alignment:
    """Hard alignments (K, b) of slices of a batch, as one (K, B)."""
    first = [part.first for part in parts if part.first is not None]
    return Alignment(
        total=torch.cat([part.total for part in parts], 1),
        index=torch.cat([part.index for part in parts if part.index is not None], 1),
        first=torch.cat(first, 1) if first else None,
    )
