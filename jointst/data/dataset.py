"""Data directories to batches: features of stage 4, labels from the tokenizer, phones from the lexicon stage."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jointst.common.errors import DataError
from jointst.common.progress import progress
from jointst.data.batch import JointBatch, PairedBatch, TextBatch
from jointst.data.sampler import BucketSampler, Turns
from jointst.data.sequences import Sequences
from jointst.data.sizes import Sizes
from jointst.data.speech_set import SpeechSet, speech_sizes
from jointst.data.stored_texts import StoredTexts
from jointst.data.strings import Strings
from jointst.data.symbols import Symbols, pad_text
from jointst.data.windows import WINDOW, groups_of
from jointst.data.worst import costly, worst, worst_pairs
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.durations import durations_of
from jointst.kaldi.names import Names
from jointst.kaldi.speed import speed_directory

SHOWN = 20
"""Utterances named in a message at most."""
ORDER = 1
"""Of the order in which windows of large sets come; a checkpoint of another one cannot be gone on from."""


class TextSet:
    """Sentences of some data directories, audio or not, in memory.

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
        self.utterances: Sequence[str] = [names(directory, utterance) for directory, utterance in keys]
        # interned, since each line read gave a string of its own
        self.languages = [sys.intern(directory.utt2lang.get(utterance, "")) for directory, utterance in keys]
        bar = progress(keys, desc=f"read {' '.join(directory.path.name for directory in directories)}", unit="text")
        self.phones = Sequences.of(symbols.inputs(directory, utterance) for directory, utterance in bar)
        self.labels = self.phones  # where the text encoder reads word pieces
        if symbols.text_input == "phones":
            self.labels = Sequences.of(symbols.labels(directory, utterance) for directory, utterance in keys)
        self.durations: Sequences | None = None
        if durations is not None:
            self.durations = Sequences.of(durations_of(durations, directories, self.phones.lengths.tolist()))

    @property
    def groups(self) -> list[NDArray[np.int64]]:
        """The utterances of each language, in the order of their codes."""
        return groups_of(self.languages)

    def sizes(self, repeats: int) -> Sizes:
        """What each sentence costs when phones are repeated so often, or as often as their durations say."""
        positions = self.phones.lengths
        encoded = repeats * positions
        if self.durations is not None:
            encoded = np.array([int(counts.clamp_min(1).sum()) for counts in self.durations], dtype=np.int64)
        return Sizes(positions=positions, encoded=encoded, labels=self.labels.lengths)

    def batch(self, indices: Sequence[int]) -> TextBatch:
        """The sentences at ``indices``."""
        return pad_text(
            [self.utterances[i] for i in indices],
            [self.phones[i] for i in indices],
            [self.labels[i] for i in indices],
            [self.languages[i] for i in indices],
            None if self.durations is None else [self.durations[i] for i in indices],
        )


class PairedSet(TextSet, SpeechSet):
    """Utterances of some data directories, with features.

    Args:
        directories: data directories.
        symbols: symbol tables.
        may_lack: whether utterances without features are left out, by name; for data whose features stage was allowed
            to fail on some (``features.max_failures``).
        durations: as in :class:`TextSet`.

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
        counts = (directory.utt2num_frames[utterance] for directory, utterance in keys)
        self.frames = np.fromiter(counts, np.int64, len(keys))

    def place(self, i: int) -> str:
        """Where the features of utterance ``i`` are, as ``feats.scp`` says."""
        return self._scp[i]

    def text_batch(self, indices: Sequence[int]) -> TextBatch:
        """The transcripts at ``indices``."""
        return self.batch(indices)

    def durations_of(self, i: int) -> Tensor | None:
        """Durations of the phones of utterance ``i``; None where the text encoder wants none."""
        return None if self.durations is None else self.durations[i]

    def paired_sizes(self, subsampling: int) -> Sizes:
        """What each utterance costs at a subsampling factor."""
        return speech_sizes(self.frames, self.labels.lengths, subsampling)


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
        turns: which batches are this process's; by default all of them.
    """

    def __init__(
        self,
        paired: SpeechSet,
        paired_sampler: BucketSampler,
        unpaired: TextSet | StoredTexts | None,
        unpaired_sampler: BucketSampler | None,
        *,
        paired_text_share: float,
        use_text: bool,
        hidden_languages: float = 0.0,
        turns: Turns | None = None,
    ) -> None:
        self._paired = paired
        self._paired_sampler = paired_sampler
        self._unpaired = unpaired
        self._unpaired_sampler = unpaired_sampler
        self._share = paired_text_share
        self._use_text = use_text
        self._hidden_languages = hidden_languages
        self._turns = turns or Turns()

    def batch(self, step: int) -> JointBatch:
        """This process's batch of a step: the same whenever it is asked for."""
        number = self._turns.number(step)
        indices = self._paired_sampler.batch(number)
        hidden = np.zeros(len(indices), dtype=bool)
        if self._hidden_languages:
            hidden = np.random.default_rng(number).random(len(indices)) < self._hidden_languages
        sampler = self._unpaired_sampler if self._use_text else None
        return self._joint(indices, None if sampler is None else sampler.batch(number), hidden, number)

    def _large(self) -> dict[str, BucketSampler]:
        """The samplers whose place takes time to find."""
        samplers = {"paired": self._paired_sampler, "unpaired": self._unpaired_sampler}
        return {name: own for name, own in samplers.items() if own is not None and own.windowed}

    def state(self, step: int) -> dict[str, Any]:
        """What a checkpoint of a step keeps: how many batches all processes have used up, and the windows of large sets
        that the next one is in, so that no window before has to be gone through again."""
        used = self._turns.used_by(step)
        windows = {name: list(sampler.place(used)) for name, sampler in self._large().items()}
        return {"batches": used, "windows": windows, "order": ORDER}

    def go_on(self, step: int, state: dict[str, Any]) -> None:
        """Go on from a checkpoint, with as many processes as there are now.

        Args:
            step: of the checkpoint.
            state: as :meth:`state` gave it; of checkpoints from before there was one, empty: their training is believed
                to have had as many processes.

        Raises:
            DataError: its batches of large sets came in another order.
        """
        large = self._large()
        if large and state.get("order") != ORDER:
            raise DataError(
                f"the checkpoint is of a version of the toolkit that drew from more than {WINDOW} sentences or "
                "utterances in another order: going on, it would see some twice and some not at all",
                fix="run it again with --force, to begin anew, or go on with the version that began it",
            )
        self._turns = replace(self._turns, first=step, used=state.get("batches", step * self._turns.world))
        for name, (window, first) in state.get("windows", {}).items():
            if name in large:
                large[name].know(window, first)

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
        transcripts = replace(self._paired.text_batch(shared), languages=shown[: len(shared)]) if shared else None
        unpaired = None
        if self._unpaired is not None and sentences is not None:
            unpaired = self._unpaired.batch(sentences.tolist())
        return JointBatch(paired=paired, transcripts=transcripts, unpaired=unpaired)

    def places(self, step: int) -> float:
        """Places in all lattices of a step, as far as its batch tells without being read."""
        number = self._turns.number(step)
        places = self._paired_sampler.places(number) * (1.0 + self._share * self._use_text)
        return places + (0 if self._unpaired_sampler is None else self._unpaired_sampler.places(number))


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
    frames = paired.frames.tolist()
    order = sorted(range(len(frames)), key=lambda i: (-frames[i], paired.utterances[i]))
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
