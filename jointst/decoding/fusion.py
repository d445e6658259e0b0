"""What language models and phrases add to the score of a label during search.

B rows (any utterances and hypotheses), V labels with the blank, J joint features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from jointst.decoding.phrase_tree import PhraseTree
from jointst.nn.decoder import TransducerDecoder


class LanguageModel(ABC):
    """A language model over labels; its state is one tensor whose first dimension is the rows, so rows are picked by
    indexing it."""

    @abstractmethod
    def initial_state(self, batch: int) -> Tensor:
        """The state before the first label, (B, ...)."""

    @abstractmethod
    def score(self, state: Tensor) -> Tensor:
        """log P(next label), (B, V-1), where entry k is label k+1."""

    @abstractmethod
    def end(self, state: Tensor) -> Tensor:
        """log P(the sentence ends here), (B,)."""

    @abstractmethod
    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The state after ``labels`` (B,), in the rows where ``emitted`` (B,) is true."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of the parts of a label's score.

    A label scores log P + ``lm`` * log P_LM - ``ilm`` * log P_ILM + ``bonus`` (arXiv 2003.07705, section 3.3), the
    end of the sentence ``lm`` * log P_LM(end).

    Attributes:
        lm: of the external language model.
        ilm: of the internal one, which is subtracted.
        bonus: added for each label.
    """

    lm: float = 0.0
    ilm: float = 0.0
    bonus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """A language model with its weights, and phrases; without any, a search scores by the transducer alone.

    Attributes:
        lm: the external language model.
        weights: of the parts.
        phrases: whose labels are raised.
    """

    lm: LanguageModel | None = None
    weights: Weights = Weights()
    phrases: PhraseTree | None = None

    @property
    def may_raise(self) -> bool:
        """Whether a label may score above 0, so that a hypothesis may rise again."""
        return self.weights.ilm > 0 or self.weights.bonus > 0 or self.phrases is not None

    @property
    def _external(self) -> LanguageModel | None:
        """The external model, unless its weight turns it off."""
        return self.lm if self.weights.lm != 0 else None

    def initial_state(self, batch: int, device: torch.device) -> Tensor:
        """The external model's state before the first label; (B, 0) where none is used."""
        lm = self._external
        return torch.zeros(batch, 0, device=device) if lm is None else lm.initial_state(batch)

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The external model's next state."""
        lm = self._external
        return state if lm is None else lm.step(state, labels, emitted)

    def label_scores(self, decoder: TransducerDecoder, state: Tensor, predicted: Tensor) -> Tensor | None:
        """What the language models add to log P of every label, (B, V-1); None for nothing.

        Args:
            decoder: the transducer decoder, for its internal language model.
            state: the external model's, (B, ...).
            predicted: the predictor's projected output, (B, J).
        """
        weights, lm = self.weights, self._external
        if weights == Weights():
            return None
        added = predicted.new_full((len(predicted), decoder.vocabulary - 1), weights.bonus, dtype=torch.float32)
        if lm is not None:
            added = added + weights.lm * lm.score(state)
        if weights.ilm != 0:
            added = added - weights.ilm * decoder.joiner.internal_lm(predicted)
        return added

    def initial_phrase(self, batch: int, device: torch.device) -> Tensor:
        """The phrases' state before the first label, (B,); (B, 0) where there are none."""
        return torch.zeros(batch, 0, device=device) if self.phrases is None else self.phrases.initial_state(batch)

    def step_phrase(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The phrases' next state."""
        return state if self.phrases is None else self.phrases.step(state, labels, emitted)

    def end_scores(self, state: Tensor, phrase: Tensor) -> Tensor | None:
        """What the end of the sentence adds, (B,), in states of model and phrases; None for nothing."""
        lm = self._external
        parts = [] if lm is None else [self.weights.lm * lm.end(state)]
        parts += [] if self.phrases is None else [self.phrases.end(phrase)]
        return sum(parts[1:], parts[0]) if parts else None
