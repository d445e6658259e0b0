"""Cuts a stream of audio into segments at its silences, so that nothing grows with its length.

A segment begins a little before the first sound and ends after a silence, or at the longest length. The longer it is,
the shorter a silence will do. T samples.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from jointst.common.errors import ConfigError
from jointst.common.units import Hertz, Seconds, samples_in, seconds_of
from jointst.kaldi.audio import Samples

BLOCK: Seconds = 0.01
"""Audio is loud or quiet in blocks of this length."""
SILENT = -70.0
"""Decibels below full scale: nothing quieter is ever sound."""
WINDOW: Seconds = 10.0
"""The quietest and the loudest block of so much past say what is quiet."""
QUIET_SHARE = 0.25
"""A block is quiet in the lowest part of the range between them, in decibels."""
LEAST_RANGE = 12.0
"""Decibels; in a smaller range, speech and background cannot be told apart, and all is sound."""
LEAD_IN: Seconds = 0.3
"""Audio before the first sound that belongs to the segment."""
SHORTEST_SILENCE: Seconds = 0.1
"""What ends a segment that has almost the longest length."""


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig:
    """Where segments end."""

    max_segment: Seconds = 20.0
    """The longest segment."""
    end_silence: Seconds = 0.7
    """A silence that ends a segment; from half of the longest length on, ever less is needed."""

    def __post_init__(self) -> None:
        if not 1.0 <= self.max_segment <= 600.0:
            raise ConfigError("max_segment", f"is {self.max_segment} s", "1 to 600")
        if not SHORTEST_SILENCE <= self.end_silence <= self.max_segment / 2:
            raise ConfigError("end_silence", f"is {self.end_silence} s", f"{SHORTEST_SILENCE} to half of max_segment")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a segment.

    Attributes:
        samples: (T,).
        start: time of its first sample in the stream.
        first, last: whether it begins or ends its segment.
    """

    samples: Samples
    start: Seconds
    first: bool
    last: bool


def levels(samples: Samples, block: int) -> Samples:
    """Mean energy of each whole block of samples (T,), in decibels below full scale, (T // block,)."""
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    energy = np.square(blocks, dtype=np.float32).mean(axis=1) if len(blocks) else np.zeros(0, np.float32)
    decibels: Samples = 10.0 * np.log10(energy + 1e-12)
    return decibels


def is_silent(samples: Samples, sampling_rate: Hertz) -> bool:
    """Whether no block of samples (T,) holds any sound, the last, shorter one included."""
    block = samples_in(BLOCK, sampling_rate)
    padded = np.pad(samples, (0, -len(samples) % block))
    return bool((levels(padded, block) < SILENT).all())


@dataclass
class _Range:
    """The quietest and the loudest block of the past, kept by the second."""

    seconds: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=round(WINDOW)))
    low: float = 0.0
    high: float = -np.inf
    blocks: int = 0

    def threshold(self, level: float) -> float:
        """Take the level of the next block; what is louder than the result is sound."""
        self.low, self.high, self.blocks = min(self.low, level), max(self.high, level), self.blocks + 1
        low = max(SILENT, min([self.low, *(low for low, _ in self.seconds)]))
        high = max([self.high, *(high for _, high in self.seconds)])
        if self.blocks == round(1 / BLOCK):
            self.seconds.append((self.low, self.high))
            self.low, self.high, self.blocks = 0.0, -np.inf, 0
        return low + QUIET_SHARE * (high - low) if high - low >= LEAST_RANGE else SILENT


class Segmenter:
    """Cuts a stream.

    Args:
        sampling_rate: of the stream.
        config: where segments end.
    """

    def __init__(self, sampling_rate: Hertz, config: SegmentationConfig) -> None:
        self._rate = sampling_rate
        self._config = config
        self._block = samples_in(BLOCK, sampling_rate)
        self._lead_in = round(LEAD_IN / BLOCK) * self._block
        self._range = _Range()
        self._held = np.zeros(0, np.float32)  # before a segment: the lead-in so far; then: no whole block yet
        self._position = 0  # of the first held sample, in the stream
        self._length = 0  # blocks of the segment, 0 between segments
        self._quiet = 0  # quiet blocks at its end

    def accept(self, samples: Samples) -> list[Piece]:
        """Take the next samples (T,); the pieces of segments they complete."""
        pending = 0 if self._length else len(self._held) // self._block  # blocks of the lead-in are judged already
        self._held = np.concatenate([self._held, samples])
        pieces: list[Piece] = []
        done = 0  # samples of held that are in pieces
        for index, level in enumerate(levels(self._held, self._block)[pending:].tolist(), start=pending):
            loud = level > max(SILENT, self._range.threshold(level))
            end = (index + 1) * self._block
            if not self._length and not loud:
                continue
            if not self._length:
                start = max(done, end - self._block - self._lead_in)
                self._length = (end - start) // self._block
                self._quiet = 0
                pieces.append(self._piece(start, end, first=True, last=False))
                done = end
                continue
            self._length += 1
            self._quiet = 0 if loud else self._quiet + 1
            if self._is_over():
                pieces.append(self._piece(done, end, first=False, last=True))
                self._length, done = 0, end
        if self._length:
            whole = len(self._held) // self._block * self._block
            if whole > done:
                pieces.append(self._piece(done, whole, first=False, last=False))
                done = whole
        else:
            done = max(done, len(self._held) // self._block * self._block - self._lead_in)
        self._held = self._held[done:]
        self._position += done
        return pieces

    def finish(self) -> list[Piece]:
        """The end of the segment that is open, if one is; the stream is over."""
        rest, length = len(self._held), self._length
        self._length = 0
        return [self._piece(0, rest, first=False, last=True)] if length else []

    def _is_over(self) -> bool:
        length, longest = self._length * BLOCK, self._config.max_segment
        left = min(1.0, 2.0 * (1.0 - length / longest))
        needed = SHORTEST_SILENCE + left * (self._config.end_silence - SHORTEST_SILENCE)
        return length >= longest - BLOCK / 2 or self._quiet * BLOCK >= needed - BLOCK / 2

    def _piece(self, start: int, end: int, *, first: bool, last: bool) -> Piece:
        at = seconds_of(self._position + start, self._rate)
        return Piece(samples=self._held[start:end], start=at, first=first, last=last)
