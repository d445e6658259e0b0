"""Data directories to batches: features of stage 4, labels from the tokenizer, phones from the lexicon stage."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointst.data.batch import LABEL_PADDING, JointBatch, PairedBatch, TextBatch, pad_ids
from jointst.data.directory import DataDirectory
from jointst.data.durations import FIX, durations_of
from jointst.data.names import Names
from jointst.data.sampler import BucketSampler, Sizes
from jointst.data.speed import speed_directory
from jointst.data.stored import Augment, read_features
from jointst.data.strings import Strings
from jointst.data.worst import costly, worst, worst_pairs
from jointst.errors import DataError
from jointst.progress import progress
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import Tokenizer
from jointst.units import positions_in

PHONE_PADDING = 0
SHOWN = 20
"""Utterances named in a message at most."""


@dataclass(frozen=True, kw_only=True)
class Symbols:
    """Both symbol tables of an experiment.

    Attributes:
        tokenizer: labels of text.
        phones: input of the text encoder.
        text_input: whether the text encoder reads phones or word pieces.
    """

    tokenizer: Tokenizer
    phones: PhoneTable
    text_input: str

    @property
    def input_size(self) -> int:
        """Symbols that the text encoder knows."""
        return self.phones.size if self.text_input == "phones" else self.tokenizer.size

    def inputs(self, directory: DataDirectory, utterance: str) -> list[int]:
        """Input of the text encoder for an utterance, P ids, at least one.

        Raises:
            DataError: it has no phones.
        """
        if self.text_input == "pieces":
            return self.tokenizer.encode(directory.text[utterance])
        phones = directory.phones.get(utterance, "")
        if not phones:
            raise DataError(
                "has no phones",
                path=directory.path / "phones",
                utterance=utterance,
                fix="run stage 3, lexicon, and look at unknown_<language>.txt",
            )
        return self.phones.encode(phones)

    def labels(self, directory: DataDirectory, utterance: str) -> list[int]:
        """Labels of an utterance, U ids."""
        return self.tokenizer.encode(directory.text[utterance])


class Sequences:
    """Many sequences of ids in one array of 32-bit numbers: a list of tensors would take ten times the memory.

    Args:
        sequences: ids of each.
    """

    def __init__(self, sequences: Iterable[Sequence[int]]) -> None:
        ids, ends = array("i"), array("q", [0])
        for sequence in sequences:
            ids.extend(sequence)
            ends.append(len(ids))
        self._ids = np.frombuffer(ids, dtype=np.int32) if ids else np.empty(0, dtype=np.int32)
        self._ends = np.frombuffer(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, i: int) -> Tensor:
        """Sequence ``i``, (length,) int64."""
        return torch.from_numpy(self._ids[self._ends[i] : self._ends[i + 1]].astype(np.int64))

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each, (N,)."""
        return np.diff(self._ends)


class TextSet:
    """Sentences of some data directories, audio or not.

    Args:
        directories: data directories.
        symbols: symbol tables.
        durations: folder of the durations of their phones, if the text encoder wants them.
        names: of the utterances, where these are not all of their sets.

    Raises:
        DataError: an utterance without phones, or without durations that fit.
    """

    def __init__(
        self,
        directories: Sequence[DataDirectory],
        symbols: Symbols,
        *,
        durations: Path | None = None,
        names: Names | None = None,
    ) -> None:
        names = Names(directories) if names is None else names
        keys = [(directory, utterance) for directory in directories for utterance in directory.utterances]
        self.utterances = [names(directory, utterance) for directory, utterance in keys]
        # interned, since each line read gave a string of its own
        self.languages = [sys.intern(directory.utt2lang.get(utterance, "")) for directory, utterance in keys]
        bar = progress(keys, desc=f"read {' '.join(directory.path.name for directory in directories)}", unit="text")
        self.phones = Sequences(symbols.inputs(directory, utterance) for directory, utterance in bar)
        self.labels = Sequences(symbols.labels(directory, utterance) for directory, utterance in keys)
        self.durations: Sequences | None = None
        if durations is not None:
            self.durations = Sequences(durations_of(durations, directories, self.phones.lengths.tolist()))

    def sizes(self, repeats: int) -> Sizes:
        """What each sentence costs when phones are repeated so often, or as often as their durations say."""
        positions = self.phones.lengths
        encoded = repeats * positions
        if self.durations is not None:
            encoded = np.array([int(counts.clamp_min(1).sum()) for counts in self.durations], dtype=np.int64)
        return Sizes(positions=positions, encoded=encoded, labels=self.labels.lengths)

    def batch(self, indices: Sequence[int]) -> TextBatch:
        """The sentences at ``indices``."""
        phones, phone_lengths = pad_ids([self.phones[i] for i in indices], PHONE_PADDING)
        labels, label_lengths = pad_ids([self.labels[i] for i in indices], LABEL_PADDING)
        return TextBatch(
            utterances=[self.utterances[i] for i in indices],
            phones=phones,
            phone_lengths=phone_lengths,
            labels=labels,
            label_lengths=label_lengths,
            languages=[self.languages[i] for i in indices],
            durations=None if self.durations is None else pad_ids([self.durations[i] for i in indices], 0)[0],
        )


