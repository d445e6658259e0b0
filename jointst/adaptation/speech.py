"""Speech of the old domain, through the frozen audio encoder once and for all: to rehearse on, and to be judged by.

N positions, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from jointst.common.errors import DataError
from jointst.common.languages import language
from jointst.common.progress import progress
from jointst.config import Config
from jointst.data.dataset import PairedSet, batches_in_order
from jointst.data.sizes import Sizes
from jointst.data.symbols import Symbols
from jointst.decoding.greedy import greedy_search
from jointst.kaldi.directory import DataDirectory
from jointst.losses.transducer import transducer_losses
from jointst.models.joint import JointModel
from jointst.models.objective import Branch
from jointst.scoring.counts import Counts, characters_of, count, total
from jointst.text.normalise import for_scoring

BATCH = 32
"""Utterances that are encoded or decoded together."""
MOST_POSITIONS = 200_000
"""Positions that are kept in memory: at 40 ms more than two hours."""


class Speech:
    """Utterances as the shared encoders see them.

    Args:
        model: whose audio encoder reads them.
        folder: a data directory with features, as stage 4 leaves it.
        symbols: symbol tables of the model.
        config: its settings.

    Attributes:
        paired: the utterances that are kept, evenly spread over the folder where it has too many.
        of: how many the folder has.

    Raises:
        DataError: there is no such folder, or an utterance has no features or phones.
    """

    def __init__(self, model: JointModel, folder: Path, symbols: Symbols, config: Config) -> None:
        directory = DataDirectory.read(folder)
        self.of = len(directory.text)
        frames = sum(directory.utt2num_frames.values())
        keep = MOST_POSITIONS * model.config.subsampling / max(1, frames)
        if keep < 1:
            names = directory.utterances
            directory = directory.subset({names[int(i / keep)] for i in range(int(keep * len(names)))})
        self.paired = PairedSet([directory], symbols)
        self._texts = [directory.text[key] for key in directory.utterances]
        self._tokenizer, self._most_labels = symbols.tokenizer, config.decoding.max_labels_per_position
        _check_features(folder, config.input_width, self.paired)
        self._states = _encoded(model, self.paired, folder)

    @property
    def sizes(self) -> Sizes:
        """What each utterance costs; positions are those of the encoders."""
        lengths = np.array([len(states) for states in self._states], dtype=np.int64)
        return Sizes(positions=lengths, encoded=lengths, labels=self.paired.labels.lengths)

    def branch(self, indices: Sequence[int]) -> Branch:
        """Some utterances on their way into the shared encoders."""
        states = [self._states[i] for i in indices]
        lengths = torch.tensor([len(own) for own in states])
        batch = self.paired.batch(indices)
        front = pad_sequence(states, batch_first=True)
        return Branch(name="speech", front=front, lengths=lengths, batch=batch, positions=lengths.tolist())

    @torch.inference_mode()
    def judge(self, model: JointModel) -> Judgement:
        """The losses of both decoders, and the errors of greedy search."""
        losses = labels = 0.0
        errors: list[Counts] = []
        order = [index for batch in batches_in_order(self.paired, BATCH) for index in batch]
        for first in range(0, len(order), BATCH):
            indices = order[first : first + BATCH]
            branch = self.branch(indices)
            losses += summed_loss(model, branch)
            labels += sum(branch.batch.label_counts)
            errors += self._errors(model, branch, indices)
        summed = total(errors)
        return Judgement(loss=losses / max(1.0, labels), errors=summed.errors, length=summed.length)

    def _errors(self, model: JointModel, branch: Branch, indices: Sequence[int]) -> list[Counts]:
        encoded = model.encode_shared(branch.front, branch.lengths, branch.batch.languages)
        found = greedy_search(model.full_context_decoder, encoded.full_context, encoded.lengths, self._most_labels)
        decode = self._tokenizer.decode
        return [
            _count(self._texts[index], decode(hypothesis.labels), self.paired.languages[index])
            for index, hypothesis in zip(indices, found, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How well a model does on speech.

    Attributes:
        loss: mean of the decoders there are, for each label.
        errors, length: of the full-context decoder, in words (characters where the language has no spaces).
    """

    loss: float
    errors: int
    length: int

    @property
    def rate(self) -> float:
        """Errors for each word."""
        return self.errors / max(1, self.length)


def _count(reference: str, hypothesis: str, lang: str) -> Counts:
    reference, hypothesis = (for_scoring(text, lang) for text in (reference, hypothesis))
    if language(lang).has_spaces:
        return count(reference.split(), hypothesis.split())
    return count(characters_of(reference, lang), characters_of(hypothesis, lang))


@torch.inference_mode()
def summed_loss(model: JointModel, branch: Branch) -> float:
    """The exact losses of a batch, summed over utterances, the mean of the decoders there are."""
    encoded = model.encode_shared(branch.front, branch.lengths, branch.batch.languages)
    labels, lengths = branch.batch.labels, branch.batch.label_lengths
    found = [
        transducer_losses(model.decoder(name), encoded.states_of(name), encoded.lengths, labels, lengths)
        for name in model.config.decoders
    ]
    return sum(float(one.losses.sum()) for one in found) / len(found)


@torch.no_grad()  # not inference_mode, whose tensors no gradient may go through later on
def _encoded(model: JointModel, paired: PairedSet, folder: Path) -> list[Tensor]:
    """The audio encoder's output for each utterance, (N, D)."""
    states: list[Tensor | None] = [None] * len(paired.utterances)
    batches = batches_in_order(paired, BATCH)
    for indices in progress(batches, desc=f"encode {folder.name}", unit="batch"):
        batch = paired.paired_batch(indices)
        encoded, lengths = model.encode_audio(batch.features, batch.feature_lengths)
        for row, index in enumerate(indices):
            states[index] = encoded[row, : int(lengths[row])].clone()
    return [own for own in states if own is not None]


def _check_features(folder: Path, width: int, paired: PairedSet) -> None:
    """Features are of the kind that the model hears.

    Raises:
        DataError: they have another width.
    """
    found = paired.features(0).shape[1]
    if found != width:
        problem = f"has features of {found} values a frame, the model hears {width}"
        raise DataError(problem, path=folder / "feats.scp", fix="run stage 4, features, with the model's settings")
