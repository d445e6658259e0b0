"""Slow, obvious greedy search: one utterance, one position, one label at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from jointst.decoding.hypothesis import Hypothesis
from jointst.nn.decoder import TransducerDecoder


@torch.inference_mode()
def one_at_a_time(decoder: TransducerDecoder, states: Tensor, limit: int) -> Hypothesis:
    """Greedy search over encoder states (T, D); a position emits at most ``limit`` labels."""
    hypothesis = Hypothesis()
    for t in range(len(states)):
        for _ in range(limit):
            labels = torch.tensor([hypothesis.labels], dtype=torch.int64, device=states.device)
            predicted = decoder.predictor(labels)[:, -1]
            blank, scores = decoder.joiner.log_probs(
                decoder.joiner.project_encoder(states[t : t + 1]), decoder.joiner.project_predictor(predicted)
            )
            if scores[0].max() <= blank[0]:
                break
            hypothesis.labels.append(int(scores[0].argmax()) + 1)
            hypothesis.positions.append(t)
            hypothesis.log_probs.append(float(scores[0].max()))
    return hypothesis
