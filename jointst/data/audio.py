"""Audio of one utterance as samples: from a file, an ark, a segment of either, or (opted in) a pipe."""

from __future__ import annotations

import io
import os
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jointst.errors import DataError
from jointst.units import Hertz

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jointst.data.directory import Segment

# T samples

Samples: TypeAlias = "NDArray[np.float32]"
"""Samples in [-1, 1], (T,)."""

PIPES = "JOINTST_ALLOW_PIPES"
"""Environment variable that must be 1 for ``cmd |`` entries, since they run a shell."""
OVERSHOOT = 0.5
"""Seconds that a segment may end after its recording, as in Kaldi's extract-segments."""


def load_audio(
    entry: str, segment: Segment | None, sampling_rate: Hertz, *, utterance: str | None = None, path: Path | None = None
) -> Samples:
    """Samples of an utterance, mono, at ``sampling_rate``.

    Args:
        entry: value in ``wav.scp``: a sound file, ``path.ark:offset``, or ``command |``.
        segment: the part to take; None for all.
        sampling_rate: rate of the result; audio is resampled to it.
        utterance: for the message of an error.
        path: the ``wav.scp``, for the message of an error that is not in the audio file itself.

    Returns:
        (T,) float32, mostly in [-1, 1].

    Raises:
        DataError: the audio is missing, unreadable, empty, not finite, or does not hold the segment; names the file.
    """
    import numpy as np

    try:
        if entry.endswith("|"):
            samples, rate = _cut(*read_pipe(entry), segment)
        elif is_ark(entry):
            samples, rate = _cut(*read_ark(entry), segment)
        else:
            samples, rate = _read_file(entry, segment)
        if samples.ndim == 2:  # (T, channels) -> (T,)
            samples = samples.mean(axis=1)
        if samples.size == 0:
            raise DataError("holds no samples", fix="remove the utterance, or mend its audio or segment")
        if not np.isfinite(samples).all():
            raise DataError("holds samples that are not finite numbers", fix="make the file again")
    except DataError as fault:
        where = fault.path or (path if path and entry.endswith("|") else entry)
        raise DataError(fault.problem, path=where, utterance=utterance, fix=fault.fix) from None
    return resample(samples, rate, sampling_rate)


def is_ark(entry: str) -> bool:
    """Whether a ``wav.scp`` entry is ``path.ark:offset``."""
    name, colon, offset = entry.rpartition(":")
    return bool(colon) and offset.isdigit() and not Path(entry).exists() and bool(name)


def resample(samples: Samples, rate: Hertz, wanted: Hertz) -> Samples:
    """Samples (T,) at ``rate`` as samples (ceil(T * wanted / rate),) at ``wanted``, by windowed sinc interpolation."""
    if rate == wanted:
        return samples
    import torch
    import torchaudio

    ratio = Fraction(rate / wanted).limit_denominator(1000)
    resampled: Samples = torchaudio.functional.resample(
        torch.from_numpy(samples), ratio.numerator, ratio.denominator
    ).numpy()
    return resampled


def _read_file(entry: str, segment: Segment | None) -> tuple[Samples, float]:
    import soundfile

    path = Path(entry)
    if not path.is_file():
        raise DataError("there is no such audio file", fix="correct wav.scp, or restore the file")
    try:
        with soundfile.SoundFile(path) as sound:
            start, stop = _bounds(segment, sound.frames, sound.samplerate)
            sound.seek(start)
            return sound.read(stop - start, dtype="float32"), float(sound.samplerate)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise DataError(f"cannot be read as audio: {error}", fix="convert it to WAV or FLAC, or restore it") from None


def read_ark(entry: str) -> tuple[Samples, float]:
    """Samples (T,) or (T, channels) and the rate of ``path.ark:offset``.

    Raises:
        DataError: no such ark, or no audio there.
    """
    import kaldiio
    import numpy as np

    ark = Path(entry.rpartition(":")[0])
    if not ark.is_file():
        raise DataError("there is no such ark", fix="correct wav.scp, or restore the file")
    try:
        loaded = kaldiio.load_mat(entry)
    except (ValueError, RuntimeError, OSError, EOFError, AssertionError, struct.error) as error:
        raise DataError(f"holds no audio there: {error}", fix="make the ark and its offsets again") from None
    if not (isinstance(loaded, tuple) and len(loaded) == 2 and np.isscalar(loaded[0])):
        raise DataError("holds no audio there but a matrix", fix="wav.scp must point to audio, not to features")
    rate, samples = loaded
    scale = -float(np.iinfo(samples.dtype).min) if np.issubdtype(samples.dtype, np.integer) else 1.0
    return (samples / scale).astype(np.float32), float(rate)


def read_pipe(entry: str) -> tuple[Samples, float]:
    """Samples (T,) or (T, channels) and the rate of the output of ``command |``.

    Raises:
        DataError: pipes are not allowed, the command failed, or it gave no audio.
    """
    import soundfile

    if os.environ.get(PIPES) != "1":
        raise DataError("is a pipe, which would run a shell command", fix=f"export {PIPES}=1 if you trust this file")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", entry.rstrip("| ")], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        raise DataError(f"the pipe ended with status {done.returncode}: {said}", fix=f"run it by hand: {entry}")
    try:
        samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise DataError(f"the pipe gave no audio: {error}", fix=f"run it by hand: {entry}") from None
    return samples, float(rate)


def _bounds(segment: Segment | None, frames: int, rate: float) -> tuple[int, int]:
    """First sample and the one after the last."""
    if segment is None:
        return 0, frames
    seconds = frames / rate
    if segment.start >= seconds or segment.end > seconds + OVERSHOOT:
        raise DataError(
            f"the segment {segment} lies outside the recording of {seconds:.2f} s", fix="correct it in segments"
        )
    return round(segment.start * rate), frames if segment.end == -1 else min(frames, round(segment.end * rate))


def _cut(samples: Samples, rate: float, segment: Segment | None) -> tuple[Samples, float]:
    start, stop = _bounds(segment, len(samples), rate)
    return samples[start:stop], rate
