"""Batches of paired speech and of text.

B batch, T frames, F mel bins, P phones, U labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

AnyBatch = TypeVar("AnyBatch", "TextBatch", "PairedBatch", "JointBatch")

LABEL_PADDING = 1
"""Padding of labels: any label but the blank, since lattices look padding up before masking it."""


def _to(batch: AnyBatch, device: torch.device | str) -> AnyBatch:
    moved: dict[str, Any] = {}
    for item in dataclasses.fields(batch):
        value = getattr(batch, item.name)
        if isinstance(value, Tensor):
            value = value.to(device, non_blocking=True)
        elif hasattr(value, "to"):
            value = value.to(device)
        moved[item.name] = value
    return dataclasses.replace(batch, **moved)


@dataclass(frozen=True, kw_only=True)
class TextBatch:
    """Texts.

    Attributes:
        utterances: B ids.
        phones: (B, P) int64.
        phone_lengths: (B,).
        labels: (B, U) int64.
        label_lengths: (B,).
        languages: B language codes, or empty where they are not known.
        durations: (B, P) int64, encoder positions of each phone, where the settings want them.
    """

    utterances: list[str]
    phones: Tensor
    phone_lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    languages: list[str] = field(default_factory=list)
    durations: Tensor | None = None

    def to(self, device: torch.device | str) -> TextBatch:
        """The batch on a device."""
        return _to(self, device)


@dataclass(frozen=True, kw_only=True)
class PairedBatch:
    """Speech with its transcripts.

    Attributes:
        utterances: B ids.
        languages: B language codes.
        features: (B, T, F).
        feature_lengths: (B,).
        phones, phone_lengths, labels, label_lengths, durations: as in :class:`TextBatch`.
    """

    utterances: list[str]
    languages: list[str]
    features: Tensor
    feature_lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    durations: Tensor | None = None

    def to(self, device: torch.device | str) -> PairedBatch:
        """The batch on a device."""
        return _to(self, device)


@dataclass(frozen=True, kw_only=True)
class JointBatch:
    """What one update sees.

    Attributes:
        paired: speech with transcripts.
        transcripts: the transcripts of the first few paired utterances for the text branch, or None. They are apart
            from the unpaired sentences, whose length may be very different: padding them together is waste.
        unpaired: unpaired sentences for the text branch, or None.
    """

    paired: PairedBatch
    transcripts: TextBatch | None
    unpaired: TextBatch | None

    @property
    def texts(self) -> list[TextBatch]:
        """All input of the text branch."""
        return [text for text in (self.transcripts, self.unpaired) if text is not None]

    def to(self, device: torch.device | str) -> JointBatch:
        """The batch on a device."""
        return _to(self, device)


def pad_ids(sequences: Sequence[Tensor], value: int) -> tuple[Tensor, Tensor]:
    """Sequences of int64 to (B, longest) padded with ``value``, and (B,) lengths."""
    lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.int64)
    return pad_sequence(list(sequences), batch_first=True, padding_value=value), lengths
