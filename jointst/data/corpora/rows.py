"""Lines and rows of tables as people and corpora write them: a bad one costs itself, not the file."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from jointst.common.errors import DataError
from jointst.data.corpora.left_out import Losses


def read_bytes(path: Path, fix: str) -> bytes:
    """The content of a file, unpacked where its name ends in ``.gz``.

    Raises:
        DataError: it cannot be read, or is not whole gzip.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read: {problem}", path=path, fix=fix) from None


def split_lines(content: bytes, path: Path, losses: Losses) -> Iterator[tuple[int, str]]:
    """Lines that are not empty with their numbers, without their ends; those that are not UTF-8 are left out."""
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            yield number, raw.rstrip(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            losses.add("encoding", DataError(f"is not UTF-8 at byte {error.start}", path=path, line=number))


def quoted_rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows of CSV, whose fields may be quoted and then hold delimiters, line breaks and doubled quotes.

    A quote that is never closed, or closed in the middle of a field, would swallow what follows: its line alone is a
    fault, and reading goes on with the next one.

    Args:
        lines: with their ends.
        delimiter: one character.

    Yields:
        The 1-based line that a row begins on, and its fields, or what is wrong with it.
    """
    begin = width = 0
    while begin < len(lines):
        rest = (lines[number] for number in range(begin, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True)
        taken = 0
        try:
            for fields in reader:
                width = width or len(fields)
                yield begin + taken + 1, fields
                if len(fields) != width and reader.line_num > taken + 1:  # a quote ran into other lines
                    taken += 1
                    break
                taken = reader.line_num
            else:
                return
        except csv.Error as error:
            yield begin + taken + 1, str(error)
            taken += 1
        begin += taken
