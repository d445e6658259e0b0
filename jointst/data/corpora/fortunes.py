"""fortunes: unpaired text of seven languages, from the sayings, jokes and poems of the fortune program.

``data/fortunes_unpaired`` from Debian's packages ``fortunes``, ``fortunes-XX`` (GPL-2 and variants of the BSD
licence)::

    usr/share/games/fortunes/[de/]<topic>[.fortunes]    sayings between lines with a %

Sayings that their packages set apart as offensive are left out, and the topics :data:`UNWANTED`. The rules about
sentences are those of :mod:`jointst.data.corpora.libreoffice_help`.
"""

from __future__ import annotations

import re
from pathlib import Path

from jointst.config import CorpusConfig
from jointst.data.corpora.sentences import prepare_packages, split_sentences

PACKAGES = {
    "de": ["fortunes-de"],
    "en": ["fortunes", "fortunes-min"],
    "es": ["fortunes-es"],
    "it": ["fortunes-it"],
    "pt": ["fortunes-br"],
    "ru": ["fortunes-ru"],
    "zh": ["fortunes-zh"],
}
UNWANTED = ("off", "sex", "flirt", "men-women", "ethnic", "drugs", "ascii-art", "asciiart", "translate-me", "banner")
"""Folders and topics that are not read: adult, or not sentences."""
_INDEX = (".dat", ".u8", ".fortunes-pre", ".gz")

_NOT_TEXT = re.compile("\x1b\\[[0-9;]*m|.\x08")
_SOURCE = re.compile(r"\s*(?:--|―|—)\s*\S")
_ENTRY = re.compile(r"^%.*$", re.MULTILINE)
_HAN = re.compile("(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])")


# Italian ones are typed without accents, with an apostrophe after the letter.
_TYPED_ACCENT = re.compile(r"(?<=\w)([aeiou])'(?!\w)|\b(e|E)'(?!\w)")
_ACCENTS = dict(zip("aeiouE", "àèìòùÈ", strict=True))
_ACUTE = re.compile(r"(?i)(?:ch|n|s|tr)e'$")
_CUT_SHORT = re.compile(r"(?i)\b(?:po|mo|va|fa|da|sta|di|be|to|ca)'$|(?<!\w)'\w+'$")


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the text-only set, at most ``config.unpaired_sentences`` a language, chosen by a hash of the sentence.

    Raises:
        ConfigError, DataError, EnvironmentFault: as of :func:`prepare_packages`.
    """
    return [prepare_packages("fortunes", PACKAGES, read_package, config, data, nj)]


def read_package(folder: Path, lang: str) -> list[str]:
    """All sentences of an unpacked package, as they are written."""
    root = folder / "usr/share/games/fortunes"
    sentences: list[str] = []
    for path in sorted(root.rglob("*")):
        topic = {part.removesuffix(".fortunes") for part in path.relative_to(root).parts}
        if path.is_file() and path.suffix not in _INDEX and not topic & set(UNWANTED):
            sentences += read_sayings(path.read_text(encoding="utf-8", errors="replace"))
    return [restore_accents(sentence) for sentence in sentences] if lang == "it" else sentences


def restore_accents(sentence: str) -> str:
    """Italian with accents (``città``) for Italian with apostrophes in their place (``citta'``)."""

    def accented(match: re.Match[str]) -> str:
        before = sentence[: match.end()]
        if _CUT_SHORT.search(before):
            return match.group()
        letter = match.group(1) or match.group(2)
        return "é" if letter == "e" and _ACUTE.search(before) else _ACCENTS[letter]

    return _TYPED_ACCENT.sub(accented, sentence)


def read_sayings(content: str) -> list[str]:
    """Sentences of a file of sayings, without their sources; a blank line or an indented one begins a paragraph."""
    sentences: list[str] = []
    for saying in _ENTRY.split(_NOT_TEXT.sub("", content)):
        lines = []
        for line in saying.split("\n"):
            if _SOURCE.match(line):
                break
            lines.append(line)
        for paragraph in re.split(r"\n(?=\s)", "\n".join(lines)):
            # Chinese lines are broken inside sentences, where no space belongs.
            sentences += split_sentences(_HAN.sub("", paragraph))
    return sentences
