"""Audio of one utterance as samples: from a file, an ark, a shard, a segment of these, or (opted in) a pipe."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jointst.common.errors import DataError
from jointst.common.units import Hertz
from jointst.kaldi.places import Place
from jointst.kaldi.sound import Level, MissingSound, chunks, open_sound
from jointst.kaldi.sound.parts import take
from jointst.kaldi.sound.reader import HIGHEST_RATE, LOWEST_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jointst.kaldi.directory import Segment

# T samples, C channels

Samples: TypeAlias = "NDArray[np.float32]"
"""Samples in [-1, 1], (T,)."""
Blocks: TypeAlias = "Iterator[tuple[Hertz, NDArray[np.float32]]]"
"""The rate, and samples (T, C), piece by piece."""

PIPES = "JOINTST_ALLOW_PIPES"
"""Environment variable that must be 1 for ``cmd |`` entries, since they run a shell."""
OVERSHOOT = 0.5
"""Seconds that a segment may end after its recording, as in Kaldi's extract-segments."""


def load_audio(
    entry: str, segment: Segment | None, sampling_rate: Hertz, *, utterance: str | None = None, path: Path | None = None
) -> Samples:
    """Samples of an utterance, mono, at ``sampling_rate``.

    Args:
        entry: value in ``wav.scp``: a sound file, ``path.ark:offset``, ``shard.tar:offset:size``, or ``command |``.
        segment: the part to take; None for all.
        sampling_rate: rate of the result; audio is resampled to it.
        utterance: for the message of an error.
        path: the ``wav.scp``, for the message of an error that is not in the audio file itself.

    Returns:
        (T,) float32, mostly in [-1, 1].

    Raises:
        DataError: the audio is missing, unreadable, cut off, empty, not finite, not in full scales, of channels that
            cancel each other, or does not hold the segment; names the file.
    """
    import numpy as np

    level, pieces, rate = Level(), [], 0.0
    try:
        for rate, block in read_entry(entry, segment):
            pieces.append(level.checked(block, rate))
        if not level.samples:
            raise DataError("holds no samples", fix="remove the utterance, or mend its audio or segment")
        level.check_whole()
    except DataError as fault:
        place = Place.parse(entry)
        where = place.shard if place else fault.path or (path if path and entry.endswith("|") else entry)
        raise DataError(fault.problem, path=where, utterance=utterance, fix=fault.fix) from None
    return resample(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), rate, sampling_rate)


def read_entry(entry: str, segment: Segment | None = None) -> Blocks:
    """The audio of an entry of ``wav.scp``, or a segment of it.

    Args:
        entry: a sound file, ``path.ark:offset``, ``shard.tar:offset:size``, or ``command |``.
        segment: the part to take; None for all.

    Yields:
        The rate, the same each time, and samples (T, C).

    Raises:
        MissingSound: there is no such file.
        DataError: the audio is unreadable or cut off, or does not hold the segment.
    """
    if entry.endswith("|"):
        yield from _read_pipe(entry, segment)
    elif place := Place.parse(entry):
        rate, samples = place.read()
        start, stop = _bounds(segment, len(samples), rate)
        yield rate, samples[start:stop]
    elif is_ark(entry):
        rate, samples = _read_ark(entry)
        start, stop = _bounds(segment, len(samples), rate)
        yield rate, samples[start:stop]
    else:
        yield from _read_file(entry, segment)


def is_ark(entry: str) -> bool:
    """Whether a ``wav.scp`` entry is ``path.ark:offset``."""
    name, colon, offset = entry.rpartition(":")
    return bool(colon) and offset.isdigit() and not Path(entry).exists() and bool(name)


def file_behind(entry: str) -> str:
    """The file that a ``wav.scp`` entry is in: itself, its ark or its shard."""
    place = Place.parse(entry)
    if place is not None:
        return place.shard
    return entry.rpartition(":")[0] if is_ark(entry) else entry


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


def _read_file(path: str, segment: Segment | None) -> Blocks:
    sound = open_sound(path)
    if segment is None:
        yield from sound.blocks()
        return
    whole = sound.measured()
    for block in take(sound, *_bounds(segment, whole.samples, whole.rate)):
        yield whole.rate, block


def _read_ark(entry: str) -> tuple[Hertz, NDArray[np.float32]]:
    """The rate and the samples (T, C) of ``path.ark:offset``."""
    import kaldiio
    import numpy as np

    name, _, offset = entry.rpartition(":")
    if not Path(name).is_file():
        raise MissingSound("there is no such ark", fix="correct wav.scp, or restore the file")
    with open(name, "rb") as ark:
        ark.seek(int(offset))
        head = ark.read(4)
        if head.startswith(b"PKL"):
            raise DataError("holds a pickle there, which may run any code", fix="make the ark of audio")
        if head == b"RIFF":  # kaldiio reads what is left of WAV that is cut off
            chunks.wav(ark, os.stat(name).st_size, int(offset))
    try:
        loaded = kaldiio.load_mat(entry)
    except (ValueError, RuntimeError, OSError, EOFError, AssertionError, MemoryError, struct.error) as error:
        said = str(error) or "it promises more than memory can hold"
        raise DataError(f"holds no audio there: {said}", fix="make the ark and its offsets again") from None
    if not (isinstance(loaded, tuple) and len(loaded) == 2 and np.isscalar(loaded[0])):
        raise DataError("holds no audio there but a matrix", fix="wav.scp must point to audio, not to features")
    rate, samples = loaded
    if not LOWEST_RATE <= float(rate) <= HIGHEST_RATE:
        raise DataError(f"states a rate of {rate} Hz, at which nobody records", fix="make the ark again")
    scale = -float(np.iinfo(samples.dtype).min) if np.issubdtype(samples.dtype, np.integer) else 1.0
    scaled = (samples / scale).astype(np.float32)
    return float(rate), scaled[:, None] if scaled.ndim == 1 else scaled


def _read_pipe(entry: str, segment: Segment | None) -> Blocks:
    """The output of ``command |``, by way of a temporary file, so that an hour needs no more memory than a minute."""
    if os.environ.get(PIPES) != "1":
        raise DataError("is a pipe, which would run a shell command", fix=f"export {PIPES}=1 if you trust this file")
    by_hand = f"run it by hand: {entry}"
    with tempfile.NamedTemporaryFile(prefix="jointst_pipe_") as output:
        command = ["bash", "-o", "pipefail", "-c", entry.rstrip("| ")]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-200:]
            raise DataError(f"the pipe ended with status {done.returncode}: {said}", fix=by_hand)
        try:
            yield from _read_file(output.name, segment)
        except DataError as fault:
            if segment is not None and "the segment" in fault.problem:
                raise
            raise DataError(f"the pipe gave no audio: what it wrote {fault.problem}", fix=by_hand) from None


def _bounds(segment: Segment | None, samples: int, rate: Hertz) -> tuple[int, int]:
    """First sample and the one after the last."""
    if segment is None:
        return 0, samples
    seconds = samples / rate
    if segment.start >= seconds or segment.end > seconds + OVERSHOOT:
        raise DataError(
            f"the segment {segment} lies outside the recording of {seconds:.2f} s", fix="correct it in segments"
        )
    return round(segment.start * rate), samples if segment.end == -1 else min(samples, round(segment.end * rate))
