"""The paired training speech that is heard: without languages known from text alone, and so much of the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.units import Minutes, frames_to_seconds
from jointst.config import Config
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.speed import with_speed


def spoken_part(config: Config, root: Path) -> frozenset[str] | None:
    """The training utterances that are heard, at every speed; None where all are.

    ``data.text_only_languages`` leaves some out, and ``data.paired_minutes`` so much of the others, drawn by a hash
    of their names: a smaller part is inside a larger one, and seeds change nothing.

    Raises:
        DataError: the sets have less speech, or do not say how long their utterances are.
    """
    minutes, hidden = config.data.paired_minutes, config.data.text_only_languages
    if not minutes and not hidden:
        return None
    seconds = _seconds(config, root)
    chosen = sorted(seconds, key=_drawn)
    if minutes:
        path, whole = root / config.data.train[0], sum(seconds.values()) / 60
        if not any(seconds.values()):
            problem = "does not say how long its utterances are, which data.paired_minutes needs"
            raise DataError(problem, path=path / "utt2num_frames", fix="run stage 4, features")
        if whole < minutes:
            names = " ".join(config.data.train)
            problem = f"{whole:.1f} minutes of speech in {names}, fewer than the {minutes:g} asked for"
            raise DataError(problem, path=path, fix="lower data.paired_minutes, or 0 for all")
        left, kept = 60 * minutes, []
        for key in chosen:
            if left <= 0:
                break
            kept.append(key)
            left -= seconds[key]
        chosen = kept
    speeds = config.features.speed_perturbation
    return frozenset(with_speed(key, speed) for key in chosen for speed in speeds)


def spoken_minutes(config: Config, root: Path) -> Minutes:
    """How much of the paired training speech is heard, once; 0 where the sets do not say how long it is.

    Raises:
        DataError: as of :func:`spoken_part`.
    """
    seconds, part = _seconds(config, root), spoken_part(config, root)
    return sum(length for key, length in seconds.items() if part is None or key in part) / 60


def only(directories: Iterable[DataDirectory], part: frozenset[str] | None) -> list[DataDirectory]:
    """The directories with the utterances of a part; those that have none of them are left out."""
    if part is None:
        return list(directories)
    kept = [directory.subset([key for key in directory.text if key in part]) for directory in directories]
    return [directory for directory in kept if directory.text]


def _seconds(config: Config, root: Path) -> dict[str, float]:
    """Utterances of the training sets that may be heard, with their lengths; 0 where that is not known."""
    hidden, found = set(config.data.text_only_languages), {}
    for name in config.data.train:
        directory = DataDirectory.read(root / name, only=("utt2num_frames", "utt2lang"))
        for key in directory.text:
            if directory.utt2lang.get(key) not in hidden:
                found[key] = frames_to_seconds(directory.utt2num_frames.get(key, 0), config.row)
    return found


def _drawn(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
