"""Rules about files and their lines: what is there, how it is written, in which order."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from jointst.common.encodings import how_to_convert
from jointst.data.rules.frame import Everything, Finding, Set, rule


@rule("missing-folder", "ERROR")
def missing_folder(everything: Everything) -> Iterator[Finding]:
    """Every set that the configuration names is a folder."""
    for item in everything.sets:
        if not item.path.is_dir():
            yield Finding(path=item.path, message="there is no such folder", fix="run stage 1, or correct data.* sets")


@rule("missing-file", "ERROR")
def missing_file(everything: Everything) -> Iterator[Finding]:
    """Every set has text and utt2lang; paired sets have wav.scp and utt2spk."""
    for item in everything.sets:
        if item.path.is_dir():
            for file in ("text", "utt2lang", *(("wav.scp", "utt2spk") if item.paired else ())):
                if file not in item.tables and file not in item.unreadable:
                    yield Finding(path=item.path / file, message="is missing", fix="run stage 1, or make it")


@rule("unreadable-file", "ERROR")
def unreadable_file(everything: Everything) -> Iterator[Finding]:
    """Every table is a file that can be read."""
    for item in everything.sets:
        for file, problem in item.unreadable.items():
            yield Finding(path=item.path / file, message=problem, fix="make it a file, and give access to it")


@rule("empty-set", "ERROR")
def empty_set(everything: Everything) -> Iterator[Finding]:
    """Every set has at least one utterance."""
    for item in everything.sets:
        if "text" in item.tables and not item.entries("text") and not item.tables["text"].faults:
            yield Finding(path=item.path / "text", message="an empty set", fix="at least one utterance is needed")


@rule("encoding", "ERROR")
def encoding(everything: Everything) -> Iterator[Finding]:
    """Every line is UTF-8."""
    for item in everything.sets:
        yield from _with_conversion(item, "encoding")


@rule("zero-byte", "ERROR")
def zero_byte(everything: Everything) -> Iterator[Finding]:
    """No line holds a zero byte, which is what a disk leaves of a file it did not finish."""
    for item in everything.sets:
        yield from _with_conversion(item, "zero-byte")


def _with_conversion(item: Set, name: str) -> Iterator[Finding]:
    """Findings, each with the likely encoding of its file and the command that converts it."""
    advice: dict[Path, str] = {}
    languages = Counter(item.entries("utt2lang").values())
    lang = languages.most_common(1)[0][0] if languages else ""
    for finding in item.faults(name):
        path = finding.path
        if path not in advice:
            advice[path] = how_to_convert(path, lang if path.name == "text" else "")
        yield dataclasses.replace(finding, fix=advice[path])


@rule("byte-order-mark", "ERROR", mends="removes it")
def byte_order_mark(everything: Everything) -> Iterator[Finding]:
    """No file begins with a byte order mark: it would become part of the first key."""
    for item in everything.sets:
        yield from item.faults("byte-order-mark")


@rule("carriage-return", "ERROR", mends="removes them")
def carriage_return(everything: Everything) -> Iterator[Finding]:
    """Lines end with a line feed alone; only the first other one is named."""
    for item in everything.sets:
        yield from item.faults("carriage-return")


@rule("blank-line", "ERROR", mends="removes it")
def blank_line(everything: Everything) -> Iterator[Finding]:
    """No line is empty."""
    for item in everything.sets:
        yield from item.faults("blank-line")


@rule("leading-space", "ERROR", mends="removes it")
def leading_space(everything: Everything) -> Iterator[Finding]:
    """No line begins with a space."""
    for item in everything.sets:
        yield from item.faults("leading-space")


@rule("missing-value", "ERROR", mends="removes the line")
def missing_value(everything: Everything) -> Iterator[Finding]:
    """Every key has a value; it may be empty only in text."""
    for item in everything.sets:
        yield from item.faults("missing-value")


@rule("repeated-line", "ERROR", mends="keeps one")
def repeated_line(everything: Everything) -> Iterator[Finding]:
    """No line occurs twice."""
    for item in everything.sets:
        yield from item.faults("repeated-line")


@rule("repeated-key", "ERROR")
def repeated_key(everything: Everything) -> Iterator[Finding]:
    """No key has two values."""
    for item in everything.sets:
        yield from item.faults("repeated-key")


@rule("sorting", "ERROR", mends="sorts the file")
def sorting(everything: Everything) -> Iterator[Finding]:
    """Every file is sorted in C order; only the first line out of order is named."""
    for item in everything.sets:
        for file, table in item.tables.items():
            for before, key in itertools.pairwise(table.entries):
                if before > key and before.encode() > key.encode():
                    yield item.at(file, key, f"stands after {before}: not in C order", "LC_ALL=C sort -o FILE FILE")
                    break


@rule("line-feed", "WARNING", mends="adds it")
def line_feed(everything: Everything) -> Iterator[Finding]:
    """The last line ends with a line feed, or it is joined to another file's first one by cat."""
    for item in everything.sets:
        for file, table in item.tables.items():
            if not table.terminated:
                line = table.numbers[-1] if table.numbers else 0
                yield Finding(path=item.path / file, line=line, message="has no line feed at its end", fix="add it")
