"""Audio features, and which labels are forced where; the weights by which a joiner answers with them.

Joint unit 0 is on when an even label is due and the last one was odd, unit 1 when an odd label is due and the last one
was even; labels alternate, the start counts as odd. So a label that has been emitted is no longer due, though the
encoder's state is the same. The other units carry a code of the label, which the output layer compares with all codes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

DIM = 128
"""Width of encoder states, predictors and joiners."""
VOCABULARY = 500
"""Labels with the blank."""
MEL_BINS = 80
POSITIONS_PER_SECOND = 25
"""10 ms frames, subsampled by 4."""
DUE = 3.0
"""What the encoder adds to the unit of a label that is due, and takes away where none is."""
DONE = -6.0
"""What the predictor adds to unit 0 after an even label, to unit 1 after an odd one."""
CERTAINTY = 20.0
"""Logit of the blank, negative where a label is due."""


def codes() -> Tensor:
    """(V, DIM - 2) of +1 and -1."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 2, (VOCABULARY, DIM - 2), generator=generator).float() * 2 - 1


def output_weights() -> tuple[Tensor, Tensor]:
    """Weight (V, DIM) and bias (V,) of the joiner's output layer."""
    weight = torch.cat([torch.zeros(VOCABULARY, 2), 0.1 * codes()], dim=1)
    weight[0] = 0.0
    weight[0, :2] = -CERTAINTY
    bias = torch.zeros(VOCABULARY)
    bias[0] = -CERTAINTY
    return weight, bias


def encoder_scale() -> Tensor:
    """(DIM,) by which the joiner's projection multiplies encoder states."""
    return torch.cat([torch.full((2,), DUE), torch.ones(DIM - 2)])


@dataclass(kw_only=True)
class Task:
    """The same for every system.

    Attributes:
        name: for messages.
        seconds: of audio in all.
        utterance_seconds: of each utterance.
        rate: labels a second, evenly spaced; 0 for blank only.
        features: (B, frames, mel bins).
        states: (B, T, DIM), what the encoder would say.
        labels: forced labels of each utterance.
    """

    name: str
    seconds: float
    utterance_seconds: float
    rate: float
    features: Tensor = field(init=False)
    states: Tensor = field(init=False)
    labels: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        batch = max(1, round(self.seconds / self.utterance_seconds))
        positions = round(self.utterance_seconds * POSITIONS_PER_SECOND)
        self.features = torch.randn(batch, 4 * positions, MEL_BINS, generator=generator)
        self.states = torch.zeros(batch, positions, DIM)
        self.states[:, :, :2] = -1.0
        count = round(self.utterance_seconds * self.rate)
        code = codes()
        self.labels = []
        for b in range(batch):
            labels = 2 * torch.randint(1, VOCABULARY // 2 - 1, (count,), generator=generator) + torch.arange(count) % 2
            places = (torch.arange(count) * POSITIONS_PER_SECOND / max(self.rate, 1e-9)).long()
            self.states[b, places, torch.arange(count) % 2] = 1.0
            self.states[b, places, 2:] = code[labels]
            self.labels.append(labels.tolist())

    @property
    def description(self) -> str:
        """What is forced, in a sentence."""
        total = sum(map(len, self.labels))
        return (
            f"{total} labels of {VOCABULARY} are forced over {self.states.shape[0] * self.states.shape[1]} positions, "
            "at most one at a position; width of states and joiner "
            f"{DIM}."
        )

    def check(self, method: str, found: object) -> None:
        """End the run unless a search has found what was forced."""
        assert isinstance(found, Sequence)
        if list(found) != self.labels:
            sys.exit(f"{self.name}: {method} has not found the forced labels")
