"""Readers of lexicons and symbol tables."""

from __future__ import annotations

from pathlib import Path

from fuzz.target import HARD, Target
from jointst.config import LexiconConfig
from jointst.text.lexicon import PhoneTable
from jointst.text.pronounce import _read_made, read_user_lexicon

PIECES = (*HARD, b"<pad> 0\n", b" 3\n", b"| ")


def _user(content: bytes) -> None:
    Path("own.txt").write_bytes(content)
    read_user_lexicon(LexiconConfig(user_lexicon="own.txt"), "en")


def _phones(content: bytes) -> None:
    Path("phones.txt").write_bytes(content)
    PhoneTable.read(Path("phones.txt")).encode("a b")


def _made(content: bytes) -> None:
    """A damaged memory of earlier lexicons is no error: they are made again."""
    Path("made.json").write_bytes(content)
    made = _read_made(Path())
    assert all((made.get(lang) or {}).get("settings", "") is not None for lang in ("en", "de"))


TARGETS = [
    Target(name="lexicon", seeds=lambda: (b"door d o r\nopen o p n\n",), read=_user, names="own.txt", pieces=PIECES),
    Target(
        name="phones",
        seeds=lambda: (b"<pad> 0\n<unk> 1\n<mask> 2\na 3\nb 4\n",),
        read=_phones,
        names="phones.txt",
        pieces=PIECES,
    ),
    Target(
        name="made_lexicons",
        seeds=lambda: (b'{"en": {"settings": "12", "content": "34"}}',),
        read=_made,
        names="no error is expected",
    ),
]
