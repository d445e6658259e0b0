"""What is known of who speaks, and how: age, gender, emotion, where a corpus says so.

A file ``utt2age`` stands in a data directory beside ``text``, a line for each utterance of which it is known; likewise
``utt2gender`` and ``utt2emotion``. Of sets of the user's own, ``spk2age`` and so on are read too, as Kaldi has them, a
line for each speaker; what the first kind of file says of an utterance goes before it. Values are words, or numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table, write_table

LABELS = ("age", "gender", "emotion")
"""What the sources know; other files of the same form are read where they are asked for."""
_KINDS = ("spk", "utt")


def read_labels(directory: DataDirectory, name: str) -> dict[str, str]:
    """A label of the utterances of a set of which it is known.

    Args:
        directory: its ``utt2spk`` is used.
        name: ``age`` for the files ``utt2age`` and ``spk2age``.

    Raises:
        DataError: a malformed line.
    """
    speakers, utterances = (
        read_table(path) if path.is_file() else {} for path in (directory.path / f"{kind}2{name}" for kind in _KINDS)
    )
    found = {utterance: speakers[speaker] for utterance, speaker in directory.utt2spk.items() if speaker in speakers}
    return found | {utterance: value for utterance, value in utterances.items() if utterance in directory.text}


def write_labels(folder: Path, labels: Mapping[str, Mapping[str, str]]) -> None:
    """Write the labels of a data directory by their names; files of those that are not known are removed."""
    for name in LABELS:
        if labels.get(name):
            write_table(folder / f"utt2{name}", labels[name])
        else:
            (folder / f"utt2{name}").unlink(missing_ok=True)
