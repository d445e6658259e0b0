"""Noises and room responses that a user has: a folder of sound files, or a Kaldi directory; read when they are drawn.

T samples.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.units import Hertz, Seconds
from jointst.kaldi.audio import Samples, load_audio
from jointst.kaldi.directory import Segment
from jointst.kaldi.recordings import Recording, examine
from jointst.kaldi.sound.level import CANCEL_FIX, SCALE_FIX, cancel_problem, scale_problem
from jointst.kaldi.tables import read_table

SUFFIXES = (
    ".wav .flac .ogg .opus .oga .mp3 .m4a .mp4 .aac .aif .aiff .au .snd .sph .w64 .caf .wma .amr .webm .mka".split()
)
"""What the name of a sound file ends in, in whatever case."""


@dataclass(frozen=True)
class Piece:
    """A recording, or a segment of one.

    Attributes:
        name: its id in a Kaldi directory, its path elsewhere.
        entry: as in ``wav.scp``.
        seconds: how long it is.
        start: where it begins in the recording; None for one that is the recording.
    """

    name: str
    entry: str
    seconds: Seconds
    start: Seconds | None = None

    def read(self, rate: Hertz, within: tuple[Seconds, Seconds] | None = None) -> Samples:
        """Samples (T,) at a rate of what lies between two times in it, by default of all of it.

        Raises:
            DataError: it cannot be read, by name.
        """
        part = None
        if self.start is not None or within is not None:
            begin, (first, last) = self.start or 0.0, within or (0.0, self.seconds)
            part = Segment(self.name, begin + first, begin + last)
        return load_audio(self.entry, part, rate, utterance=self.name)


def find_pieces(source: str, remembered: Path | None) -> list[Piece]:
    """The sounds of a folder or a Kaldi directory; every file is read once, and known from then on.

    Args:
        source: the folder.
        remembered: file that keeps what was found.

    Raises:
        DataError: there is no such folder, there is no sound in it, or one of them cannot be used; names it.
    """
    folder = Path(source)
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise DataError(problem, path=folder, fix="name a folder of sound files, or a Kaldi directory")
    kaldi = (folder / "wav.scp").is_file()
    entries = read_table(folder / "wav.scp") if kaldi else _files_in(folder)
    if not entries:
        raise DataError("an empty table", path=folder / "wav.scp", fix="at least one recording is needed")
    parts = _segments(folder, entries) if kaldi and (folder / "segments").is_file() else None
    if parts is not None:
        entries = {key: entries[key] for key in dict.fromkeys(part.recording for part in parts.values())}
    found = examine(entries, 1, remembered, f"sounds of {folder.name}")
    for name, recording in found.items():
        _check(entries[name], recording)
    if parts is None:
        return [Piece(name, entry, found[name].seconds) for name, entry in entries.items()]
    return [_piece_of(name, part, entries[part.recording], found[part.recording]) for name, part in parts.items()]


def _files_in(folder: Path) -> dict[str, str]:
    """Sound files by their path, sorted, those of folders in it included."""
    below = [os.path.join(at, name) for at, _, names in os.walk(folder, followlinks=True) for name in names]
    sounds = sorted(path for path in below if os.path.splitext(path)[1].lower() in SUFFIXES)
    if not sounds:
        seen = f"holds {len(below)} files, and none of a name that ends as a sound file's" if below else "holds nothing"
        raise DataError(seen, path=folder, fix=f"put sound files there ({' '.join(SUFFIXES[:4])} ...), or a wav.scp")
    return {path: path for path in sounds}


def _segments(folder: Path, entries: dict[str, str]) -> dict[str, Segment]:
    parts = {}
    for name, value in read_table(folder / "segments").items():
        try:
            parts[name] = Segment.parse(value)
        except DataError as fault:
            raise DataError(fault.problem, path=folder / "segments", utterance=name, fix=fault.fix) from None
        if parts[name].recording not in entries:
            problem = f"is of the recording {parts[name].recording}, which is not in wav.scp"
            raise DataError(problem, path=folder / "segments", utterance=name, fix="add that, or remove this")
    return parts


def _check(entry: str, recording: Recording) -> None:
    if recording.fault:
        fix = recording.fix or "remove it from the folder, or mend it"
        raise DataError(recording.problem, path=entry, fix=fix)
    if not math.isfinite(recording.peak):
        raise DataError("holds samples that are no finite numbers", path=entry, fix="remove it, or write it again")
    if problem := scale_problem(recording.channel_peak):
        raise DataError(problem, path=entry, fix=SCALE_FIX)
    if problem := cancel_problem(recording.channels, recording.peak, recording.channel_peak):
        raise DataError(problem, path=entry, fix=CANCEL_FIX)
    if recording.peak == 0.0:
        raise DataError("is silent", path=entry, fix="remove it from the folder")


def _piece_of(name: str, part: Segment, entry: str, recording: Recording) -> Piece:
    end = recording.seconds if part.end == -1 else min(part.end, recording.seconds)
    if part.start >= end:
        problem = f"the segment {part} lies outside the recording of {recording.seconds:.2f} s"
        raise DataError(problem, path=entry, utterance=name, fix="correct it in segments")
    return Piece(name, entry, end - part.start, part.start)


def check_short(pieces: Sequence[Piece], most: Seconds) -> None:
    """Refuse what is too long for a room response.

    Raises:
        DataError: names it.
    """
    for piece in pieces:
        if piece.seconds > most:
            problem = f"is {piece.seconds:.1f} s long, and a room response dies away within {most:g} s"
            raise DataError(problem, path=piece.entry, fix="name noises under noises, or cut the response")
