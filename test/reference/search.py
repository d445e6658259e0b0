"""Slow, obvious search: the score of a path, and of every label sequence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from reference.transducer import loss_by_enumeration
from torch import Tensor

from jointst.decoding.fusion import Fusion
from jointst.nn.decoder import TransducerDecoder


@torch.inference_mode()
def path_score(decoder: TransducerDecoder, states: Tensor, labels: list[int], positions: list[int]) -> float:
    """log P of one path: ``labels`` at ``positions``, a blank at the end of each of the T positions.

    Args:
        decoder: predictor and joiner.
        states: (T, D).
        labels: label ids.
        positions: where each is emitted.
    """
    score, u = 0.0, 0
    for t in range(len(states)):
        while True:
            predicted = decoder.predictor(torch.tensor([labels[:u]], dtype=torch.int64))[:, -1]
            log_blank, log_labels = decoder.joiner.log_probs(
                decoder.joiner.project_encoder(states[t : t + 1]), decoder.joiner.project_predictor(predicted)
            )
            if u == len(labels) or positions[u] > t:
                break
            score += float(log_labels[0, labels[u] - 1])
            u += 1
        score += float(log_blank[0])
    return score


@torch.inference_mode()
def fusion_score(decoder: TransducerDecoder, fusion: Fusion, labels: list[int]) -> float:
    """What the language models add to a label sequence, label by label."""
    score = 0.0
    weights, everywhere = fusion.weights, torch.ones(1, dtype=torch.bool)
    state = None if fusion.lm is None else fusion.lm.initial_state(1)
    for u, label in enumerate(labels):
        predicted = decoder.predictor(torch.tensor([labels[:u]], dtype=torch.int64))[:, -1]
        internal = decoder.joiner.internal_lm(decoder.joiner.project_predictor(predicted))
        score += weights.bonus - weights.ilm * float(internal[0, label - 1])
        if fusion.lm is not None and state is not None:
            score += weights.lm * float(fusion.lm.score(state)[0, label - 1])
            state = fusion.lm.step(state, torch.tensor([label]), everywhere)
    if fusion.lm is not None and state is not None:
        score += weights.lm * float(fusion.lm.end(state)[0])
    return score


def _scores(decoder: TransducerDecoder, states: Tensor, labels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Of the whole lattice of one utterance, (1, T, U+1) and (1, T, U)."""
    given = torch.tensor([labels], dtype=torch.int64)
    return decoder.lattice(states[None], decoder.predictor(given), given)


@torch.inference_mode()
def best_by_enumeration(
    decoder: TransducerDecoder, states: Tensor, longest: int, fusion: Fusion | None = None
) -> list[tuple[float, list[int]]]:
    """All sequences of at most ``longest`` labels with their scores over all alignments, the best first."""
    found = []
    for count in range(longest + 1):
        for labels in product(range(1, decoder.vocabulary), repeat=count):
            log_blank, log_label = _scores(decoder, states, labels)
            score = -float(loss_by_enumeration(log_blank[0].double(), log_label[0].double()))
            if fusion is not None:
                score += fusion_score(decoder, fusion, list(labels))
            found.append((score, list(labels)))
    return sorted(found, reverse=True)
