"""From samples to what a model reads: log-mel features, or what a pretrained encoder makes of its own features.

B batch, T rows of features, F values of a row, S samples, N states, D width of a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from jointst.config import AudioEncoderConfig, FeatureConfig
from jointst.kaldi.audio import Samples
from jointst.kaldi.log_mel import log_mel
from jointst.kaldi.online import OnlineFeatures
from jointst.pretrained.encoder import WAVEFORM_ROW, PretrainedEncoder, StreamingEncoder
from jointst.pretrained.registry import encoder_class, open_encoder

BATCH_SAMPLES = 30 * 16000
"""Samples of a padded batch of utterances of like length: more of them together is no faster on a CPU."""


def features_of(waveform: Tensor, config: FeatureConfig, encoder: PretrainedEncoder | None) -> Tensor:
    """The features of an utterance.

    Args:
        waveform: (S,) in [-1, 1].
        config: of log-mel features.
        encoder: what reads them; None for our own.

    Returns:
        (T, F), none where it is shorter than a window.
    """
    if encoder is None or encoder.features == "log_mel":
        return log_mel(waveform, config)
    if encoder.features == "whisper_mel":
        from jointst.pretrained.whisper import whisper_mel

        return whisper_mel(waveform, encoder.row_width)
    if encoder.features == "nemotron_mel":
        from jointst.pretrained.nemotron import nemotron_mel

        return nemotron_mel(waveform, encoder.row_width)
    if waveform.shape[0] < config.window_samples:
        return waveform.new_zeros(0, WAVEFORM_ROW)
    return pad(waveform, (0, -waveform.shape[0] % WAVEFORM_ROW)).reshape(-1, WAVEFORM_ROW)


class FrontEnd:
    """What a model reads of utterances.

    Args:
        config: of log-mel features.
        encoder: a pretrained one; None for our own.
        frozen: whether the model reads its states, and not its features.
    """

    def __init__(self, config: FeatureConfig, encoder: PretrainedEncoder | None, *, frozen: bool) -> None:
        self._config = config
        self._encoder = encoder
        self._frozen = frozen

    def __call__(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """From (S,) of each utterance to its (T, F), or (N, D) where the encoder is frozen."""
        features = [features_of(waveform, self._config, self._encoder) for waveform in waveforms]
        if self._encoder is None or not self._frozen:
            return features
        states = [rows.new_zeros(0, self._encoder.dim) for rows in features]
        heard = sorted((i for i, rows in enumerate(features) if len(rows)), key=lambda i: len(features[i]))
        for batch in _batches(heard, [len(waveform) for waveform in waveforms]):
            found, lengths = self._encode([features[i] for i in batch], self._encoder)
            for row, i in enumerate(batch):
                states[i] = found[row, : int(lengths[row])]
        return states

    @property
    def frozen_encoder(self) -> PretrainedEncoder | None:
        """The encoder whose states the model reads, if it reads such."""
        return self._encoder if self._frozen else None

    def online(self) -> OnlineFeatures | OnlineFront:
        """The same for one stream; its pieces together are what the whole would give."""
        if self._encoder is None or self._encoder.features == "log_mel":
            return OnlineFeatures(self._config)
        assert isinstance(self._encoder, StreamingEncoder), "its encoder hears the whole utterance"
        return OnlineFront(self._encoder, frozen=self._frozen)

    @staticmethod
    @torch.inference_mode()
    def _encode(features: list[Tensor], encoder: PretrainedEncoder) -> tuple[Tensor, Tensor]:
        device = next(encoder.parameters()).device
        lengths = torch.tensor([len(rows) for rows in features], device=device)
        states, lengths = encoder(pad_sequence(features, batch_first=True).to(device), lengths)
        return states.float().cpu(), lengths.cpu()


class OnlineFront:
    """What a streaming encoder reads of a stream, or, frozen, makes of it.

    Args:
        encoder: the encoder.
        frozen: whether the model reads its states, and not its features.
    """

    def __init__(self, encoder: StreamingEncoder, *, frozen: bool) -> None:
        from jointst.pretrained.nemotron import MelStream

        self._features = MelStream(encoder.row_width)
        self._encoder = encoder if frozen else None
        self._width = encoder.dim if frozen else encoder.row_width
        if frozen:
            device = next(encoder.parameters()).device
            self._state = encoder.initial_state(1, device)
            self._buffer = torch.zeros(1, 0, encoder.row_width, device=device)

    @torch.inference_mode()
    def accept(self, samples: Samples) -> Tensor:
        """Take the next samples (S,); the rows (T, F), or states (N, D), that are whole by now."""
        rows = self._features.accept(torch.from_numpy(samples))
        if self._encoder is None:
            return rows
        self._buffer = torch.cat([self._buffer, rows[None].to(self._buffer)], dim=1)
        chunk = self._encoder.rows_of_chunk
        states = [self._buffer.new_zeros(1, 0, self._encoder.dim)]
        while self._buffer.shape[1] >= chunk:
            found, self._state = self._encoder.forward_chunk(self._buffer[:, :chunk], self._state)
            states.append(found)
            self._buffer = self._buffer[:, chunk:].clone()  # a view would keep all of it
        return torch.cat(states, dim=1)[0].cpu()

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """The states (N, D) of the rows that are left, if any; the stream is over."""
        if self._encoder is None or not self._buffer.shape[1]:
            return torch.zeros(0, self._width)
        return self._encoder.forward_chunk(self._buffer, self._state)[0][0].cpu()


def _batches(order: Sequence[int], samples: Sequence[int]) -> list[list[int]]:
    """Utterances in the order of their lengths, in padded batches of :data:`BATCH_SAMPLES` at most, or one by one."""
    batches: list[list[int]] = []
    for i in order:
        if batches and (len(batches[-1]) + 1) * samples[i] <= BATCH_SAMPLES:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


@lru_cache(maxsize=2)
def _opened(kind: str, folder: Path, written: tuple[tuple[str, int], ...]) -> PretrainedEncoder:
    """An encoder as it was when its files were ``written``; each process opens it once."""
    del written
    return open_encoder(kind, folder).eval().requires_grad_(False)


def front_end(
    config: FeatureConfig, pretrained: tuple[AudioEncoderConfig, Path] | None, device: torch.device | None = None
) -> FrontEnd:
    """That of some settings.

    Args:
        config: of log-mel features.
        pretrained: settings and folder of a pretrained encoder, if there is one.
        device: where that works; None for the CPU.

    Raises:
        DataError: from opening the encoder.
    """
    if pretrained is None:
        return FrontEnd(config, None, frozen=False)
    settings, folder = pretrained
    if not settings.frozen:
        with torch.device("meta"):  # what it reads is asked for alone
            return FrontEnd(config, encoder_class(settings.kind).without_weights(folder), frozen=False)
    written = tuple(sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()))
    encoder = _opened(settings.kind, folder.resolve(), written).to(device or torch.device("cpu"))
    return FrontEnd(config, encoder, frozen=settings.frozen)
