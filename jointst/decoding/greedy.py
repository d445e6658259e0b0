"""Greedy search, all utterances of a batch together.

B batch, R utterances not yet finished, K positions of a block, T positions, J joint features, V labels with the blank.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from jointst.decoding.hypothesis import Hypothesis
from jointst.decoding.phrase_tree import PhraseTree
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.predictor import BLANK

_SMALLEST_BLOCK = 4
_LARGEST_BLOCK = 1024
"""Positions that are looked at together, over all utterances."""
_GPU_STEPS = 8
"""Steps between looks at what is finished: each look waits for the GPU."""


@dataclass(kw_only=True)
class _Rows:
    """The utterances that are not finished, or were not when last looked at.

    Attributes:
        utterances: (R,) their places in the batch.
        lengths: (R,) valid positions.
        position: (R,) where the search is.
        emitted_here: (R,) labels emitted at that position.
        state: (R, ...) of the predictor.
        predicted: (R, J) projected outputs of the predictor.
        phrase: (R,) states in the tree of phrases; (R, 0) without phrases.
    """

    utterances: Tensor
    lengths: Tensor
    position: Tensor
    emitted_here: Tensor
    state: Tensor
    predicted: Tensor
    phrase: Tensor

    def keep(self, index: Tensor) -> _Rows:
        """Those of ``index`` alone."""
        return _Rows(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


@dataclass(kw_only=True)
class _Step:
    """What one step found for each row: whether it emitted which label where, and the label's log probability."""

    utterances: Tensor
    emits: Tensor
    labels: Tensor
    positions: Tensor
    log_probs: Tensor


@torch.inference_mode()
def greedy_search(
    decoder: TransducerDecoder,
    encoded: Tensor,
    lengths: Tensor,
    max_labels_per_position: int,
    phrases: PhraseTree | None = None,
) -> list[Hypothesis]:
    """The most likely choice at every step: the blank moves to the next position, a label stays.

    Every utterance walks its own lattice. One step of the loop looks at a block of positions with the predictor as it
    is, skips the blanks, and takes the first label: blanks leave the predictor alone, so the outcome is that of one
    position at a time. Blocks grow while few utterances emit.

    A label that goes deeper in a phrase has its bonus before blank and labels are compared. Nothing is taken back where
    a phrase is left: that puts a hypothesis behind others, and there are none here, where it would only make the blank
    win and the label be lost.

    Args:
        decoder: predictor and joiner.
        encoded: (B, T, D).
        lengths: (B,) valid positions.
        max_labels_per_position: a position that has emitted so many is left.
        phrases: whose labels are raised.

    Returns:
        B hypotheses.
    """
    batch, device = len(encoded), encoded.device
    projected = decoder.joiner.project_encoder(encoded)  # (B, T, J)
    state = decoder.predictor.initial_state(batch, device)
    rows = _Rows(
        utterances=torch.arange(batch, device=device),
        lengths=lengths,
        position=torch.zeros(batch, dtype=torch.int64, device=device),
        emitted_here=torch.zeros(batch, dtype=torch.int64, device=device),
        state=state,
        predicted=decoder.joiner.project_predictor(decoder.predictor.output(state)),
        phrase=torch.zeros(batch, 0, device=device) if phrases is None else phrases.initial_state(batch),
    )
    steps: list[_Step] = []
    block, every = _SMALLEST_BLOCK, _GPU_STEPS if device.type == "cuda" else 1
    while True:
        if len(steps) % every == 0:
            active = rows.position < rows.lengths
            emitting = int(steps[-1].emits.sum()) if steps else 0
            count = int(active.sum())
            if count == 0:
                return _collect(steps, batch)
            if 2 * count <= len(active):
                rows = rows.keep(active.nonzero().squeeze(1))
            block = _next_block(block, emitting, count)
        steps.append(_advance(decoder, projected, rows, block, max_labels_per_position, phrases))


def _next_block(block: int, emitting: int, rows: int) -> int:
    """Positions of the next block: twice as many if few rows have found a label, half if nearly all have."""
    if 2 * emitting < rows:
        block *= 2
    elif 10 * emitting > 9 * rows:
        block //= 2
    return max(_SMALLEST_BLOCK, min(block, _LARGEST_BLOCK // rows))


def _advance(
    decoder: TransducerDecoder, projected: Tensor, rows: _Rows, block: int, limit: int, phrases: PhraseTree | None
) -> _Step:
    """Move every row beyond its block, or to its first label."""
    joiner, last = decoder.joiner, projected.shape[1] - 1
    offsets = torch.arange(block, device=projected.device)
    places = rows.position[:, None] + offsets  # (R, K)
    sides = projected[rows.utterances[:, None], places.clamp_max(last)], rows.predicted[:, None]
    raised = None if phrases is None else phrases.most(rows.phrase)[:, None]
    may = joiner.may_emit(*sides, raised) & (places < rows.lengths[:, None])
    first = torch.where(may, offsets, block).amin(1)
    found = first < block
    at = rows.position + first
    log_blank, log_labels = joiner.log_probs(projected[rows.utterances, at.clamp_max(last)], rows.predicted)
    score, label = (log_labels if phrases is None else log_labels + phrases.gains(rows.phrase)).max(-1)
    log_label = score if phrases is None else log_labels.gather(1, label[:, None])[:, 0]
    label = label + BLANK + 1
    emits = found & (score > log_blank)
    emitted_here = torch.where(first == 0, rows.emitted_here, 0) + emits
    stays = emits & (emitted_here < limit)
    rows.position = at + (found & ~stays)
    rows.emitted_here = torch.where(stays, emitted_here, 0)
    rows.state = decoder.predictor.step(rows.state, label, emits)
    rows.predicted = joiner.project_predictor(decoder.predictor.output(rows.state))
    if phrases is not None:
        rows.phrase = phrases.step(rows.phrase, label, emits)
    return _Step(utterances=rows.utterances, emits=emits, labels=label, positions=at, log_probs=log_label)


def _collect(steps: list[_Step], batch: int) -> list[Hypothesis]:
    hypotheses = [Hypothesis() for _ in range(batch)]
    if not steps:
        return hypotheses
    emits = torch.cat([step.emits for step in steps])
    names = ("utterances", "labels", "positions", "log_probs")
    columns = (torch.cat([getattr(step, name) for step in steps])[emits].tolist() for name in names)
    for utterance, label, position, log_prob in zip(*columns, strict=True):
        hypotheses[utterance].labels.append(label)
        hypotheses[utterance].positions.append(position)
        hypotheses[utterance].log_probs.append(log_prob)
    return hypotheses
