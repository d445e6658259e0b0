"""Log-mel filter banks as Kaldi makes them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from jointst.config import FeatureConfig
from jointst.config.data import LOW_FREQUENCY

if TYPE_CHECKING:
    from torch import Tensor

# T samples, N frames, F mel bins, W window, H hop

SCALE = 32768.0
"""Waveforms in [-1, 1] are scaled to 16-bit integers, as in Kaldi."""
PREEMPHASIS = 0.97


def log_mel(waveform: Tensor, config: FeatureConfig) -> Tensor:
    """Log-mel filter banks as Kaldi's ``compute-fbank-feats --dither=0`` makes them, with a floor.

    Args:
        waveform: (T,) in [-1, 1], at ``config.sampling_rate``.

    Returns:
        (N, F) natural logarithms of mel energies, not normalised; N is ``config.frames_in`` of T.
    """
    if config.edges == "snip":
        return log_mel_of_windows(waveform, config)
    before = lead_in(config)
    frames = config.frames_in(waveform.shape[0])
    after = (frames - 1) * config.hop_samples + config.window_samples - before
    return log_mel_of_windows(reflected(waveform, -before, after if frames else 0), config)


def lead_in(config: FeatureConfig) -> int:
    """Samples that the first window reflects, where windows are centred on their shifts."""
    return config.window_samples // 2 - config.hop_samples // 2


def reflected(waveform: Tensor, start: int, stop: int) -> Tensor:
    """Samples ``start`` to ``stop`` of a waveform (T,) that goes on mirrored at both of its ends."""
    import torch

    length = waveform.shape[0]
    if not length:
        return waveform
    places = torch.arange(start, stop) % (2 * length)
    return waveform[torch.minimum(places, 2 * length - 1 - places)]


def log_mel_of_windows(waveform: Tensor, config: FeatureConfig) -> Tensor:
    """The same of the windows that lie in a waveform (T,) whole, (N, F); N is ``units.frames_in`` of T."""
    import torch

    window, hop = config.window_samples, config.hop_samples
    if waveform.shape[0] < window:
        return waveform.new_zeros(0, config.mel_bins)
    taper, filters = _window_and_filters(config.sampling_rate, window, config.mel_bins, config.upper_frequency)
    frames = waveform.unfold(0, window, hop) * SCALE  # (T,) -> (N, W)
    frames = frames - frames.mean(dim=1, keepdim=True)
    previous = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
    frames = (frames - PREEMPHASIS * previous) * taper
    spectrum = torch.fft.rfft(frames, n=_fft_size(window))
    power = spectrum.real.square() + spectrum.imag.square()
    features: Tensor = (power @ filters).clamp_min(config.floor).log()
    return features


def _fft_size(window: int) -> int:
    return 1 << (window - 1).bit_length()


@lru_cache(maxsize=8)
def _window_and_filters(sampling_rate: float, window: int, mel_bins: int, end: float) -> tuple[Tensor, Tensor]:
    """Kaldi's "povey" window (W,) and triangular filters (fft_size / 2 + 1, F), even in mel between their edges."""
    import torch

    def mel(frequency: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(frequency / 700.0)

    taper = torch.hann_window(window, periodic=False, dtype=torch.float64).pow(0.85)
    size = _fft_size(window)
    edges = mel(torch.tensor([LOW_FREQUENCY, end], dtype=torch.float64))
    points = torch.linspace(float(edges[0]), float(edges[1]), mel_bins + 2, dtype=torch.float64)
    # (fft_size / 2 + 1, 1) against (F,)
    bins = mel(torch.arange(size // 2 + 1, dtype=torch.float64) * sampling_rate / size).unsqueeze(1)
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    filters = torch.minimum(rising, falling).clamp_min(0.0)
    filters[-1] = 0.0  # Kaldi leaves out the last bin
    return taper.float(), filters.float()
