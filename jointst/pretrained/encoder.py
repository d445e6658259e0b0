"""What every pretrained audio encoder is: a module from features to states, which opens its own folder of weights.

B batch, T rows of features, F values of a row, N states, D width of a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from torch import Tensor, nn
from typing_extensions import Self

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
        dim: D.
        frames_per_state: rows of features for each state.
    """

    kind: ClassVar[str]
    features: ClassVar[FeatureKind]
    causal: ClassVar[bool] = False
    dim: int
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
