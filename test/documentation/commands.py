"""Commands in documents: fenced blocks and code in a line, as a shell would read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "egs/**/README.md", "docs/**/*.md", "tools/README.md")
    for path in ROOT.glob(pattern)
    if not {"data", "downloads", "dump", "exp"} & set(path.relative_to(ROOT).parts)
)
SHELL = ("sh", "bash", "console")
NO_COMMANDS = ("text", "csv", "mermaid", "json")
"""Languages of blocks that hold nothing to run."""
_FENCE = re.compile(r"^(\s*)(```+)\s*(\{?[\w-]*\}?)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_BEGINS = re.compile(r"(?:\./|tools/|test/run|\.venv/|\.\./|\$?jointst [a-z])\S*(?:\s|\.sh$|$)")
_SETTINGS = re.compile(r"^[a-z_]+:(\s|$)")
_VARIABLE = re.compile(r"^([A-Za-z_]+)=(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: what it is written in, where it begins, and its text."""

    document: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a document.

    Attributes:
        document: that it stands in.
        line: where.
        words: as the program gets them.
        after: what separates it from the one before it on its line: ``&&``, ``|``, ``;``, or nothing.
        target: the file that its output goes to, with > or >>.
        inline: whether it stands in a line of text, where it may be the name of a command alone.
    """

    document: str
    line: int
    words: tuple[str, ...]
    after: str = ""
    target: str = ""
    inline: bool = False

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {shlex.join(self.words)}"


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document; one that does not say what it is in is settings, a list, or shell."""
    found: list[Block] = []
    lines: list[str] = []
    fence, kind, start = "", "", 0
    for number, line in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        match = _FENCE.match(line)
        if not fence and match:
            fence, kind, start, lines = match[2], match[3], number, []
        elif fence and match and match[2].startswith(fence) and not match[3]:
            text = "\n".join(lines)
            found.append(Block(document, start, kind or _guess(text), text))
            fence = ""
        elif fence:
            lines.append(line)
    assert not fence, f"{document}:{start}: the block does not end"
    return found


def _guess(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    if _SETTINGS.match(first):
        return "yaml"
    return "csv" if first.startswith("path,") else "sh"


def commands(document: str) -> list[Command]:
    """All commands of a document in their order, with its variables put in."""
    variables: dict[str, str] = {}
    found = []
    for block in blocks(document):
        if block.kind in SHELL:
            found += list(_commands(block, variables))
    for number, span in _spans(document):
        if _BEGINS.match(span):
            block = Block(document, number, "sh", span)
            found += [
                Command(c.document, c.line, c.words, c.after, c.target, inline=True)
                for c in _commands(block, dict(variables))
            ]
    return found


def _spans(document: str) -> Iterator[tuple[int, str]]:
    """Code in lines of text, outside of blocks, with its line."""
    inside = {n for b in blocks(document) for n in range(b.line, b.line + b.text.count("\n") + 3)}
    for number, line in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        if number not in inside:
            yield from ((number, match[1]) for match in _INLINE.finditer(line))


def _commands(block: Block, variables: dict[str, str]) -> Iterator[Command]:
    """The commands of a block; ``variables`` are those of the document so far, and those that it sets are added."""
    text = block.text.replace("\\\n", " \0")
    line = block.line
    for written in text.split("\n"):
        line += 1
        place, line = line, line + written.count("\0")
        yield from _on_line(Command(block.document, place, ()), written.replace("\0", ""), variables)


def _on_line(place: Command, text: str, variables: dict[str, str]) -> Iterator[Command]:
    words: list[str] = []
    after, target = "", ""
    for word in [*_words(text, variables), ";"]:
        if word in ("&&", ";", "|", "||", "&", "(", ")", "(("):
            if words:
                yield Command(place.document, place.line, tuple(words), after, target)
            words, after, target = [], word, ""
        elif word in (">", ">>"):
            target = word
        elif target in (">", ">>"):
            target += f" {word}"
        elif not words and (match := _VARIABLE.match(word)):
            variables[match[1]] = match[2]
        elif words == ["export"] and (match := _VARIABLE.match(word)):
            variables[match[1]] = match[2]
            words = []
        else:
            words.append(word)


def _words(text: str, variables: dict[str, str]) -> list[str]:
    """A line as words and operators; variables of the line itself are known after their assignment."""
    found: list[str] = []
    for part in re.split(r"(;)", text) if re.match(r"\s*\w+=", text) else [text]:
        for name, value in variables.items():
            part = re.sub(rf"\$(?:{name}\b|\{{{name}\}})", lambda _, value=value: value, part)
        lexer = shlex.shlex(part, posix=True, punctuation_chars="();|&>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        own = list(lexer)
        for word in own:
            if match := _VARIABLE.match(word):
                variables.setdefault(match[1], match[2])
            else:
                break
        found += own
    return found
