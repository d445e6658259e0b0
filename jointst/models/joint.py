"""The joint speech-text model (arXiv 2308.06125; the design's section 1).

B batch, T frames, P phones, N positions (of either side), D features, F mel bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from jointst.config import Decoder, ModelConfig
from jointst.nn.conformer import Chunked, ConformerStack, Pattern, StackState, full_context
from jointst.nn.decoder import TransducerDecoder
from jointst.nn.language_embedding import LanguageEmbedding
from jointst.nn.stacking import StackedStates
from jointst.nn.subsampling import ConvSubsampling
from jointst.nn.text_encoder import TextEncoder
from jointst.pretrained.encoder import PretrainedEncoder, StreamingEncoder
from jointst.pretrained.fine_tuning import recompute


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

    def states_of(self, decoder: Decoder) -> Tensor:
        """What a decoder reads, (B, N, D or D')."""
        return self.streaming if decoder == "streaming" else self.full_context

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
    """State of the encoders that stream; its shapes never change. ``front`` is that of the subsampling or of a
    pretrained encoder."""

    front: tuple[Any, ...]
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

    Where the audio encoder must hear the whole utterance, nothing after it can stream. Then the layers of all encoders
    see everything, since to look at a part of it would lose accuracy and gain nothing, and the only decoder is that
    after the full-context encoder.

    Args:
        config: sizes.
        mel_bins: F; of a frozen pretrained encoder, the width of its states.
        pretrained: an encoder that is a part of the model, for ``use: fine_tuned``.
        vocabulary: labels, the blank included.
        symbols: size of the phone table.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        mel_bins: int,
        vocabulary: int,
        symbols: int,
        pretrained: PretrainedEncoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        streams = config.streams
        pattern = Chunked(config.chunk, config.left_chunks) if streams else full_context(-1)
        self.normalisation = Normalisation(mel_bins)
        self.pretrained = pretrained
        if pretrained is not None and config.audio_encoder.recompute:
            recompute(pretrained)
        self.subsampling: ConvSubsampling | StackedStates = (
            ConvSubsampling(mel_bins, config.dim, config.subsampling)
            if config.audio_encoder.pretrained is None
            else StackedStates(
                mel_bins if pretrained is None else pretrained.dim,
                config.dim,
                config.states_per_position,
                config.dropout,
            )
        )
        if isinstance(pretrained, StreamingEncoder):
            pretrained.use_chunk(config.chunk * config.states_per_position)
        self.audio_encoder = _stack(config, config.audio_layers, config.dim, pattern, causal=streams)
        text_layers = _stack(config, config.text_encoder.layers, config.dim, pattern, causal=streams)
        self.text_encoder = TextEncoder(symbols, config.dim, config.text_encoder, text_layers)
        self.streaming_encoder = _stack(config, config.streaming_layers, config.dim, pattern, causal=streams)
        wide = config.full_context_dim
        self.widening = nn.Identity() if wide == config.dim else nn.Linear(config.dim, wide)
        limited = config.right_context >= 0  # then attention alone looks ahead, an equal part in each layer
        ahead = config.right_context // config.full_context_layers if limited else -1
        self.full_context_encoder = _stack(
            config, config.full_context_layers, wide, full_context(ahead), causal=limited
        )
        self.streaming_decoder = TransducerDecoder(vocabulary, config.dim, config.decoder) if streams else None
        self.full_context_decoder = TransducerDecoder(vocabulary, wide, config.decoder)
        self.ctc = nn.Linear(config.dim, symbols if config.ctc_target == "phones" else vocabulary)
        self.language = LanguageEmbedding(config.dim) if config.language_embedding else None

    @property
    def layer_names(self) -> list[str]:
        """Names of the shared layers, in the order of :attr:`Encoded.states`."""
        first = "streaming" if self.config.streams else "shared"
        streaming = [f"{first} {i + 1}" for i in range(self.config.streaming_layers)]
        return streaming + [f"full-context {i + 1}" for i in range(self.config.full_context_layers)]

    def encode_audio(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The audio encoder: features (B, T, F) and lengths (B,) to states (B, N, D) and lengths (B,)."""
        if self.pretrained is None:
            x = self.normalisation(features)
        else:  # which normalises by itself
            x, lengths = self.pretrained(features, lengths)
        x, lengths = self.subsampling(x, lengths)
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

    def decoder(self, name: Decoder) -> TransducerDecoder:
        """A decoder by its name, one of ``config.decoders``."""
        found = self.streaming_decoder if name == "streaming" else self.full_context_decoder
        assert found is not None, "there is no streaming first pass"
        return found

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
        if isinstance(self.pretrained, StreamingEncoder):
            self.pretrained.use_chunk(chunk * self.config.states_per_position)

    def initial_state(self, batch: int, device: torch.device) -> StreamState:
        """The state before the first frame of so many streams, which go on in step."""
        front: tuple[Any, ...] = ()
        if isinstance(self.subsampling, ConvSubsampling):
            front = self.subsampling.initial_state(batch, device)
        elif self.pretrained is not None:
            assert isinstance(self.pretrained, StreamingEncoder), "its encoder hears the whole utterance"
            front = self.pretrained.initial_state(batch, device)
        return StreamState(
            front,
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
        x, front = self._front_chunk(features, state.front)
        x, audio = self.audio_encoder.forward_chunk(x, state.audio)
        x, streaming = self.streaming_encoder.forward_chunk(self.add_language(x, languages), state.streaming)
        return x, StreamState(front, audio, streaming)

    def _front_chunk(self, features: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        """What enters the audio encoder's layers (B, N, D), and the state of what comes before them."""
        if isinstance(self.subsampling, ConvSubsampling):
            return self.subsampling.forward_chunk(self.normalisation(features), state)
        if isinstance(self.pretrained, StreamingEncoder):
            x, state = self.pretrained.forward_chunk(features, state)
        else:
            x = self.normalisation(features)
        whole = torch.full((len(x),), x.shape[1], device=x.device)
        return self.subsampling(x, whole)[0], state


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
