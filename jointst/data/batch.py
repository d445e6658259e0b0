"""Batches of paired speech and of text.

B batch, T frames, F mel bins, P phones, U labels.

Lengths are there twice: as tensors that follow the batch to the GPU, and as ``..._counts`` that stay on the host, since
to ask a GPU for a sum or a maximum is to wait for all it has to do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

AnyBatch = TypeVar("AnyBatch", "TextBatch", "PairedBatch", "JointBatch")

LABEL_PADDING = 1
"""Padding of labels: any label but the blank, since lattices look padding up before masking it."""


def _each(batch: AnyBatch, tensor: Callable[[Tensor], Tensor], part: Callable[[Any], Any]) -> AnyBatch:
    """A batch with other tensors, and other batches in it; all else stays."""
    changed: dict[str, Any] = {}
    for item in dataclasses.fields(batch):
        value = getattr(batch, item.name)
        if isinstance(value, Tensor):
            changed[item.name] = tensor(value)
        elif dataclasses.is_dataclass(value):
            changed[item.name] = part(value)
    return dataclasses.replace(batch, **changed)


def _to(batch: AnyBatch, device: torch.device | str) -> AnyBatch:
    return _each(batch, lambda tensor: tensor.to(device, non_blocking=True), lambda part: part.to(device))


def _pin_memory(batch: AnyBatch) -> AnyBatch:
    return _each(batch, lambda tensor: tensor.pin_memory(), lambda part: part.pin_memory())


def _count(batch: TextBatch | PairedBatch, **lengths: Tensor) -> None:
    """Fill in the counts of lengths that are on the host; a batch that is made on a GPU waits for those not given."""
    for name, tensor in lengths.items():
        if tensor.device.type == "cpu" or not getattr(batch, name):
            object.__setattr__(batch, name, tuple(tensor.tolist()))


def _note_texts(batch: TextBatch | PairedBatch) -> None:
    if batch.labels.device.type == "cpu" or not batch.said:
        rows = zip(batch.labels.tolist(), batch.label_counts, strict=True)
        object.__setattr__(batch, "said", tuple(hash(tuple(row[:count])) for row, count in rows))


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
        phone_counts, label_counts: B lengths on the host, made from the tensors: give them to ``dataclasses.replace``
            where it changes lengths on a GPU.
        said: B numbers, alike for texts of the same labels; made likewise.
    """

    utterances: list[str]
    phones: Tensor
    phone_lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    languages: list[str] = field(default_factory=list)
    durations: Tensor | None = None
    phone_counts: tuple[int, ...] = ()
    label_counts: tuple[int, ...] = ()
    said: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _count(self, phone_counts=self.phone_lengths, label_counts=self.label_lengths)
        _note_texts(self)

    def to(self, device: torch.device | str) -> TextBatch:
        """The batch on a device."""
        return _to(self, device)

    def pin_memory(self) -> TextBatch:
        """The batch in memory that a GPU copies from while it works."""
        return _pin_memory(self)


@dataclass(frozen=True, kw_only=True)
class PairedBatch:
    """Speech with its transcripts.

    Attributes:
        utterances: B ids.
        languages: B language codes.
        features: (B, T, F).
        feature_lengths: (B,).
        phones, phone_lengths, labels, label_lengths, durations: as in :class:`TextBatch`.
        frame_counts, phone_counts, label_counts, said: on the host, as there.
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
    frame_counts: tuple[int, ...] = ()
    phone_counts: tuple[int, ...] = ()
    label_counts: tuple[int, ...] = ()
    said: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _count(
            self,
            frame_counts=self.feature_lengths,
            phone_counts=self.phone_lengths,
            label_counts=self.label_lengths,
        )
        _note_texts(self)

    def to(self, device: torch.device | str) -> PairedBatch:
        """The batch on a device."""
        return _to(self, device)

    def pin_memory(self) -> PairedBatch:
        """The batch in memory that a GPU copies from while it works."""
        return _pin_memory(self)


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

    def pin_memory(self) -> JointBatch:
        """The batch in memory that a GPU copies from while it works."""
        return _pin_memory(self)


def pad_ids(sequences: Sequence[Tensor], value: int) -> tuple[Tensor, Tensor]:
    """Sequences of int64 to (B, longest) padded with ``value``, and (B,) lengths."""
    lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.int64)
    return pad_sequence(list(sequences), batch_first=True, padding_value=value), lengths
