"""Text as numbers: the symbol tables of an experiment, and batches of what they give.

P inputs of the text encoder, U labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from jointst.common.errors import DataError
from jointst.data.batch import LABEL_PADDING, TextBatch, pad_ids
from jointst.kaldi.directory import DataDirectory
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import Tokenizer

PHONE_PADDING = 0


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

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of ``inputs`` and of ``labels``."""
        return {"inputs": self.input_size, "labels": self.tokenizer.size}

    @cached_property
    def digest(self) -> str:
        """A hash of all that says which numbers a text becomes."""
        phones = list(self.phones.symbols) if self.text_input == "phones" else []
        parts = "\n".join([self.text_input, self.tokenizer.digest, *phones])
        return hashlib.sha256(parts.encode()).hexdigest()

    def inputs(self, directory: DataDirectory, utterance: str) -> list[int]:
        """Input of the text encoder for an utterance, P ids, at least one.

        Raises:
            DataError: it has no phones.
        """
        if self.text_input == "pieces":
            return self.tokenizer.encode(directory.text[utterance])
        return self.spelled(directory.phones.get(utterance, ""), directory.path, utterance)

    def spelled(self, phones: str, folder: Path, utterance: str) -> list[int]:
        """The ids of an utterance's phones, P, at least one.

        Args:
            phones: as the lexicon stage writes them.
            folder: the data directory, for messages.
            utterance: its id, likewise.

        Raises:
            DataError: there are none.
        """
        if not phones:
            raise DataError(
                "has no phones",
                path=folder / "phones",
                utterance=utterance,
                fix="run stage 3, lexicon, and look at unknown_<language>.txt",
            )
        return self.phones.encode(phones)

    def labels(self, directory: DataDirectory, utterance: str) -> list[int]:
        """Labels of an utterance, U ids."""
        return self.tokenizer.encode(directory.text[utterance])


def pad_text(
    utterances: list[str],
    phones: Sequence[Tensor],
    labels: Sequence[Tensor],
    languages: list[str],
    durations: Sequence[Tensor] | None,
) -> TextBatch:
    """A batch of texts.

    Args:
        utterances: B names.
        phones: (P,) of each.
        labels: (U,) of each.
        languages: B codes.
        durations: (P,) of each, if there are some.
    """
    padded, phone_lengths = pad_ids(phones, PHONE_PADDING)
    padded_labels, label_lengths = pad_ids(labels, LABEL_PADDING)
    return TextBatch(
        utterances=utterances,
        phones=padded,
        phone_lengths=phone_lengths,
        labels=padded_labels,
        label_lengths=label_lengths,
        languages=languages,
        durations=None if durations is None else pad_ids(durations, 0)[0],
    )
