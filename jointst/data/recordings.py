"""What is in the audio files of a set: length, rate, channels, loudness; each file is read once and remembered."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointst.data.audio import is_ark, read_ark, read_pipe
from jointst.errors import DataError
from jointst.parallel import run_jobs
from jointst.stage import write_atomically
from jointst.units import Hertz, Seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

# T samples, C channels

VERSION = 1
"""Raised when the same file gives other facts."""
FULL_SCALE = 0.9995
"""Samples at least as large are counted as clipped: 16-bit audio ends at 0.99997."""
BLOCK = 2**20
"""Samples read at a time, so that an hour of audio takes no more memory than a minute."""
JOB_FILES = 200


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What an entry of ``wav.scp`` holds.

    Attributes:
        fault: id of the rule that it breaks so badly that nothing else is known; empty if it could be read.
        problem: what is wrong then.
        seconds: length.
        rate: samples a second.
        channels: channels.
        peak: largest magnitude in full scales; not a finite number if any sample is not.
        clipped: share of samples at full scale.
    """

    fault: str = ""
    problem: str = ""
    seconds: Seconds = 0.0
    rate: Hertz = 0.0
    channels: int = 0
    peak: float = 0.0
    clipped: float = 0.0


def examine(entries: Mapping[str, str], nj: int, remembered: Path | None, desc: str = "audio") -> dict[str, Recording]:
    """Look into every recording of a ``wav.scp``.

    Args:
        entries: its table.
        nj: processes.
        remembered: file that keeps what was found, for files that are not changed since; pipes are run every time.
            None to keep nothing.
        desc: what to call it in the progress bar.

    Returns:
        What was found, by key.
    """
    known = {} if remembered is None else _read(remembered)
    stamps = {entry: _stamp(entry) for entry in dict.fromkeys(entries.values())}
    found: dict[str, Recording] = {}
    for entry, stamp in stamps.items():
        if stamp and known.get(entry, [None])[0] == stamp:
            found[entry] = Recording(**known[entry][1])
    unknown = [entry for entry in stamps if entry not in found]
    jobs = [unknown[start : start + JOB_FILES] for start in range(0, len(unknown), JOB_FILES)]
    for job, results in zip(
        jobs, run_jobs(_examine_all, jobs, nj, desc=desc, unit="file", sizes=[len(job) for job in jobs]), strict=True
    ):
        found.update(zip(job, results, strict=True))
    now = {
        entry: [stamp, dataclasses.asdict(found[entry])]
        for entry, stamp in stamps.items()
        if stamp and not found[entry].fault
    }
    if remembered is not None and now != known:
        write_atomically(remembered, json.dumps({"version": VERSION, "files": now}, ensure_ascii=False) + "\n")
    return {key: found[entry] for key, entry in entries.items()}


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        record = json.loads(path.read_bytes())
        files: dict[str, list[Any]] = record["files"] if record["version"] == VERSION else {}
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # none yet, or damaged: all is read again
        return {}
    return files


def _stamp(entry: str) -> list[int] | None:
    """Size and time of change of the file behind an entry, or None for pipes and missing files."""
    if entry.endswith("|"):
        return None
    try:
        stat = os.stat(entry.rpartition(":")[0] if is_ark(entry) else entry)
    except (OSError, ValueError):
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _examine_all(entries: Sequence[str]) -> list[Recording]:
    return [_examine(entry) for entry in entries]


def _examine(entry: str) -> Recording:
    import soundfile

    try:
        if entry.endswith("|"):
            fault = "pipe"
            samples, rate = read_pipe(entry)
            return _measure(iter([_columns(samples)]), rate)
        fault = "audio-unreadable"
        if is_ark(entry):
            samples, rate = read_ark(entry)
            return _measure(iter([_columns(samples)]), rate)
        if not os.path.isfile(entry):
            return Recording(fault="audio-missing", problem="there is no such file")
        with soundfile.SoundFile(entry) as sound:
            expected = sound.frames
            found = _measure(sound.blocks(BLOCK, dtype="float32", always_2d=True), float(sound.samplerate))
    except (DataError, soundfile.SoundFileError, RuntimeError, OSError) as error:
        problem = error.problem if isinstance(error, DataError) else f"cannot be read as audio: {error}"
        return Recording(fault=fault, problem=problem)
    if not found.fault and round(found.seconds * found.rate) < expected:
        problem = f"cut short: {found.seconds:.2f} s of the {expected / found.rate:.2f} s that its header states"
        return Recording(fault="audio-unreadable", problem=problem)
    return found


def _columns(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) or (T, C) to (T, C)."""
    return samples[:, None] if samples.ndim == 1 else samples


def _measure(blocks: Iterator[NDArray[np.float32]], rate: Hertz) -> Recording:
    """Facts of audio that comes in blocks (T, C)."""
    import numpy as np

    samples = channels = clipped = 0
    peak = 0.0
    for block in blocks:
        samples += len(block)
        channels = block.shape[1]
        if block.size:
            magnitude = np.abs(block)
            peak = float(np.maximum(peak, magnitude.max()))  # keeps a NaN
            clipped += int(np.count_nonzero(magnitude >= FULL_SCALE))
    if not samples:
        return Recording(fault="audio-empty", problem="holds no samples")
    share = clipped / (samples * channels)
    return Recording(seconds=samples / rate, rate=rate, channels=channels, peak=peak, clipped=share)
