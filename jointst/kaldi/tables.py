"""Kaldi's tables, read and written as Kaldi does: lines of ``key value``, UTF-8, sorted in C order."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.files import write_lines_atomically

_SPACE = re.compile(r"\s")
MAY_BE_EMPTY = ("text", "phones")
"""Files in which a key may stand alone on its line."""
BOM = b"\xef\xbb\xbf"
MAKERS = {
    "phones": "run stage 3, lexicon",
    "feats.scp": "run stage 4, features",
    "utt2num_frames": "run stage 4, features",
    "hyp.text": "run stage 7, decode",
}
"""What to do where a file is missing; the others are made by stage 1, or by hand."""


class LineError(DataError):
    """A line of a table that is not as it must be; ``rule`` is the id of the rule that it breaks."""

    rule: str = ""


@dataclass(frozen=True)
class Table:
    """A file of ``key value`` lines as it was found.

    Attributes:
        entries: value of each key, in the order of the file; of keys that occur twice, the first.
        numbers: 1-based line number of each entry, in the same order.
        faults: every line that is not as it must be; of a fault of all lines (carriage returns), the first.
        terminated: whether the last line ends with a line feed.
    """

    entries: dict[str, str]
    numbers: array[int]
    faults: list[LineError]
    terminated: bool

    @cached_property
    def lines(self) -> dict[str, int]:
        """1-based line number of each key."""
        return dict(zip(self.entries, self.numbers, strict=True))


def scan_table(path: Path, *, allow_empty: bool = False) -> Table:
    """Read a table and collect every fault in it.

    Args:
        path: the file.
        allow_empty: whether a key may stand alone on its line; its value is then an empty string.

    Raises:
        DataError: the file is missing or is not a file.
    """
    require_file(path)
    entries: dict[str, str] = {}
    numbers, faults, raw = array("Q"), _Faults(path), b"\n"
    lines: dict[str, int] = {}  # only once there is a key that occurs twice
    with open(path, "rb") as stream:  # its lines end at line feeds alone, not at U+2028 and the like
        for number, raw in enumerate(stream, start=1):
            pair = _parse_line(raw, number, allow_empty, faults)
            if pair is None:
                continue
            key, value = pair
            if key in entries:
                lines = lines or dict(zip(entries, numbers, strict=True))
                same = "repeated-line" if entries[key] == value else "repeated-key"
                faults.add(same, number, f"is on line {lines[key]} already", "keep one of the lines", key)
                continue
            if lines:
                lines[key] = number
            entries[key] = sys.intern(value) if len(value) < SHORT else value
            numbers.append(number)
    return Table(entries, numbers, faults.found, raw.endswith(b"\n"))


def require_file(path: Path) -> None:
    """Refuse a table that is not there.

    Raises:
        DataError: it is missing or is not a file.
    """
    if not path.is_file():
        raise DataError("is missing", path=path, fix=MAKERS.get(path.name, "make it, or run stage 1, corpus"))


class OutOfOrder(Exception):
    """A table whose keys are not in C order, so that it cannot be read beside another one line by line."""


def stream_table(path: Path) -> Iterator[tuple[str, str]]:
    """Keys and values of a table in C order, without holding it in memory.

    Raises:
        DataError: as :func:`read_table`, at the first malformed line.
        OutOfOrder: at the first key that does not come after the one before.
    """
    require_file(path)
    faults, before = _Faults(path), ("", "")
    with open(path, "rb") as stream:
        for number, raw in enumerate(stream, start=1):
            pair = _parse_line(raw, number, path.name in MAY_BE_EMPTY, faults)
            if pair is not None and pair[0] == before[0]:
                rule = "repeated-line" if pair == before else "repeated-key"
                faults.add(rule, number, f"is on line {number - 1} already", "keep one of the lines", pair[0])
            if faults.found:
                raise faults.found[0]
            assert pair is not None, "or there is a fault"
            if pair[0] < before[0]:  # strings compare as their UTF-8 bytes do
                raise OutOfOrder
            yield pair
            before = pair


SHORT = 40
"""Shorter values (languages, speakers) occur again and again, and are kept in memory once."""


class _Faults:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[LineError] = []

    def add(self, rule: str, line: int, problem: str, fix: str, utterance: str | None = None) -> None:
        fault = LineError(problem, path=self.path, line=line, utterance=utterance, fix=fix)
        fault.rule = rule
        self.found.append(fault)


def _parse_line(raw: bytes, number: int, allow_empty: bool, faults: _Faults) -> tuple[str, str] | None:
    """Key and value of a line, also where its fault leaves no doubt about them."""
    raw = raw.removesuffix(b"\n")
    if number == 1 and raw.startswith(BOM):
        faults.add("byte-order-mark", 1, "begins with a byte order mark", "save it as UTF-8 without BOM")
        raw = raw.removeprefix(BOM)
    if raw.endswith(b"\r"):
        if not any(fault.rule == "carriage-return" for fault in faults.found):
            faults.add("carriage-return", number, "ends with a carriage return", "sed -i 's/\\r$//' on the file")
        raw = raw.rstrip(b"\r")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        faults.add(
            "encoding",
            number,
            f"is not UTF-8 at byte {error.start}",
            "jointst validate names its likely encoding and the command that converts it",
        )
        return None
    if "\0" in line:
        faults.add("zero-byte", number, "holds a zero byte", "the file is damaged: make it again")
        return None
    if not line.strip(" \t"):
        faults.add("blank-line", number, "is empty", "remove the line")
        return None
    if line[0] in " \t":
        faults.add("leading-space", number, "begins with a space", "a line is: key, one space, value")
        line = line.lstrip(" \t")
    key, _, value = line.replace("\t", " ", 1 if "\t" in line.split(" ", 1)[0] else 0).partition(" ")
    value = value.strip(" \t")
    if not value and not allow_empty:
        faults.add("missing-value", number, "has a key and no value", "a line is: key, one space, value", key)
        return None
    return key, value


def read_table(path: Path, *, allow_empty: bool | None = None) -> dict[str, str]:
    """Read a file of ``key value`` lines.

    Args:
        path: the file.
        allow_empty: whether a key may stand alone; by default only in ``text`` and ``phones``.

    Returns:
        Value of each key, in the order of the file.

    Raises:
        DataError: the file is missing; or its first malformed line, duplicate key or bad UTF-8.
    """
    table = scan_table(path, allow_empty=path.name in MAY_BE_EMPTY if allow_empty is None else allow_empty)
    if table.faults:
        raise table.faults[0]
    return table.entries


def write_table(path: Path, mapping: Mapping[str, object]) -> None:
    """Write a file of ``key value`` lines, sorted in C order, whole or not at all.

    Raises:
        DataError: a key or value that a line cannot hold.
    """
    write_sorted(path, ((key, str(mapping[key])) for key in sort_keys(mapping)))


def write_sorted(path: Path, entries: Iterable[tuple[str, str]]) -> None:
    """Write keys and values that come in C order, without holding the file in memory; whole or not at all.

    Raises:
        DataError: a key or value that a line cannot hold.
    """
    write_lines_atomically(path, (_line(path, key, value) for key, value in entries))


def _line(path: Path, key: str, value: str) -> str:
    if not key or _SPACE.search(key):
        raise DataError(f"the key {key!r} is empty or holds a space", path=path, fix="rename it")
    if "\n" in value or "\r" in value:
        raise DataError(f"the value {value!r} holds a line break", path=path, utterance=key, fix="remove it")
    return f"{key} {value}".rstrip(" ") + "\n"


def count_lines(path: Path) -> int:
    """Number of entries of a table, without reading them."""
    with open(path, "rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))


def sort_keys(keys: Collection[str]) -> list[str]:
    """Keys in C order: by their UTF-8 bytes, as ``LC_ALL=C sort`` and Kaldi have them."""
    return sorted(keys, key=str.encode)
