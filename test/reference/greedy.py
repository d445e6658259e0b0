"""Slow, obvious greedy search: one utterance, one position, one label at a time."""

from __future__ import annotations

import torch
from reference.phrases import Bonus
from torch import Tensor

from jointst.decoding.hypothesis import Hypothesis
from jointst.nn.decoder import TransducerDecoder


@torch.inference_mode()
def one_at_a_time(decoder: TransducerDecoder, states: Tensor, limit: int, bonus: Bonus | None = None) -> Hypothesis:
    """Greedy search over encoder states (T, D); a position emits at most ``limit`` labels, raised by a bonus."""
    hypothesis = Hypothesis()
    for t in range(len(states)):
        for _ in range(limit):
            labels = torch.tensor([hypothesis.labels], dtype=torch.int64, device=states.device)
            predicted = decoder.predictor(labels)[:, -1]
            blank, scores = decoder.joiner.log_probs(
                decoder.joiner.project_encoder(states[t : t + 1]), decoder.joiner.project_predictor(predicted)
            )
            raised = scores[0].clone()
            if bonus is not None:
                raised += raised.new_tensor([bonus.gain(hypothesis.labels, k + 1) for k in range(len(raised))])
            if raised.max() <= blank[0]:
                break
            best = int(raised.argmax())
            hypothesis.labels.append(best + 1)
            hypothesis.positions.append(t)
            hypothesis.log_probs.append(float(scores[0, best]))
    return hypothesis
