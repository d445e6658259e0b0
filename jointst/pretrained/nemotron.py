"""Nemotron's streaming conformer (arXiv 2312.17279): chunked attention and causal convolutions, a state each 80 ms.

B batch, T frames, F mel bins, N states, D width, H heads, C cached states, K kernel, S samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from jointst.common.errors import DataError
from jointst.ops.masks import attention_mask, chunk_mask
from jointst.pretrained.encoder import FeatureKind, StreamingEncoder
from jointst.pretrained.hub_encoder import HubEncoder

RATE = 16000
WINDOW, HOP, FFT = 400, 160, 512
"""Of its features, in samples; windows lie in the middle of the Fourier transform's."""
PREEMPHASIS = 0.97
GUARD = 2**-24
"""Added to mel energies."""
FRAMES = 8
"""Of a state."""
BEFORE = FFT // 2
"""Zeros before the first sample: the first window is around it."""


def nemotron_mel(waveform: Tensor, bins: int) -> Tensor:
    """Nemotron's log-mel features of an utterance; those of windows that end within it.

    Args:
        waveform: (S,) in [-1, 1] at 16 kHz.
        bins: F.

    Returns:
        (T, F), not normalised; T is S / 160, of which the last may be missing.
    """
    stream = MelStream(bins)
    return stream.accept(waveform)