class PairedSet(TextSet):
    """Utterances of some data directories, with features.

    Args:
        directories: data directories.
        symbols: symbol tables.
        may_lack: whether utterances without features are left out, by name; for data whose features stage was allowed
            to fail on some (``features.max_failures``).
        durations: as in :class:`TextSet`.

    Attributes:
        augment: what changes the audio of training speech whose features are made each time; None for nothing.

    Raises:
        DataError: an utterance has no features and may not lack them, or a whole set has none.
    """

    def __init__(
        self,
        directories: Sequence[DataDirectory],
        symbols: Symbols,
        *,
        may_lack: bool = False,
        durations: Path | None = None,
    ) -> None:
        names = Names(directories)
        directories = [_with_features(directory, may_lack) for directory in directories]
        super().__init__(directories, symbols, durations=durations, names=names)
        keys = [(directory, utterance) for directory in directories for utterance in directory.utterances]
        self._scp = Strings(directory.feats_scp[utterance] for directory, utterance in keys)
        self.frames = [directory.utt2num_frames[utterance] for directory, utterance in keys]
        self.augment: Augment | None = None

    def place(self, i: int) -> str:
        """Where the features of utterance ``i`` are, as ``feats.scp`` says."""
        return self._scp[i]

    def paired_sizes(self, subsampling: int) -> Sizes:
        """What each utterance costs at a subsampling factor."""
        encoded = [positions_in(frames, subsampling) for frames in self.frames]
        return Sizes(
            positions=np.array(self.frames, dtype=np.int64),
            encoded=np.array(encoded, dtype=np.int64),
            labels=self.labels.lengths,
        )

    def check_durations(self, subsampling: int) -> None:
        """Check that the durations of each utterance sum to its encoder positions.

        Raises:
            DataError: they do not, by name.
        """
        for utterance, frames, counts in zip(self.utterances, self.frames, self.durations or (), strict=False):
            positions = positions_in(frames, subsampling)
            if int(counts.sum()) != positions:
                problem = f"has durations that sum to {int(counts.sum())}, its speech has {positions} positions"
                raise DataError(problem, utterance=utterance, fix=f"its features are others: {FIX}")

    def features(self, i: int, step: int | None = None) -> Tensor:
        """Features of utterance ``i``, (T, F) float32, as they are, or as a step of the training changes them.

        Raises:
            DataError: they cannot be read or made, by name.
        """
        utterance = self.utterances[i]
        change = None if step is None or self.augment is None else partial(self.augment, utterance=utterance, step=step)
        return read_features(self._scp[i], utterance, change)

    def paired_batch(self, indices: Sequence[int], step: int | None = None) -> PairedBatch:
        """The utterances at ``indices``; ``step`` as for :meth:`features`."""
        features = [self.features(i, step) for i in indices]
        text = self.batch(indices)
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


