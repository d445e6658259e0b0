"""Many strings in two arrays, which loader processes share: a list of str would be copied into each by and by."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np


class Strings:
    """Strings by their number.

    Args:
        strings: each of them.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        content, ends = bytearray(), array("q", [0])
        for string in strings:
            content += string.encode()
            ends.append(len(content))
        self._content = np.frombuffer(bytes(content), dtype=np.uint8)
        self._ends = np.frombuffer(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, i: int) -> str:
        return self._content[self._ends[i] : self._ends[i + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))
