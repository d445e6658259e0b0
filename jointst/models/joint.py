"""The joint speech-text model (arXiv 2308.06125; the design's section 1).

B batch, T frames, P phones, N positions (of either side), D features, F mel bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from jointst.config import ModelConfig
from jointst.nn.conformer import Chunked, ConformerStack, Pattern, StackState, full_context
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.language_embedding import LanguageEmbedding
from jointst.nn.subsampling import ConvSubsampling, SubsamplingState
from jointst.nn.text_encoder import TextEncoder


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """States of one side, speech or text.

    Attributes:
        front: (B, N, D), what enters the shared encoders.
        states: outputs of the shared layers, streaming then full-context, each (B, N, D of its encoder).
        streaming: (B, N, D), output of the streaming encoder.
        full_context: (B, N, D'), output of the full-context encoder.
        lengths: (B,) valid positions.
    """

    front: Tensor
    states: list[Tensor]
    streaming: Tensor
    full_context: Tensor
    lengths: Tensor

    def rows(self, part: slice, positions: int) -> Encoded:
        """Those of some utterances, of so many positions at most."""
        return Encoded(
            front=self.front[part, :positions],
            states=[states[part, :positions] for states in self.states],
            streaming=self.streaming[part, :positions],
            full_context=self.full_context[part, :positions],
            lengths=self.lengths[part],
        )


class StreamState(NamedTuple):
    """State of the encoders that stream; its shapes never change."""

    subsampling: SubsamplingState
    audio: StackState
    streaming: StackState


class Normalisation(nn.Module):
    """Global mean and variance normalisation of features; statistics travel with the weights."""

    mean: Tensor
    inverse_std: Tensor

    def __init__(self, mel_bins: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(mel_bins))
        self.register_buffer("inverse_std", torch.ones(mel_bins))

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, F) to the same."""
        return (features - self.mean) * self.inverse_std


class JointModel(nn.Module):
    """Audio and text encoders, shared streaming and full-context encoders, and a decoder after each.

    Args:
        config: sizes.
        mel_bins: F.
        vocabulary: labels, the blank included.
        symbols: size of the phone table.
    """

    def __init__(self, config: ModelConfig, *, mel_bins: int, vocabulary: int, symbols: int) -> None:
        super().__init__()
        self.config = config
        streaming_pattern = Chunked(config.chunk, config.left_chunks)
        self.normalisation = Normalisation(mel_bins)
        self.subsampling = ConvSubsampling(mel_bins, config.dim, config.subsampling)
        self.audio_encoder = _stack(config, config.audio_layers, config.dim, streaming_pattern, causal=True)
        text_layers = _stack(config, config.text_encoder.layers, config.dim, streaming_pattern, causal=True)
        self.text_encoder = TextEncoder(symbols, config.dim, config.text_encoder, text_layers)
        self.streaming_encoder = _stack(config, config.streaming_layers, config.dim, streaming_pattern, causal=True)
        wide = config.full_context_dim
        self.widening = nn.Identity() if wide == config.dim else nn.Linear(config.dim, wide)
        limited = config.right_context >= 0  # then attention alone looks ahead, an equal part in each layer
        ahead = config.right_context // config.full_context_layers if limited else -1
        self.full_context_encoder = _stack(
            config, config.full_context_layers, wide, full_context(ahead), causal=limited
        )
        self.streaming_decoder = TransducerDecoder(vocabulary, config.dim, config.decoder)
        self.full_context_decoder = TransducerDecoder(vocabulary, wide, config.decoder)
        self.ctc = nn.Linear(config.dim, symbols if config.ctc_target == "phones" else vocabulary)
        self.language = LanguageEmbedding(config.dim) if config.language_embedding else None

    @property
    def layer_names(self) -> list[str]:
        """Names of the shared layers, in the order of :attr:`Encoded.states`."""
        streaming = [f"streaming {i + 1}" for i in range(self.config.streaming_layers)]
        return streaming + [f"full-context {i + 1}" for i in range(self.config.full_context_layers)]

    def encode_audio(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The audio encoder: features (B, T, F) and lengths (B,) to states (B, N, D) and lengths (B,)."""
        x, lengths = self.subsampling(self.normalisation(features), lengths)
        states, lengths = self.audio_encoder(x, lengths)
        return states[-1], lengths

    def encode_speech(self, features: Tensor, lengths: Tensor, languages: Sequence[str] = ()) -> Encoded:
        """Both shared encoders over speech.

        Args:
            features: (B, T, F), not normalised.
            lengths: (B,) valid frames.
            languages: B codes, for ``language_embedding``; empty where they are not known.
        """
        front, lengths = self.encode_audio(features, lengths)
        return self.encode_shared(front, lengths, languages)

    def encode_text(
        self, phones: Tensor, lengths: Tensor, durations: Tensor | None = None, languages: Sequence[str] = ()
    ) -> Encoded:
        """Both shared encoders over text, upsampled, and masked while training.

        Args:
            phones: (B, P) int64.
            lengths: (B,) valid phones.
            durations: (B, P), for ``upsampling: durations`` only.
            languages: as in :meth:`encode_speech`.
        """
        front, lengths = self.text_encoder(phones, lengths, durations)
        return self.encode_shared(front, lengths, languages)

    def add_language(self, front: Tensor, languages: Sequence[str] = ()) -> Tensor:
        """What enters the shared encoders, (B, N, D): the output of a front encoder, with ``language_embedding``."""
        if self.language is None:
            return front
        added: Tensor = self.language(front, languages)
        return added

    def encode_shared(self, front: Tensor, lengths: Tensor, languages: Sequence[str] = ()) -> Encoded:
        """The shared encoders over the output of either front encoder, (B, N, D) and (B,), of B languages."""
        front = self.add_language(front, languages)
        streaming, _ = self.streaming_encoder(front, lengths)
        full = self.encode_full_context(streaming[-1], lengths)
        return Encoded(
            front=front,
            states=streaming + full,
            streaming=streaming[-1],
            full_context=full[-1],
            lengths=lengths,
        )

    def encode_full_context(self, streaming: Tensor, lengths: Tensor) -> list[Tensor]:
        """The second pass: the streaming encoder's output (B, N, D) to every full-context layer's (B, N, D')."""
        states: list[Tensor] = self.full_context_encoder(self.widening(streaming), lengths)[0]
        return states

    @property
    def chunk(self) -> int:
        """Positions of a chunk of the streaming encoders."""
        pattern = self.streaming_encoder.pattern
        assert isinstance(pattern, Chunked)
        return pattern.chunk

    def use_chunk(self, chunk: int) -> None:
        """Let the streaming encoders work in chunks of so many positions, over the same past in positions."""
        pattern = Chunked(self.config.chunk, self.config.left_chunks)
        for stack in self.modules():
            if isinstance(stack, ConformerStack) and isinstance(stack.pattern, Chunked):
                stack.pattern = pattern.with_chunk(chunk)

    def initial_state(self, batch: int, device: torch.device) -> StreamState:
        """The state before the first frame of so many streams, which go on in step."""
        return StreamState(
            self.subsampling.initial_state(batch, device),
            self.audio_encoder.initial_state(batch, device),
            self.streaming_encoder.initial_state(batch, device),
        )

    def forward_chunk(
        self, features: Tensor, state: StreamState, languages: Sequence[str] = ()
    ) -> tuple[Tensor, StreamState]:
        """The streaming encoder over the next frames of a stream: ``encode_speech(...).streaming``, piece by piece.

        Args:
            features: (B, T, F), not normalised, all valid; T is a multiple of subsampling * chunk frames, save in the
                last call of a stream.
            state: from :meth:`initial_state` or the call before.
            languages: of the B streams, as for :meth:`add_language`.

        Returns:
            (B, N, D), and the state after it.
        """
        x, subsampling = self.subsampling.forward_chunk(self.normalisation(features), state.subsampling)
        x, audio = self.audio_encoder.forward_chunk(x, state.audio)
        x, streaming = self.streaming_encoder.forward_chunk(self.add_language(x, languages), state.streaming)
        return x, StreamState(subsampling, audio, streaming)


def _stack(config: ModelConfig, layers: int, dim: int, pattern: Pattern, *, causal: bool) -> ConformerStack:
    return ConformerStack(
        layers,
        dim,
        pattern,
        heads=config.heads,
        feed_forward_multiplier=config.feed_forward_multiplier,
        kernel_size=config.kernel_size,
        dropout=config.dropout,
        causal=causal,
    )
