"""Greedy search, all utterances of a batch together.

B batch, T positions, V labels with the blank, J joint features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.decoding.hypothesis import Hypothesis
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.predictor import BLANK


@torch.inference_mode()
def greedy_search(
    decoder: TransducerDecoder, encoded: Tensor, lengths: Tensor, max_labels_per_position: int
) -> list[Hypothesis]:
    """The most likely choice at every step: the blank moves to the next position, a label stays.

    Every utterance walks its own lattice; one step of the loop advances all that are not finished, each by one
    blank or one label.

    Args:
        decoder: predictor and joiner.
        encoded: (B, T, D).
        lengths: (B,) valid positions.
        max_labels_per_position: a position that has emitted so many is left.

    Returns:
        B hypotheses.
    """
    batch, device = len(encoded), encoded.device
    rows = torch.arange(batch, device=device)
    projected = decoder.joiner.project_encoder(encoded)  # (B, T, J)
    state = decoder.predictor.initial_state(batch, device)
    predicted = decoder.joiner.project_predictor(decoder.predictor.output(state))  # (B, J)
    position = torch.zeros(batch, dtype=torch.int64, device=device)
    emitted_here = torch.zeros_like(position)
    steps: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    while bool((active := position < lengths).any()):
        place = position.clamp_max(encoded.shape[1] - 1)
        log_blank, log_labels = decoder.joiner.log_probs(projected[rows, place], predicted)
        log_label, label = log_labels.max(-1)
        label = label + BLANK + 1
        emits = active & (log_label > log_blank)
        steps.append((emits, label, position.clone(), log_label))
        state = decoder.predictor.step(state, label, emits)
        predicted = decoder.joiner.project_predictor(decoder.predictor.output(state))
        emitted_here = emitted_here + emits
        moves = ~emits | (emitted_here >= max_labels_per_position)
        position = position + moves
        emitted_here = torch.where(moves, 0, emitted_here)
    return _collect(steps, batch)


def _collect(steps: list[tuple[Tensor, Tensor, Tensor, Tensor]], batch: int) -> list[Hypothesis]:
    hypotheses = [Hypothesis() for _ in range(batch)]
    if not steps:
        return hypotheses
    emits, labels, positions, log_probs = (torch.stack(column).cpu() for column in zip(*steps, strict=True))
    for step, row in emits.nonzero().tolist():
        hypotheses[row].labels.append(int(labels[step, row]))
        hypotheses[row].positions.append(int(positions[step, row]))
        hypotheses[row].log_probs.append(float(log_probs[step, row]))
    return hypotheses
