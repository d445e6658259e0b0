"""What is in the audio files of a set: length, rate, channels, loudness; each file is read once and remembered."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.parallel import run_jobs
from jointst.common.units import Hertz, Seconds
from jointst.kaldi.audio import file_behind, read_entry
from jointst.kaldi.places import Place
from jointst.kaldi.sound import Level, MissingSound
from jointst.kaldi.storage import is_url

VERSION = 2
"""Raised when the same file gives other facts."""
JOB_FILES = 200


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What an entry of ``wav.scp`` holds.

    Attributes:
        fault: id of the rule that it breaks so badly that nothing else is known; empty if it could be read.
        problem: what is wrong then.
        fix: how to mend it, if that is known.
        seconds: length.
        rate: samples a second.
        channels: channels.
        peak: largest magnitude, in full scales, of what is used, the mean of the channels; not a finite number if any
            sample is not.
        channel_peak: largest magnitude in any channel.
        clipped: share of samples of all channels at full scale.
    """

    fault: str = ""
    problem: str = ""
    fix: str = ""
    seconds: Seconds = 0.0
    rate: Hertz = 0.0
    channels: int = 0
    peak: float = 0.0
    channel_peak: float = 0.0
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
    """Size and time of change of the file behind an entry, where it lies in a shard behind a URL, or None for pipes and
    missing files."""
    if entry.endswith("|"):
        return None
    place = Place.parse(entry)
    if place is not None and is_url(place.shard):  # whose place and bytes stand in the entry: shards are never mended
        return [place.first, place.size]
    try:
        stat = os.stat(file_behind(entry))
    except (OSError, ValueError):
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _examine_all(entries: Sequence[str]) -> list[Recording]:
    return [facts_of(entry) for entry in entries]


def facts_of(entry: str) -> Recording:
    """What an entry of ``wav.scp`` holds, by reading all of it."""
    level, rate = Level(), 0.0
    try:
        for found, block in read_entry(entry):
            level.add(block)
            rate = found
    except (DataError, OSError) as error:
        fault = "pipe" if entry.endswith("|") else "audio-unreadable"
        if isinstance(error, MissingSound) and fault != "pipe":
            fault = "audio-missing"
        if isinstance(error, DataError):
            return Recording(fault=fault, problem=error.problem, fix=error.fix)
        return Recording(fault=fault, problem=f"cannot be read: {error}")
    if not level.samples:
        return Recording(fault="audio-empty", problem="holds no samples")
    return Recording(
        seconds=level.samples / rate,
        rate=rate,
        channels=level.channels,
        peak=level.peak,
        channel_peak=level.channel_peak,
        clipped=level.clipped / level.values,
    )
