"""Durations of phones in encoder positions, as ``jointst durations`` writes them: one file for each data directory.

A line of ``<folder>/<set>`` is ``utterance d d d ...``, a whole number from 0 for each phone of the text encoder's
input. Those of speech come from a forced alignment and sum to its encoder positions; those of text alone are predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jointst.common.errors import DataError
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table, write_table

FIX = (
    "run jointst durations with the settings of the paired-only system, whose folder model.text_encoder.durations names"
)


def read_durations(folder: Path, directory: DataDirectory) -> dict[str, list[int]]:
    """Durations of every utterance of a data directory that the folder knows.

    Raises:
        DataError: there is no such folder or file, or a line that is not whole numbers.
    """
    path = durations_file(folder, directory.path)
    return {utterance: parse_durations(value, path, utterance) for utterance, value in read_table(path).items()}


def durations_file(folder: Path, data: Path) -> Path:
    """The file of a data directory's durations.

    Raises:
        DataError: there is none.
    """
    path = folder / data.name
    if not path.is_file():
        raise DataError(f"there are no durations of {data.name}", path=path, fix=FIX)
    return path


def parse_durations(value: str, path: Path, utterance: str) -> list[int]:
    """The durations of a line's value.

    Raises:
        DataError: they are not whole numbers.
    """
    counts = value.split()
    if not all(count.isascii() and count.isdigit() for count in counts):
        raise DataError(f"{value[:60]!r} is not durations", path=path, utterance=utterance, fix=FIX)
    return [int(count) for count in counts]


def check_durations(counts: Sequence[int] | None, phones: int, path: Path, utterance: str) -> Sequence[int]:
    """The durations of an utterance, if there are any and as many as phones.

    Raises:
        DataError: there are none, or another number of them.
    """
    if counts is None:
        raise DataError("has no durations", path=path, utterance=utterance, fix=FIX)
    if len(counts) != phones:
        problem = f"has {len(counts)} durations for {phones} phones"
        raise DataError(problem, path=path, utterance=utterance, fix=f"the lexicon is another: {FIX}")
    return counts


def write_durations(folder: Path, name: str, durations: Mapping[str, Sequence[int]]) -> Path:
    """Write the durations of the data directory ``name``, whole or not at all."""
    write_table(folder / name, {utterance: " ".join(map(str, counts)) for utterance, counts in durations.items()})
    return folder / name


def durations_of(folder: Path, directories: Sequence[DataDirectory], phones: Sequence[int]) -> Iterator[Sequence[int]]:
    """Durations of all utterances of some directories, in order.

    Args:
        folder: of :func:`write_durations`.
        directories: data directories.
        phones: how many phones the text encoder reads of each utterance.

    Raises:
        DataError: an utterance without durations, or with another number of them.
    """
    counts = iter(phones)
    for directory in directories:
        known = read_durations(folder, directory)
        path = folder / directory.path.name
        for utterance in directory.utterances:
            yield check_durations(known.get(utterance), next(counts), path, utterance)
