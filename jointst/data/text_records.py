"""The sentences of a data directory as they come, in blocks: its files are read side by side and never held as a whole.

Their keys are in C order, as every stage writes them. Files of the user's own that are not are read as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from jointst.common.errors import DataError
from jointst.kaldi.directory import DataDirectory, empty_set, require_folder
from jointst.kaldi.durations import durations_file
from jointst.kaldi.tables import OutOfOrder, read_table, stream_table

BLOCK = 10_000
"""Sentences of a block."""


class Record(NamedTuple):
    """A sentence.

    Attributes:
        name: its id.
        text: as in ``text``.
        phones: as in ``phones``; empty where there are none.
        language: as in ``utt2lang``; empty where it is not known.
        durations: a line's value; None where there is none.
        features: as in ``feats.scp`` and ``utt2num_frames``; None where there are none, or none are read.
    """

    name: str
    text: str
    phones: str
    language: str
    durations: str | None
    features: tuple[str, str] | None = None


class _Beside:
    """A table that is read along with another one, both in C order."""

    def __init__(self, path: Path | None) -> None:
        self._entries: Iterator[tuple[str, str]] = iter(())
        if path is not None and path.exists():
            self._entries = stream_table(path)
        self._entry = next(self._entries, None)

    def __call__(self, key: str) -> str | None:
        """The value of a key, if it has one; keys are asked for in C order."""
        while self._entry is not None and self._entry[0] < key:
            self._entry = next(self._entries, None)
        return self._entry[1] if self._entry is not None and self._entry[0] == key else None

    def finish(self) -> None:
        """Read what is left, so that faults in it are found."""
        for _ in self._entries:
            pass


def streamed(folder: Path, durations: Path | None, *, speech: bool = False) -> Iterator[Record]:
    """The sentences of a data directory, line by line.

    Args:
        folder: the data directory.
        durations: folder of the durations of their phones, if they are needed.
        speech: whether their features are needed.

    Raises:
        DataError: a missing or malformed file, by line.
        OutOfOrder: a file is not in C order.
    """
    require_folder(folder)
    files = files_of(folder, durations, speech=speech)
    texts = stream_table(files.pop("text"))
    besides = {name: _Beside(path) for name, path in files.items()}
    phones, languages, counts, places, frames = (
        besides.get(name, _NONE) for name in ("phones", "utt2lang", "durations", *SPEECH)
    )
    some = False
    for name, text in texts:
        some = True
        place, length = places(name), frames(name)
        yield Record(
            name=name,
            text=text,
            phones=phones(name) or "",
            language=languages(name) or "",
            durations=counts(name),
            features=None if place is None or length is None else (place, length),
        )
    for table in besides.values():
        table.finish()
    if not some:
        raise empty_set(folder)


_NONE = _Beside(None)
"""A table that is not needed."""

SPEECH = ("feats.scp", "utt2num_frames")
"""Files of a data directory that say where features are, and how many frames they have."""


def files_of(folder: Path, durations: Path | None, *, speech: bool = False) -> dict[str, Path]:
    """What :func:`streamed` reads, ``text`` first; whether they are there or not."""
    files = {name: folder / name for name in ("text", "phones", "utt2lang", *(SPEECH if speech else ()))}
    return files if durations is None else {**files, "durations": durations_file(durations, folder)}


def in_order(folder: Path, durations: Path | None, *, speech: bool = False) -> bool:
    """Whether all files that :func:`streamed` reads are in C order, as far as they can be read."""
    for path in files_of(folder, durations, speech=speech).values():
        try:
            for _ in stream_table(path):
                pass
        except OutOfOrder:
            return False
        except DataError:
            continue
    return True


def read_whole(folder: Path, durations: Path | None, *, speech: bool = False) -> Iterator[Record]:
    """The same for files in any order, which are held in memory."""
    directory = DataDirectory.read(folder, only=("phones", "utt2lang"))
    counts = read_table(durations_file(durations, folder)) if durations is not None else {}
    places, frames = (read_table(folder / name) if speech and (folder / name).exists() else {} for name in SPEECH)
    having = places.keys() & frames.keys()
    for name in directory.utterances:
        yield Record(
            name=name,
            text=directory.text[name],
            phones=directory.phones.get(name, ""),
            language=directory.utt2lang.get(name, ""),
            durations=counts.get(name),
            features=(places[name], frames[name]) if name in having else None,
        )


def in_blocks(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Records, some thousand at a time."""
    while block := list(islice(records, BLOCK)):
        yield block
