"""Audio piece by piece: resampling and features whose pieces together are what the whole would give.

T samples, N frames, F mel bins.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from jointst.common.units import Hertz, frames_in
from jointst.config import FeatureConfig
from jointst.kaldi.audio import Samples
from jointst.kaldi.log_mel import lead_in, log_mel, log_mel_of_windows, reflected

if TYPE_CHECKING:
    from torch import Tensor

_LOWPASS_WIDTH = 6
_ROLLOFF = 0.99
# torchaudio's own defaults; what it sees of the past and the future follows from them.


class OnlineResampler:
    """Samples of a stream at another rate, as :func:`jointst.kaldi.audio.resample` of the whole has them.

    Args:
        rate: of the input.
        wanted: of the output.
    """

    def __init__(self, rate: Hertz, wanted: Hertz) -> None:
        import numpy as np
        import torch
        import torchaudio

        ratio = Fraction(rate / wanted).limit_denominator(1000)
        self._block_in, self._block_out = ratio.numerator, ratio.denominator
        width = _LOWPASS_WIDTH * self._block_in / (_ROLLOFF * min(self._block_in, self._block_out))
        self._context = math.ceil(width / self._block_in)  # blocks
        self._same = ratio == 1
        self._resample = torchaudio.transforms.Resample(
            self._block_in,
            self._block_out,
            lowpass_filter_width=_LOWPASS_WIDTH,
            rolloff=_ROLLOFF,
            dtype=torch.float32,
        )
        self._buffer = np.zeros(0, np.float32)
        self._done = 0  # blocks at the start of the buffer that have been given out

    def accept(self, samples: Samples) -> Samples:
        """Take the next samples (T,); those of the output that no later sample can change."""
        import numpy as np

        if self._same:
            return samples
        self._buffer = np.concatenate([self._buffer, samples])
        ready = len(self._buffer) // self._block_in - self._context
        if ready <= self._done:
            return self._buffer[:0]
        output = self._resampled()[self._done * self._block_out : ready * self._block_out]
        kept = max(0, ready - self._context)
        self._buffer = self._buffer[kept * self._block_in :]
        self._done = ready - kept
        return output

    def finish(self) -> Samples:
        """The rest of the output; the stream is over."""
        output = self._resampled()[self._done * self._block_out :] if len(self._buffer) else self._buffer
        self._buffer, self._done = self._buffer[:0], 0
        return output

    def _resampled(self) -> Samples:
        import torch

        resampled: Samples = self._resample(torch.from_numpy(self._buffer)).numpy()
        return resampled


class OnlineFeatures:
    """Log-mel features of a stream, frame for frame those of :func:`jointst.data.features.log_mel` of the whole.

    With windows that reflect, the buffer begins with the mirrored first samples, and the last windows come at the end.

    Args:
        config: sizes; samples come at its sampling rate.
    """

    def __init__(self, config: FeatureConfig) -> None:
        import numpy as np

        self._config = config
        self._buffer = np.zeros(0, np.float32)
        self._lead_in = lead_in(config) if config.edges == "reflect" else 0  # samples that are still to be mirrored
        self._samples, self._frames = 0, 0

    def accept(self, samples: Samples) -> Tensor:
        """Take the next samples (T,); the features (N, F) of the windows that are whole by now."""
        import numpy as np
        import torch

        window, hop = self._config.window_samples, self._config.hop_samples
        self._samples += len(samples)
        self._buffer = np.concatenate([self._buffer, samples])
        if self._lead_in and len(self._buffer) >= window - self._lead_in:
            self._buffer = np.concatenate([self._buffer[: self._lead_in][::-1], self._buffer])
            self._lead_in = 0
        if self._lead_in:
            return torch.zeros(0, self._config.mel_bins)
        features = log_mel_of_windows(torch.from_numpy(self._buffer), self._config)
        self._frames += len(features)
        self._buffer = self._buffer[frames_in(len(self._buffer), window, hop) * hop :]
        return features

    def finish(self) -> Tensor:
        """The features (N, F) of the windows that reflect the end; none where windows lie in the audio whole."""
        import torch

        rest = torch.from_numpy(self._buffer.copy())
        if self._config.edges == "snip":
            return rest.new_zeros(0, self._config.mel_bins)
        if self._lead_in:
            return log_mel(rest, self._config)
        left = self._config.frames_in(self._samples) - self._frames
        stop = (left - 1) * self._config.hop_samples + self._config.window_samples
        return log_mel_of_windows(reflected(rest, 0, stop if left else 0), self._config)