class MelStream:
    """Nemotron's log-mel features piece by piece.

    Args:
        bins: F.
    """

    def __init__(self, bins: int) -> None:
        self._bins = bins
        self._buffer = torch.zeros(BEFORE)
        self._last = torch.zeros(0)

    def accept(self, samples: Tensor) -> Tensor:
        """Take the next samples (S,); the features (T, F) of the windows that are whole by now."""
        known = torch.cat([self._last, samples])
        if not len(known):
            return samples.new_zeros(0, self._bins)
        emphasised = known[1:] - PREEMPHASIS * known[:-1]
        if not len(self._last):
            emphasised = torch.cat([known[:1], emphasised])
        self._buffer, self._last = torch.cat([self._buffer, emphasised]), known[-1:]
        margin = (FFT - WINDOW) // 2  # of the transform on each side, where the window is zero
        frames = max(0, (len(self._buffer) + margin - FFT) // HOP + 1)
        if not frames:
            return samples.new_zeros(0, self._bins)
        window, filters = _window_and_filters(self._bins)
        pieces = nn.functional.pad(self._buffer, (0, margin)).unfold(0, FFT, HOP)[:frames]  # (T, 512)
        spectrum = torch.fft.rfft(pieces * window)
        power = spectrum.real.square() + spectrum.imag.square()
        self._buffer = self._buffer[frames * HOP :].clone()
        features: Tensor = (power @ filters + GUARD).log()
        return features


@lru_cache(maxsize=4)
def _window_and_filters(bins: int) -> tuple[Tensor, Tensor]:
    from torchaudio.functional import melscale_fbanks

    margin = (FFT - WINDOW) // 2
    window = nn.functional.pad(torch.hann_window(WINDOW, periodic=False), (margin, margin))
    filters: Tensor = melscale_fbanks(
        FFT // 2 + 1, f_min=0.0, f_max=RATE / 2, n_mels=bins, sample_rate=RATE, norm="slaney", mel_scale="slaney"
    )
    return window, filters


class NemotronState(NamedTuple):
    """What a stream keeps; its shapes never change.

    Attributes:
        convolutions: the last inputs of each convolution: (B, channels, 2, bins) of those that subsample, then
            (B, D, K - 1) of each layer.
        keys, values: of each layer, (B, H, C, D / H).
        filled: () int64, how many of the C are there.
    """

    convolutions: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    filled: Tensor


class _Caches:
    """The state in the form in which the library's layers ask for it and tell of the next one."""

    def __init__(self, state: NemotronState, places: Mapping[str, int]) -> None:
        self._before, self._places = state, places
        self._convolutions = list(state.convolutions)
        self._keys, self._values = list(state.keys), list(state.values)

    def update(self, new: Tensor, *more: Any, **_: Any) -> Any:
        """Of a convolution: its inputs, its name, itself. Of an attention: its keys, its values, its layer's number."""
        first, second = more
        if isinstance(first, str):
            place, time = self._places[first], 2  # (B, channels, time, bins) or (B, D, time)
            seen = torch.cat([self._before.convolutions[place].to(new.dtype), new], dim=time)
            kept = self._before.convolutions[place].shape[time]
            self._convolutions[place] = seen[:, :, seen.shape[time] - kept :]
            return seen
        keys, values = (
            torch.cat([past[second].to(now.dtype), now], dim=2)
            for past, now in ((self._before.keys, new), (self._before.values, first))
        )
        cached = self._before.keys[second].shape[2]
        self._keys[second], self._values[second] = (seen[:, :, seen.shape[2] - cached :] for seen in (keys, values))
        return keys, values

    def after(self, states: int) -> NemotronState:
        """The next state, after so many states of the encoder."""
        cached = self._before.keys[0].shape[2]
        return NemotronState(
            tuple(self._convolutions),
            tuple(self._keys),
            tuple(self._values),
            (self._before.filled + states).clamp_max(cached),
        )


class NemotronEncoder(HubEncoder, StreamingEncoder):
    """NemotronAsrStreamingEncoder.

    A state sees its own chunk and as many states before it as the model was trained with. A chunk of 14 states is the
    default; published models were also trained with 7, 2 and 1. Subsampling drops the state that would hear padding
    alone, which the original has behind the end.
    """

    kind = "nemotron"
    features: ClassVar[FeatureKind] = "nemotron_mel"
    model_types = ("nemotron_asr_streaming", "nemotron_asr_streaming_encoder")
    library_class = "NemotronAsrStreamingEncoder"
    prefixes = ("encoder.", "")
    least_version = "5.24"
    overruled: ClassVar[Mapping[str, Any]] = {"layerdrop": 0.0, "max_position_embeddings": 2**31}
    frames_per_state = FRAMES

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.mel_bins = self.row_width = int(self.config.num_mel_bins)
        self.chunk = self.left_chunks = 0
        self.use_chunk(int(self.config.default_num_lookahead_tokens) + 1)

    @classmethod
    def _sizes(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        own = settings.get("encoder_config", settings)  # a recogniser's, or an encoder's alone
        return super()._sizes(own if isinstance(own, Mapping) else settings)

    def check(self) -> None:
        """Its states must be 80 ms apart."""
        config = self.config
        sizes = config.subsampling_factor, config.subsampling_conv_kernel_size, config.subsampling_conv_stride
        if sizes != (FRAMES, 3, 2):
            problem = f"subsamples by {sizes[0]}, with kernels of {sizes[1]} and strides of {sizes[2]}, not by 8, 3, 2"
            raise DataError(problem, fix=self.fix())

    def use_chunk(self, chunk: int) -> None:
        """Let a state see chunks of so many states: its own, and the past in whole chunks."""
        self.chunk = chunk
        self.left_chunks = (int(self.config.sliding_window) - 1) // chunk

    @property
    def rows_of_chunk(self) -> int:
        """Frames of a chunk."""
        return FRAMES * self.chunk

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode: see :meth:`PretrainedEncoder.forward`; N is an eighth of T, rounded up."""
        states = -(-features.shape[1] // FRAMES)
        x = self.model.subsampling(features, None)[:, :states]
        lengths = self.state_lengths(lengths)
        mask = attention_mask(lengths, chunk_mask(states, self.chunk, self.left_chunks, x.device))
        return self._layers(x, mask, 0, None), lengths

    def _layers(self, x: Tensor, mask: Tensor, cached: int, caches: _Caches | None) -> Tensor:
        """From subsampled features (B, N, D) to states (B, N, D) under a mask (B or 1, 1, N, C + N)."""
        x = x * self.model.input_scale
        positions = self.model.encode_positions(x, cached_frames=cached)
        x = nn.functional.dropout(x, p=self.model.dropout, training=self.training)
        for layer in self.layers():
            x = layer(x, attention_mask=mask, position_embeddings=positions, cache=caches, padding_cache=caches)
        return x

    def state_lengths(self, lengths: Tensor) -> Tensor:
        """An eighth of the frames, rounded up."""
        return (lengths + FRAMES - 1) // FRAMES

    def layers(self) -> list[nn.Module]:
        """The conformer layers."""
        return list(self.model.layers)

    def blocks(self) -> list[nn.Module]:
        """The subsampling, then the layers."""
        return [self.model.subsampling, *self.layers()]

    @property
    def cached(self) -> int:
        """C: states of the past that a state sees at most."""
        return self.chunk * self.left_chunks

    def initial_state(self, batch: int, device: torch.device) -> NemotronState:
        """The state before the first frame of so many streams, which go on in step."""
        config, subsampling = self.config, self.model.subsampling
        convolutions, bins = [], self.mel_bins
        for convolution in (subsampling.conv_in, *(layer.depthwise_conv for layer in subsampling.layers)):
            padded = bins + sum(convolution.freq_pad)
            convolutions.append(torch.zeros(batch, convolution.in_channels, 2, padded, device=device))
            bins = (padded - 3) // 2 + 1
        inner = torch.zeros(batch, self.dim, config.conv_kernel_size - 1, device=device)
        heads = config.num_attention_heads
        past = torch.zeros(batch, heads, self.cached, self.dim // heads, device=device)
        layers = len(self.layers())
        filled = torch.zeros((), dtype=torch.int64, device=device)
        return NemotronState((*convolutions, *[inner] * layers), (past,) * layers, (past,) * layers, filled)

    def _places(self) -> dict[str, int]:
        """Where the state of each convolution is, by the library's names."""
        subsampling = 1 + len(self.model.subsampling.layers)
        own = {f"subsampling.{i}": i for i in range(subsampling)}
        return own | {f"conv.{i}": subsampling + i for i in range(len(self.layers()))}

    def forward_chunk(self, features: Tensor, state: NemotronState) -> tuple[Tensor, NemotronState]:
        """Encode the next frames of a stream: exactly what :meth:`forward` gives for them.

        Args:
            features: (B, T, F), all valid; T is a multiple of 8 times the chunk, save in the last call of a stream.
            state: from :meth:`initial_state` or the call before, under the same chunk.

        Returns:
            (B, N, D), and the state after it: without a meaning after a last chunk.
        """
        caches, cached = _Caches(state, self._places()), self.cached
        x = self.model.subsampling(features, None, padding_cache=caches)
        positions = x.shape[1]
        mask = chunk_mask(cached + positions, self.chunk, self.left_chunks, x.device)[cached:]
        mask = mask & (torch.arange(cached + positions, device=x.device) >= cached - state.filled)
        return self._layers(x, mask[None, None], cached, caches), caches.after(positions)
