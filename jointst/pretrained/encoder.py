"""What every pretrained audio encoder is: a module from features to states, which opens its own folder of weights.

B batch, T rows of features, F values of a row, N states, D width of a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from typing_extensions import Self

from jointst.common.files import write_atomically

FeatureKind: TypeAlias = Literal["log_mel", "whisper_mel", "nemotron_mel", "waveform"]
"""``log_mel``: our own arks, a row for each 10 ms; ``whisper_mel``, ``nemotron_mel``: theirs, a row for each 10 ms;
``waveform``: samples in [-1, 1] at 16 kHz, a row of :data:`WAVEFORM_ROW` for each 20 ms, the last one filled up with
zeros."""
WAVEFORM_ROW = 320
"""Samples of a row of ``waveform``."""


class PretrainedEncoder(nn.Module, ABC):
    """An audio encoder with weights of its own.

    Attributes:
        kind: its name in ``model.audio_encoder.kind``.
        features: what it reads.
        causal: whether a state depends on a bounded future only, so that it may stream.
        version: raised when the same weights give other states, so that these are written anew.
        dim: D.
        row_width: F.
        frames_per_state: rows of features for each state.
    """

    kind: ClassVar[str]
    features: ClassVar[FeatureKind]
    causal: ClassVar[bool] = False
    version: ClassVar[int] = 1
    dim: int
    row_width: int
    frames_per_state: int

    @classmethod
    @abstractmethod
    def open(cls, folder: Path) -> Self:
        """The encoder whose configuration and weights are in a folder, in evaluation mode.

        Args:
            folder: ``config.json`` and ``*.safetensors`` as hubs hold them, or a form of the kind's own.

        Raises:
            DataError: the folder is of another kind of model, or weights are missing, damaged, pickled, or of another
                shape.
        """

    @classmethod
    @abstractmethod
    def without_weights(cls, folder: Path) -> Self:
        """The encoder of the form that a folder tells of, with weights that mean nothing.

        Args:
            folder: as for :meth:`open`, or with :attr:`settings` in its ``config.json`` and nothing else.

        Raises:
            DataError: the folder is of another kind of model, or does not tell.
        """

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What its form follows from, as plain values for a ``config.json``."""

    @classmethod
    def pack(cls, folder: Path, packed: Path) -> None:
        """Copy what :meth:`open` reads from a folder into a packed one; what is read from another form is written in
        the hub's.

        Raises:
            DataError: from :meth:`open`.
        """
        for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
            write_atomically(packed / path.name, path.read_bytes())

    @abstractmethod
    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode; an utterance's states do not depend on its padding or on its batch mates.

        Args:
            features: (B, T, F).
            lengths: (B,) valid rows.

        Returns:
            (B, N, D) and (B,) valid states.
        """

    @abstractmethod
    def state_lengths(self, lengths: Tensor) -> Tensor:
        """Valid states (B,) over so many valid rows (B,)."""

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """Its layers from the input up, for rates by layer and for gradient checkpointing."""


class StreamingEncoder(PretrainedEncoder):
    """A pretrained encoder that can be run piece by piece."""

    causal: ClassVar[bool] = True

    @property
    @abstractmethod
    def rows_of_chunk(self) -> int:
        """Rows of features of a chunk."""

    @abstractmethod
    def use_chunk(self, chunk: int) -> None:
        """Work in chunks of so many states: a state sees its own chunk, and the past."""

    @abstractmethod
    def initial_state(self, batch: int, device: torch.device) -> Any:
        """The state before the first row of so many streams, which go on in step: a tuple of a fixed form."""

    @abstractmethod
    def forward_chunk(self, features: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Encode the next rows of a stream: exactly what :meth:`forward` gives for them.

        Args:
            features: (B, T, F), all valid; T is a multiple of the rows of a chunk, save in the last call of a stream.
            state: from :meth:`initial_state` or the call before, under the same chunk.

        Returns:
            (B, N, D), and the state after it: without a meaning after a last chunk.
        """
