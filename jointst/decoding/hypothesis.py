"""Hypotheses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from jointst.units import Seconds


@dataclass(kw_only=True)
class Hypothesis:
    """What a search found for one utterance.

    Attributes:
        labels: label ids.
        positions: the encoder position that emitted each label.
        log_probs: log P(label) at its emission.
    """

    labels: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)

    @property
    def confidence(self) -> list[float]:
        """P(label) at its emission, for each label."""
        return [math.exp(log_prob) for log_prob in self.log_probs]

    def times(self, seconds_per_position: Seconds) -> list[Seconds]:
        """When each label was emitted, from the start of the audio."""
        return [round(position * seconds_per_position, 3) for position in self.positions]
