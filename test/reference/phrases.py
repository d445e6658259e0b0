"""Slow, obvious bonus of phrases: by looking at every end of every beginning of a label sequence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jointst.decoding.phrase_tree import Phrase

Labels = tuple[int, ...]


class Bonus:
    """The bonus of label sequences by definition.

    Args:
        phrases: labels and weights.
        space: the label of a space alone, which stands before every utterance.
    """

    def __init__(self, phrases: Sequence[Phrase], space: int | None = None) -> None:
        self._phrases = {phrase.labels for phrase in phrases}
        self._weights: dict[Labels, float] = {(): 0.0}
        for phrase in phrases:
            for end in range(1, len(phrase.labels) + 1):
                beginning = phrase.labels[:end]
                weight = 0.0 if beginning == (space,) else phrase.weight
                self._weights[beginning] = max(weight, self._weights.get(beginning, 0.0))
        self._before: Labels = () if space is None else (space,)
        self.kept = cache(self._kept)

    def begun(self, labels: Labels) -> Labels:
        """The longest end of all labels that begins a phrase."""
        return next(labels[first:] for first in range(len(labels) + 1) if labels[first:] in self._weights)

    def given(self, beginning: Labels) -> float:
        """The weights of all labels of a beginning."""
        return sum(self._weights[beginning[:end]] for end in range(len(beginning) + 1))

    def _kept(self, beginning: Labels) -> float:
        """What finished phrases inside a beginning have kept."""
        if not beginning:
            return 0.0
        before = self.kept(beginning[:-1])
        for first in range(len(beginning)):
            if beginning[first:] in self._phrases:
                inside = before - self.kept(beginning[:first])
                return before + max(0.0, self.given(beginning[first:]) - inside)
        return before

    def total(self, labels: Sequence[int]) -> float:
        """The bonus of a whole sequence: what each of its labels keeps."""
        said, total = self._before, 0.0
        for label in labels:
            said = (*said, label)
            begun = self.begun(said)
            total += self.kept(begun) - self.kept(begun[:-1])
        return total

    def pending(self, labels: Sequence[int]) -> float:
        """What goes back if the sequence ends here."""
        begun = self.begun((*self._before, *labels))
        return max(self.given(begun), self.kept(begun)) - self.kept(begun)

    def gain(self, labels: Sequence[int], label: int) -> float:
        """What a label after others gains by going deeper."""
        deeper = self.begun((*self._before, *labels, label))
        level, before = (max(self.given(part), self.kept(part)) for part in (deeper, deeper[:-1]))
        return level - before
