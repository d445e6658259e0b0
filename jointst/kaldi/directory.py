"""Kaldi data directories: a folder of tables that make a set of utterances."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from jointst.common.errors import DataError
from jointst.common.units import Seconds
from jointst.kaldi.tables import read_table, sort_keys, write_table


@dataclass(frozen=True)
class Segment:
    """A part of a recording.

    Attributes:
        recording: key in ``wav.scp``.
        start: seconds from the beginning of the recording.
        end: seconds; -1 for the end of the recording.
    """

    recording: str
    start: Seconds
    end: Seconds

    @classmethod
    def parse(cls, value: str) -> Segment:
        """Read ``recording start end``.

        Raises:
            DataError: not three fields, not numbers, or nothing between start and end.
        """
        parts = value.split()
        try:
            recording, start, end = parts[0], float(parts[1]), float(parts[2])
        except (IndexError, ValueError):
            raise DataError(f"{value!r} is not a segment", fix="utterance recording start end") from None
        if len(parts) != 3 or start < 0 or not (end > start or end == -1):
            raise DataError(f"{value!r} is not a segment", fix="0 <= start < end, in seconds; end -1 for all the rest")
        return cls(recording, start, end)

    def __str__(self) -> str:
        return f"{self.recording} {self.start:.12g} {self.end:.12g}"


def invert(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """``spk2utt`` of ``utt2spk``: the utterances of each speaker, in C order."""
    speakers: dict[str, list[str]] = {}
    for utterance in sort_keys(utt2spk):
        speakers.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances) for speaker, utterances in speakers.items()}


def require_folder(path: Path) -> None:
    """Refuse a data directory that is not there.

    Raises:
        DataError: there is no such folder.
    """
    if not path.is_dir():
        raise DataError(
            "there is no such data directory", path=path, fix="run stage 1, corpus, or correct the set's name"
        )


def empty_set(path: Path) -> DataError:
    """What is said of a data directory without utterances."""
    return DataError("an empty set", path=path / "text", fix="at least one utterance is needed")


@dataclass(frozen=True)
class DataDirectory:
    """One set. Every table is keyed by utterance, ``wav_scp`` by recording; a missing file is an empty table.

    Attributes:
        path: the folder.
        text: transcript, normalised.
        utt2spk: speaker; must be a prefix of the utterance, so that both sort alike.
        utt2lang: ISO 639-1 code.
        wav_scp: audio: a path, ``path.ark:offset``, or a pipe.
        segments: parts of recordings; without it recordings are utterances.
        feats_scp: features: ``path.ark:offset``.
        utt2num_frames: feature frames.
        phones: phone string.
    """

    path: Path
    text: dict[str, str]
    utt2spk: dict[str, str] = field(default_factory=dict)
    utt2lang: dict[str, str] = field(default_factory=dict)
    wav_scp: dict[str, str] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    feats_scp: dict[str, str] = field(default_factory=dict)
    utt2num_frames: dict[str, int] = field(default_factory=dict)
    phones: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, only: Collection[str] | None = None) -> DataDirectory:
        """Read the folder ``path``.

        Args:
            path: the folder.
            only: tables to read, by the names of the attributes; by default all.

        Raises:
            DataError: the folder or its ``text`` is missing, the set is empty, or a line is malformed.
        """
        path = Path(path)
        require_folder(path)
        text = read_table(path / "text")
        if not text:
            raise empty_set(path)
        wanted = FILES.keys() if only is None else set(only)
        tables = {
            name: _read_if_there(path / file) if name in wanted else {}
            for name, file in FILES.items()
            if name != "text"
        }
        return cls(
            path=path,
            text=text,
            utt2spk=tables["utt2spk"],
            utt2lang=tables["utt2lang"],
            wav_scp=tables["wav_scp"],
            segments={key: _segment(path, key, value) for key, value in tables["segments"].items()},
            feats_scp=tables["feats_scp"],
            utt2num_frames={key: frame_count(path, key, value) for key, value in tables["utt2num_frames"].items()},
            phones=tables["phones"],
        )

    @property
    def utterances(self) -> list[str]:
        """Utterance ids in C order."""
        return sort_keys(self.text)

    @property
    def has_audio(self) -> bool:
        """Whether this is a paired set; otherwise it is text only."""
        return bool(self.wav_scp)

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that occur, sorted."""
        return sorted(set(self.utt2lang.values()))

    def recording(self, utterance: str) -> str:
        """Key in ``wav_scp`` of the recording that holds ``utterance``."""
        return self.segments[utterance].recording if self.segments else utterance

    def subset(self, utterances: Collection[str]) -> DataDirectory:
        """The same set with these utterances only, and the recordings they need.

        Raises:
            DataError: one of them is not in the set.
        """
        wanted = set(utterances)
        for utterance in wanted - self.text.keys():
            raise DataError("is not in this set", path=self.path / "text", utterance=utterance)
        recordings = {self.recording(utterance) for utterance in wanted} if self.has_audio else set()
        chosen: dict[str, Any] = {
            name: {key: value for key, value in getattr(self, name).items() if key in wanted}
            for name in FILES
            if name != "wav_scp"
        }
        return replace(self, wav_scp={key: value for key, value in self.wav_scp.items() if key in recordings}, **chosen)

    def write(self, path: Path) -> DataDirectory:
        """Write the set to the folder ``path``, ``spk2utt`` included, and ``text`` last.

        Files of tables that are empty here are removed there: they would belong to an older set.

        Returns:
            This set with its new path.
        """
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        for name, file in reversed(FILES.items()):
            table = getattr(self, name)
            if table or name == "text":
                write_table(path / file, table)
            else:
                (path / file).unlink(missing_ok=True)
            if name == "utt2spk" and table:
                write_table(path / "spk2utt", invert(table))
            elif name == "utt2spk":
                (path / "spk2utt").unlink(missing_ok=True)
        return replace(self, path=path)


FILES = {
    item.name: {"wav_scp": "wav.scp", "feats_scp": "feats.scp"}.get(item.name, item.name)
    for item in fields(DataDirectory)
    if item.name != "path"
}
"""File of each table of a :class:`DataDirectory`."""


def _read_if_there(path: Path) -> dict[str, str]:
    return read_table(path) if path.exists() else {}


def _segment(path: Path, utterance: str, value: str) -> Segment:
    try:
        return Segment.parse(value)
    except DataError as fault:
        raise DataError(fault.problem, path=path / "segments", utterance=utterance, fix=fault.fix) from None


def frame_count(path: Path, utterance: str, value: str) -> int:
    """Frames of an utterance as ``utt2num_frames`` of the data directory ``path`` says.

    Raises:
        DataError: it is not a number.
    """
    if not (value.isascii() and value.isdigit()):
        file = path / "utt2num_frames"
        raise DataError(
            f"{value!r} is not a number of frames", path=file, utterance=utterance, fix="run stage 4, features"
        )
    return int(value)
