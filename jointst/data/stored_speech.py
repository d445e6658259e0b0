"""Utterances of some data directories that are read from stores on disk when they are needed: speech of any amount."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jointst.data.batch import TextBatch
from jointst.data.sizes import Sizes
from jointst.data.speech_set import SpeechSet, speech_sizes
from jointst.data.stored_texts import StoredTexts
from jointst.data.stores import NoFeatures, open_stores
from jointst.data.symbols import Symbols
from jointst.data.text_store import Store
from jointst.data.windows import WINDOW


class StoredSpeech(StoredTexts, SpeechSet):
    """Utterances with features, from their stores.

    Args:
        folders: the data directories.
        stores: of each, with places and frames.
        symbols: symbol tables.
    """

    def __init__(self, folders: Sequence[Path], stores: Sequence[Store], symbols: Symbols) -> None:
        super().__init__(folders, stores, symbols)
        self.frames = np.concatenate([store.frames for store in stores if store.frames is not None])

    def place(self, i: int) -> str:
        """Where the features of utterance ``i`` are, as ``feats.scp`` says."""
        store, own = self.find(i)
        places = self._stores[store].places
        assert places is not None, "it is a store of speech"
        return places.raw(own).tobytes().decode()

    def text_batch(self, indices: Sequence[int]) -> TextBatch:
        """The transcripts at ``indices``."""
        return self.batch(indices)

    def durations_of(self, i: int) -> Tensor | None:
        """Durations of the phones of utterance ``i``; None where the text encoder wants none."""
        store, own = self.find(i)
        durations = self._stores[store].durations
        return None if durations is None else durations[own]

    def paired_sizes(self, subsampling: int) -> StoredSpeechSizes:
        """What each utterance costs at a subsampling factor."""
        return StoredSpeechSizes(self, subsampling)


class StoredSpeechSizes:
    """What each utterance costs, read when it is asked for.

    Args:
        speech: the utterances.
        subsampling: frames of an encoder position.
    """

    def __init__(self, speech: StoredSpeech, subsampling: int) -> None:
        self._speech, self._subsampling = speech, subsampling

    def __len__(self) -> int:
        return len(self._speech)

    def take(self, indices: NDArray[np.int64]) -> Sizes:
        """What the utterances at ``indices`` cost, in their order."""
        labels = self._speech.label_lengths(indices)
        return speech_sizes(self._speech.frames[indices], labels, self._subsampling)

    @property
    def longest(self) -> int:
        """The most frames that one has."""
        return int(self._speech.frames.max())

    @cached_property
    def lattice(self) -> int:
        """The most places that a lattice of one has."""
        parts = (np.arange(first, min(first + WINDOW, len(self))) for first in range(0, len(self), WINDOW))
        return max(self.take(part).lattice for part in parts)


def open_speech(
    folders: Sequence[Path], symbols: Symbols, *, durations: Path | None = None, threads: int = 1
) -> StoredSpeech | None:
    """The utterances of some data directories, from their stores, which are written where they are missing.

    Args:
        folders: the data directories.
        symbols, durations, threads: see :func:`jointst.data.stores.stored`.

    Returns:
        None where an utterance has no features, and, with a line that says so, where nothing may be written in a data
        directory that has no store.

    Raises:
        DataError, OSError: as :func:`jointst.data.stores.stored`.
    """
    try:
        stores = open_stores(folders, symbols, durations=durations, threads=threads, speech=True)
    except NoFeatures:
        return None
    return None if stores is None else StoredSpeech(folders, stores, symbols)