class JointSet:
    """Joint batches by step: paired utterances, some of their transcripts, and unpaired sentences.

    Args:
        paired: paired training utterances.
        paired_sampler: their batches.
        unpaired: unpaired sentences, or None.
        unpaired_sampler: their batches, or None.
        paired_text_share: share of each paired batch whose transcripts go through the text branch.
        use_text: whether there is a text branch at all.
        hidden_languages: share of paired utterances that are without their language, in speech and transcript alike,
            so that a model with a language embedding also learns to do without.
    """

    def __init__(
        self,
        paired: PairedSet,
        paired_sampler: BucketSampler,
        unpaired: TextSet | None,
        unpaired_sampler: BucketSampler | None,
        *,
        paired_text_share: float,
        use_text: bool,
        hidden_languages: float = 0.0,
    ) -> None:
        self._paired = paired
        self._paired_sampler = paired_sampler
        self._unpaired = unpaired
        self._unpaired_sampler = unpaired_sampler
        self._share = paired_text_share
        self._use_text = use_text
        self._hidden_languages = hidden_languages

    def batch(self, step: int) -> JointBatch:
        """The batch of a step: the same whenever it is asked for."""
        indices = self._paired_sampler.batch(step)
        hidden = np.zeros(len(indices), dtype=bool)
        if self._hidden_languages:
            hidden = np.random.default_rng(step).random(len(indices)) < self._hidden_languages
        sampler = self._unpaired_sampler if self._use_text else None
        return self._joint(indices, None if sampler is None else sampler.batch(step), hidden, step)

    def worst(self, padding: float) -> Iterator[JointBatch]:
        """Batches that may come and take the most memory; see :func:`jointst.data.worst.worst_pairs`.

        Args:
            padding: speech and text go together through the shared encoders where that makes their positions so many
                times as many at most.
        """
        speech = costly(self._paired_sampler.sizes, self._paired_sampler.bounds)
        if self._use_text and self._unpaired_sampler is not None:
            text = costly(self._unpaired_sampler.sizes, self._unpaired_sampler.bounds)
            pairs = worst_pairs(speech, text, shared=self._share, padding=padding)
            for own, other in pairs:
                yield self._joint(own.indices, other.indices, np.zeros(own.count, dtype=bool))
        else:
            for own in worst(speech):
                yield self._joint(own.indices, None, np.zeros(own.count, dtype=bool))

    def _joint(
        self,
        utterances: NDArray[np.int64],
        sentences: NDArray[np.int64] | None,
        hidden: NDArray[np.bool_],
        step: int | None = None,
    ) -> JointBatch:
        """Paired utterances, those ``hidden`` without their language, their transcripts, and unpaired sentences."""
        indices = utterances.tolist()
        paired = self._paired.paired_batch(indices, step)
        shown = ["" if hide else lang for hide, lang in zip(hidden, paired.languages, strict=True)]
        paired = replace(paired, languages=shown)
        if not self._use_text:
            return JointBatch(paired=paired, transcripts=None, unpaired=None)
        shared = indices[: round(self._share * len(indices))]
        transcripts = replace(self._paired.batch(shared), languages=shown[: len(shared)]) if shared else None
        unpaired = None
        if self._unpaired is not None and sentences is not None:
            unpaired = self._unpaired.batch(sentences.tolist())
        return JointBatch(paired=paired, transcripts=transcripts, unpaired=unpaired)

    def places(self, step: int) -> float:
        """Places in all lattices of a step, as far as its batch tells without being read."""
        places = self._paired_sampler.places(step) * (1.0 + self._share * self._use_text)
        return places + (0 if self._unpaired_sampler is None else self._unpaired_sampler.places(step))


def _with_features(directory: DataDirectory, may_lack: bool) -> DataDirectory:
    """The part of a set that has features: all of it, unless some may be missing."""
    having = directory.feats_scp.keys() & directory.utt2num_frames.keys()
    lacking = [utterance for utterance in directory.utterances if utterance not in having]
    if not lacking:
        return directory
    if not may_lack or len(lacking) == len(directory.text):
        raise DataError(
            f"has no features, as {len(lacking) - 1} others" if len(lacking) > 1 else "has no features",
            path=directory.path / "feats.scp",
            utterance=lacking[0],
            fix="run stage 4, features",
        )
    named = " ".join(lacking[:SHOWN]) + (" ..." if len(lacking) > SHOWN else "")
    print(f"{directory.path}: {len(lacking)} utterances without features are left out: {named}", flush=True)
    return directory.subset(directory.text.keys() - set(lacking))


def read_directories(root: Path, names: Sequence[str], speeds: Sequence[float] = (1.0,)) -> list[DataDirectory]:
    """Data directories by name, with their speed-perturbed copies."""
    return [DataDirectory.read(speed_directory(root / name, speed)) for name in names for speed in speeds]


def batches_in_order(paired: PairedSet, batch_utterances: int, limit: int | None = None) -> list[list[int]]:
    """Indices of all utterances once, by length, the longest first, in batches."""
    order = sorted(range(len(paired.utterances)), key=lambda i: (-paired.frames[i], paired.utterances[i]))
    if limit is not None and len(order) > limit:
        # Evenly spread over the set, so that a sample holds every language.
        by_name = sorted(order, key=lambda i: paired.utterances[i])
        chosen = set(by_name[:: -(-len(by_name) // limit)])
        order = [i for i in order if i in chosen]
    return [order[first : first + batch_utterances] for first in range(0, len(order), batch_utterances)]


def in_order(paired: PairedSet, batch_utterances: int, limit: int | None = None) -> Iterator[PairedBatch]:
    """All utterances once, by length, the longest first: what decoding and reports iterate over."""
    for indices in batches_in_order(paired, batch_utterances, limit):
        yield paired.paired_batch(indices)
