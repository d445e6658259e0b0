"""What utterances of several sets are called together: an id need be unique within its set only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from jointst.kaldi.directory import DataDirectory

Value = TypeVar("Value")


class Names:
    """Names of the utterances of some data directories: their ids, with the set's name where several sets have one.

    Ids need be unique within a set only, so whatever is looked up over several sets goes by these names.

    Args:
        directories: all of them, also utterances that are left out later.
    """

    def __init__(self, directories: Sequence[DataDirectory]) -> None:
        self._shared: set[str] = set()
        self._alike = len({directory.path.name for directory in directories}) < len(directories)
        seen: set[str] = set()
        for directory in directories if len(directories) > 1 else ():
            self._shared |= seen & directory.text.keys()
            seen |= directory.text.keys()

    def __call__(self, directory: DataDirectory, utterance: str) -> str:
        """The name of an utterance."""
        if utterance not in self._shared:
            return utterance
        return f"{directory.path if self._alike else directory.path.name}/{utterance}"

    def table(
        self, directories: Iterable[DataDirectory], read: Callable[[DataDirectory], Mapping[str, Value]]
    ) -> dict[str, Value]:
        """One table of the tables of some directories, by name.

        Args:
            directories: the directories.
            read: gives the table of one, by id.
        """
        return {self(own, utterance): value for own in directories for utterance, value in read(own).items()}
