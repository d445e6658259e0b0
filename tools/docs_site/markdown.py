"""Words for Markdown: text that stays as it is, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ROLE = re.compile(r":[a-z:]+:`~?([^`]+)`")
_CODE = re.compile(r"(``?)([^`]+)\1")


def plain(text: str) -> str:
    """A docstring's text as Markdown: its code stays code, and nothing else in it is markup."""
    text = _ROLE.sub(r"`\1`", " ".join(text.split()))
    parts, end = [], 0
    for match in _CODE.finditer(text):
        parts += [_escaped(text[end : match.start()]), code(match[2])]
        end = match.end()
    return "".join([*parts, _escaped(text[end:])])


def code(text: str) -> str:
    """Text as code, also inside a table."""
    return f"`{text.replace('|', chr(92) + '|')}`" if "`" not in text else f"`` {text} ``"


def _escaped(text: str) -> str:
    return re.sub(r"(?<!\w)_|_(?!\w)|[\\*<>\[\]|{}$#~^]", r"\\\g<0>", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |\n" for line in lines)
