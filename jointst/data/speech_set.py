"""What is asked of utterances with features, wherever their tables are kept.

N utterances, T frames, F values of a frame.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointst.common.errors import DataError
from jointst.common.units import positions_in
from jointst.data.batch import PairedBatch, TextBatch
from jointst.data.read_features import Augment, read_features
from jointst.data.sizes import Sizes, SizeTable
from jointst.data.windows import Group
from jointst.kaldi.durations import FIX


class SpeechSet(ABC):
    """Utterances with features, in memory (:class:`jointst.data.dataset.PairedSet`) or in stores on disk.

    Attributes:
        utterances: their names.
        frames: (N,) of each.
        augment: what changes the audio of training speech whose features are made each time; None for nothing.
    """

    utterances: Sequence[str]
    frames: NDArray[np.integer[Any]]
    augment: Augment | None = None

    @abstractmethod
    def place(self, i: int) -> str:
        """Where the features of utterance ``i`` are, as ``feats.scp`` says."""

    @property
    @abstractmethod
    def groups(self) -> Sequence[Group]:
        """The utterances of each language, in the order of their codes."""

    @abstractmethod
    def text_batch(self, indices: Sequence[int]) -> TextBatch:
        """The transcripts at ``indices``."""

    @abstractmethod
    def paired_sizes(self, subsampling: int) -> SizeTable:
        """What each utterance costs at a subsampling factor."""

    @abstractmethod
    def durations_of(self, i: int) -> Tensor | None:
        """Durations of the phones of utterance ``i``; None where the text encoder wants none."""

    def check_durations(self, subsampling: int) -> None:
        """Check that the durations of each utterance sum to its encoder positions.

        Raises:
            DataError: they do not, by name.
        """
        for i, frames in enumerate(self.frames.tolist()):
            counts = self.durations_of(i)
            if counts is None:
                return
            positions = positions_in(frames, subsampling)
            if int(counts.sum()) != positions:
                problem = f"has durations that sum to {int(counts.sum())}, its speech has {positions} positions"
                raise DataError(problem, utterance=self.utterances[i], fix=f"its features are others: {FIX}")

    def features(self, i: int, step: int | None = None) -> Tensor:
        """Features of utterance ``i``, (T, F) float32, as they are, or as a step of the training changes them.

        Raises:
            DataError: they cannot be read or made, by name.
        """
        utterance = self.utterances[i]
        change = None if step is None or self.augment is None else partial(self.augment, utterance=utterance, step=step)
        return read_features(self.place(i), utterance, change)

    def paired_batch(self, indices: Sequence[int], step: int | None = None) -> PairedBatch:
        """The utterances at ``indices``; ``step`` as for :meth:`features`."""
        features = [self.features(i, step) for i in indices]
        text = self.text_batch(indices)
        return PairedBatch(
            utterances=text.utterances,
            languages=text.languages,
            features=torch.nn.utils.rnn.pad_sequence(features, batch_first=True),
            feature_lengths=torch.tensor([len(matrix) for matrix in features], dtype=torch.int64),
            phones=text.phones,
            phone_lengths=text.phone_lengths,
            labels=text.labels,
            label_lengths=text.label_lengths,
            durations=text.durations,
        )


def speech_sizes(frames: NDArray[np.integer[Any]], labels: NDArray[np.int64], subsampling: int) -> Sizes:
    """What utterances of so many frames and labels cost, (N,) both."""
    positions = frames.astype(np.int64)
    return Sizes(positions=positions, encoded=-(-positions // subsampling), labels=labels)
