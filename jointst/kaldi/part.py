"""A part of the paired training speech, to see what a team with less of it would get."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.units import frames_to_seconds
from jointst.config import Config
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.speed import with_speed


def spoken_part(config: Config, root: Path) -> frozenset[str] | None:
    """The training utterances that ``data.paired_minutes`` leaves, at every speed; None where it leaves all.

    They are drawn by a hash of their names: a smaller part is inside a larger one, and seeds change nothing.

    Raises:
        DataError: the sets have less speech, or none says how long its utterances are.
    """
    minutes = config.data.paired_minutes
    if not minutes:
        return None
    directories = [DataDirectory.read(root / name) for name in config.data.train]
    seconds = {
        key: frames_to_seconds(frames, config.row)
        for directory in directories
        for key, frames in directory.utt2num_frames.items()
    }
    whole = sum(seconds.values()) / 60
    if whole < minutes:
        names = " ".join(config.data.train)
        problem = f"{whole:.1f} minutes of speech in {names}, fewer than the {minutes:g} asked for"
        raise DataError(problem, path=directories[0].path, fix="lower data.paired_minutes, or 0 for all")
    chosen: list[str] = []
    left = 60 * minutes
    for key in sorted(seconds, key=_drawn):
        if left <= 0:
            break
        chosen.append(key)
        left -= seconds[key]
    speeds = config.features.speed_perturbation
    return frozenset(with_speed(key, speed) for key in chosen for speed in speeds)


def only(directories: Iterable[DataDirectory], part: frozenset[str] | None) -> list[DataDirectory]:
    """The directories with the utterances of a part; those that have none of them are left out."""
    if part is None:
        return list(directories)
    kept = [directory.subset([key for key in directory.text if key in part]) for directory in directories]
    return [directory for directory in kept if directory.text]


def _drawn(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
