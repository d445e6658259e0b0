"""Phone sets and pronunciations of whole data directories (stage 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jointst.errors import DataError

PAD = 0
"""Id that fills padded places."""
UNKNOWN = 1
"""Id of a phone outside the set, and of a word without a pronunciation."""
MASK = 2
"""Id of a masked position; no phone string holds it."""
SPECIAL = ("<pad>", "<unk>", "<mask>")
"""Symbols of ids 0, 1 and 2."""
BOUNDARY = "|"
"""Symbol between words, if the settings ask for it."""


@dataclass(frozen=True)
class PhoneTable:
    """Phones and their ids: ``<pad>``, ``<unk>``, ``<mask>``, then phones sorted.

    Attributes:
        symbols: the symbol of each id.
    """

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {symbol: index for index, symbol in enumerate(self.symbols)})

    @classmethod
    def of(cls, phones: Iterable[str], word_boundary: bool = False) -> PhoneTable:
        """The table of a set of phones, with :data:`BOUNDARY` last if it is asked for."""
        ordered = sorted(set(phones) - {*SPECIAL, BOUNDARY})
        return cls((*SPECIAL, *ordered, *((BOUNDARY,) if word_boundary else ())))

    @classmethod
    def read(cls, path: Path) -> PhoneTable:
        """The table of a ``phones.txt`` file: ``<symbol> <id>`` on each line, ids counted from 0.

        Raises:
            DataError: the file is missing, a line is malformed, or the special symbols are not first.
        """
        fix = "run the lexicon stage again"
        if not path.is_file():
            raise DataError("there is no phone table", path=path, fix=fix)
        symbols: list[str] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            fields = line.split(" ")
            if len(fields) != 2 or fields[1] != str(number - 1):
                raise DataError(f"expected '<symbol> {number - 1}', found {line!r}", path=path, line=number, fix=fix)
            symbols.append(fields[0])
        if tuple(symbols[: len(SPECIAL)]) != SPECIAL or len(set(symbols)) != len(symbols):
            raise DataError(f"does not start with {' '.join(SPECIAL)}, or repeats a symbol", path=path, fix=fix)
        return cls(tuple(symbols))

    @property
    def size(self) -> int:
        """Number of symbols, the special ones included."""
        return len(self.symbols)

    def encode(self, phones: str) -> list[int]:
        """The ids of phones separated by spaces; those outside the table become :data:`UNKNOWN`."""
        ids: dict[str, int] = self.__dict__["_ids"]
        return [ids.get(phone, UNKNOWN) for phone in phones.split()]

    def to_text(self) -> str:
        """The content of ``phones.txt``."""
        return "".join(f"{symbol} {index}\n" for index, symbol in enumerate(self.symbols))
