"""Audio as it comes: from a pipe (WAV or raw samples), or from a microphone.

T samples, C channels.
"""

from __future__ import annotations

import io
import queue
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.units import Hertz, Seconds, samples_in
from jointst.kaldi.audio import Samples
from jointst.kaldi.sound import Level

RawFormat: TypeAlias = Literal["s16le", "s24le", "s32le", "f32le"]
RAW_FORMATS: tuple[RawFormat, ...] = ("s16le", "s24le", "s32le", "f32le")

PIECE: Seconds = 0.04
"""Audio taken at a time at most."""
UNKNOWN_SIZE = 0x7FFFF000
"""Programs that write WAV to a pipe cannot know its size and claim 0, or this much or more."""
OTHER_KINDS = {
    b"fLaC": "FLAC",
    b"OggS": "OGG",
    b"RF64": "RF64",
    b"RIFX": "RIFX",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"riff": "Wave64",
    b".snd": "AU",
    b"NIST": "SPHERE",
    b"#!AM": "AMR",
    b"\x1a\x45\xdf\xa3": "WebM or Matroska",
    b"\x30\x26\xb2\x75": "WMA",
}
"""How files begin that would be noise if they were taken for raw samples."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_LARGEST_CHUNK = 1 << 26
"""Bytes of what stands in a header beside the samples: room for a picture."""


@dataclass(frozen=True, kw_only=True)
class RawAudio:
    """How samples are written.

    Attributes:
        format: of a sample, as ffmpeg calls it.
        rate: of the audio.
        channels: side by side; they are averaged.
        size: bytes to come, if that is known.
    """

    format: RawFormat
    rate: Hertz
    channels: int
    size: int | None = None

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return int(self.format[1:3]) // 8 * self.channels

    def samples(self, content: bytes) -> NDArray[np.float32]:
        """Bytes, a whole number of frames, as samples (T, C)."""
        if self.format == "f32le":
            values = np.frombuffer(content, "<f4").astype(np.float32)
        elif self.format == "s24le":
            triples = np.frombuffer(content, np.uint8).reshape(-1, 3)
            padded = np.concatenate([np.zeros((len(triples), 1), np.uint8), triples], axis=1)
            values = padded.reshape(-1).view("<i4").astype(np.float32) / np.float32(2**31)
        else:
            bits = 16 if self.format == "s16le" else 32
            values = np.frombuffer(content, f"<i{bits // 8}").astype(np.float32) / np.float32(2 ** (bits - 1))
        return values.reshape(-1, self.channels)


def read_header(pipe: io.BufferedReader, raw: RawAudio) -> tuple[RawAudio, bytes]:
    """What a pipe carries: WAV says so itself, anything else is taken for ``raw``.

    Returns:
        How samples are written, and bytes of samples that were read already.

    Raises:
        DataError: a WAV header that is cut off, or of samples that cannot be read.
    """
    head = pipe.read(4)
    if not head:
        raise DataError("ended before any audio came", path="-", fix="look at the program that writes to the pipe")
    if head in OTHER_KINDS or head[:3] == b"ID3":
        kind = OTHER_KINDS.get(head, "MP3")
        raise DataError(f"is {kind}, not WAV or raw samples", path="-", fix="decode it before: ffmpeg -i - -f wav -")
    if head != b"RIFF":
        return raw, head
    if _exactly(pipe, 8)[4:] != b"WAVE":
        raise DataError("begins with RIFF and is not WAV", path="-", fix="pipe WAV, or raw samples")
    found: RawAudio | None = None
    while True:
        name, size = struct.unpack("<4sI", _exactly(pipe, 8))
        if name == b"data":
            if found is None:
                raise DataError("has samples before their format", path="-", fix="make the WAV again")
            known = 0 < size < UNKNOWN_SIZE
            return RawAudio(**{**vars(found), "size": size if known else None}), b""
        if size > _LARGEST_CHUNK:
            problem = f"states {size} bytes of {name.decode('latin-1')!r} before its samples"
            raise DataError(problem, path="-", fix="make the WAV again")
        content = _exactly(pipe, size + size % 2)
        if name == b"fmt ":
            found = _wav_format(content)


def _wav_format(content: bytes) -> RawAudio:
    if len(content) < 16:
        raise DataError("has a WAV format that is cut off", path="-", fix="make the WAV again")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == _EXTENSIBLE and len(content) >= 26:
        tag = struct.unpack("<H", content[24:26])[0]
    known: dict[tuple[int, int], RawFormat] = {
        (_PCM, 16): "s16le",
        (_PCM, 24): "s24le",
        (_PCM, 32): "s32le",
        (_FLOAT, 32): "f32le",
    }
    if (tag, bits) not in known or not channels or not rate:
        problem = f"is WAV of format {tag}, {bits} bits, {channels} channels, {rate} Hz"
        raise DataError(problem, path="-", fix="PCM of 16, 24 or 32 bits, or float of 32")
    return RawAudio(format=known[tag, bits], rate=rate, channels=channels)


def _exactly(pipe: io.BufferedReader, size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise DataError("ended within the WAV header", path="-", fix="make the WAV again")
    return content


def read_pipe(pipe: io.BufferedReader, audio: RawAudio, begun: bytes) -> Iterator[Samples]:
    """The samples of a pipe, (T,) each, as soon as they are there.

    Args:
        pipe: at its first sample, or after ``begun``.
        audio: how samples are written.
        begun: bytes of samples that were read already.

    Raises:
        DataError: the pipe ends early, within a sample or before the size that its header names; or its samples are
            not finite, not in full scales, or of channels that cancel each other.
    """
    level = Level()
    most = max(1, samples_in(PIECE, audio.rate)) * audio.frame
    left = audio.size
    pending = begun
    while True:
        whole = len(pending) // audio.frame * audio.frame
        if whole:
            yield _checked(level, audio.samples(pending[:whole]), audio.rate)
        # read1 gives what is there, without waiting for more
        content = pipe.read1(most if left is None else min(most, left))
        if not content:
            pending = pending[whole:]
            break
        pending = pending[whole:] + content
        left = None if left is None else left - len(content)
    if left or pending:
        missing = f"{left} bytes before its header's size" if left else "within a sample"
        raise DataError(f"ended {missing}", path="-", fix="what came before is transcribed; send it again")
    try:
        level.check_whole()
    except DataError as error:
        raise DataError(error.problem, path="-", fix=error.fix) from None


def _checked(level: Level, samples: NDArray[np.float32], rate: Hertz) -> Samples:
    try:
        return level.checked(samples, rate)
    except DataError as error:
        raise DataError(error.problem, path="-", fix=error.fix) from None


def microphone(rate: Hertz) -> Iterator[Samples]:
    """The samples (T,) of the default microphone, without end.

    Raises:
        EnvironmentFault: the package ``sounddevice`` or a microphone is missing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: its library PortAudio is missing
        fix = "pip install sounddevice, and the system's libportaudio2; or pipe audio in: arecord ... | jointst ... -"
        raise EnvironmentFault(f"no microphone: {error}; {fix}") from None
    blocks: queue.SimpleQueue[Samples] = queue.SimpleQueue()

    def collect(block: Any, frames: int, time: Any, status: Any) -> None:
        blocks.put(block[:, 0].copy())

    try:
        with sounddevice.InputStream(rate, samples_in(PIECE, rate), channels=1, dtype="float32", callback=collect):
            while True:
                yield blocks.get()
    except sounddevice.PortAudioError as error:
        raise EnvironmentFault(f"no microphone: {error}; name one as the system's default, or pipe audio in") from None
