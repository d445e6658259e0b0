"""Hypotheses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from jointst.common.units import Seconds

SPACE = "\u2581"
"""How sentencepiece writes a space inside pieces."""


@dataclass(kw_only=True)
class Hypothesis:
    """What a search found for one utterance.

    Attributes:
        labels: label ids.
        positions: the encoder position that emitted each label.
        log_probs: log P(label) at its emission.
        score: total score of the labels, blanks and language models included; None from a search that keeps none.
    """

    labels: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    score: float | None = None

    @property
    def confidence(self) -> list[float]:
        """P(label) at its emission, for each label."""
        return [math.exp(log_prob) for log_prob in self.log_probs]

    def times(self, seconds_per_position: Seconds) -> list[Seconds]:
        """When each label was emitted, from the start of the audio."""
        return [round(position * seconds_per_position, 3) for position in self.positions]


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a hypothesis.

    Attributes:
        word: its letters.
        time: when its first label was emitted.
        confidence: that of its least certain label.
    """

    word: str
    time: Seconds
    confidence: float


def words_of_pieces(pieces: Sequence[str], times: Sequence[Seconds], confidence: Sequence[float]) -> list[Word]:
    """The words between spaces; text that is written without spaces is one word.

    Args:
        pieces: piece of each label, with :data:`SPACE` for spaces.
        times: emission time of each label.
        confidence: of each label; that of a space counts for no word.
    """
    words: list[Word] = []
    open_word = False
    for piece, time, value in zip(pieces, times, confidence, strict=True):
        for i, part in enumerate(piece.split(SPACE)):
            open_word = open_word and i == 0
            if part and open_word:
                last = words[-1]
                words[-1] = Word(word=last.word + part, time=last.time, confidence=min(last.confidence, value))
            elif part:
                words.append(Word(word=part, time=time, confidence=value))
                open_word = True
    return words
