"""libreoffice_help: unpaired text of eleven languages, from LibreOffice's help pages and messages (MPL-2.0).

``data/libreoffice_help_unpaired`` from Debian's packages ``libreoffice-help-XX`` (pages) and, where those are few,
``libreoffice-l10n-XX`` (messages of the programs)::

    usr/share/libreoffice/help/de/text/**/*.html
    usr/lib/libreoffice/program/resource/ar/LC_MESSAGES/*.mo

Kept are whole sentences that can be read aloud as they stand: 3 to 25 words (5 to 45 characters in Chinese and
Japanese), the language's own script alone, no digits, no code, no acronyms; each once; none that is left in English,
and none that is in a development or test set.
"""

from __future__ import annotations

import hashlib
import html
import re
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jointst.config import CorpusConfig
from jointst.data.corpora import held_out
from jointst.data.corpora.debian import fetch
from jointst.data.directory import DataDirectory, read_table
from jointst.errors import DataError
from jointst.languages import language
from jointst.parallel import run_jobs

VERSION = 1
HELP = {
    "de": "de", "en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it",
    "ja": "ja", "pt": "pt-br", "ru": "ru", "zh": "zh-cn",
}  # fmt: skip
"""Suffix of each language's package of help pages."""
MESSAGES = ("ar", "hi")
"""Languages whose program messages are taken too."""
WORDS = range(3, 26)
CHARACTERS = range(5, 46)
SCRIPTS = {
    "ar": "\u0621-\u0652", "hi": "\u0900-\u0963", "ru": "а-яё", "zh": "\u4e00-\u9fff",
    "ja": "\u3040-\u30ff\u3005\u4e00-\u9fff", "de": "a-zäöüß", "en": "a-z", "es": "a-záéíóúüñ",
    "fr": "a-zàâæçéèêëîïôœùûüÿ", "it": "a-zàèéìòùî", "pt": "a-záâãàçéêíóôõú",
}  # fmt: skip
"""Letters of each language, lower case, as the body of a character class."""

_PARAGRAPH = re.compile(r'<p id="par_id[^>]*>(.*?)</p>', re.DOTALL)
_CODE = re.compile(r'class="(?:literal|input|code|keycode|menuitem|switchinline)|<br')
_TAG = re.compile(r"<[^>]*>")
_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\b\w\.)\s+|(?<=[。！？।])\s*")
_ENDS = tuple(".!?。！？।")
# A comma, dashes, quotes, apostrophes and the end are all that a sentence may hold beside words.
_SYMBOL = re.compile(r"[^\w\s,;:'’\"“”„«»「」、，；：\-–.!?。！？।।؟،؛\u0300-\u036f\u0900-\u0963\u064b-\u0652]|[\d_]")
_INNER = re.compile(r"\w[.:]\w|[^\W\d_A-ZÀ-Ý][A-ZÀ-Ý]|\b[A-ZÀ-ÝА-ЯЁ]{2,}\b")


class _Task(NamedTuple):
    lang: str
    folders: tuple[Path, ...]
    english: Path
    excluded: frozenset[str]
    wanted: int


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the text-only set, at most ``config.unpaired_sentences`` a language, chosen by a hash of the sentence.

    Raises:
        DataError: a package is not as expected.
        EnvironmentFault: a package cannot be had.
    """
    names = {lang: _packages(lang) for lang in sorted(config.languages)}
    unpacked = fetch_packages(config.languages, Path(config.downloads))
    excluded = frozenset(sentence for path in held_out(data) for sentence in read_table(path).values())
    tasks = [
        _Task(
            lang=lang,
            folders=tuple(unpacked[package] for package in packages),
            english=unpacked[_help_package("en")],
            excluded=excluded,
            wanted=config.unpaired_sentences,
        )
        for lang, packages in names.items()
    ]
    text: dict[str, str] = {}
    utt2lang: dict[str, str] = {}
    for task, sentences in zip(tasks, run_jobs(choose, tasks, nj, desc="sentences", unit="language"), strict=True):
        if len(sentences) < task.wanted:
            print(f"libreoffice_help: {task.lang} has {len(sentences)} sentences only", file=sys.stderr)
        for number, sentence in enumerate(sentences):
            utterance = f"libreoffice-{task.lang}-{number:06d}"
            text[utterance] = sentence
            utt2lang[utterance] = task.lang
    directory = DataDirectory(data / "libreoffice_help_unpaired", text, utt2lang=utt2lang)
    return [directory.write(directory.path).path]


def _help_package(lang: str) -> str:
    return f"libreoffice-help-{HELP[lang]}"


def _packages(lang: str) -> list[str]:
    pages = [_help_package(lang)] if lang in HELP else []
    return pages + ([f"libreoffice-l10n-{lang}"] if lang in MESSAGES else [])


def choose(task: _Task) -> list[str]:
    """Normalised sentences of one language, in the order of their hashes.

    Raises:
        DataError: the packages hold neither pages nor messages.
    """
    from jointst.text.normalise import normalise

    found = {sentence for folder in task.folders for sentence in _read(folder, task.lang)}
    if not found:
        raise DataError("no help pages", path=task.folders[0], fix="remove this folder, then run stage 1 again")
    if task.lang != "en":
        found -= set(_read(task.english, "en"))
    chosen: dict[str, None] = {}  # as an ordered set
    for sentence in in_order(found):
        if len(chosen) == task.wanted:
            break
        if is_readable(sentence, task.lang):
            normalised = normalise(sentence, task.lang)
            if has_right_length(normalised, task.lang) and normalised not in task.excluded:
                chosen.setdefault(normalised)
    return list(chosen)


def fetch_packages(languages: Iterable[str], downloads: Path) -> dict[str, Path]:
    """The folder of each package that these languages need, English always among them.

    Raises:
        EnvironmentFault: a package cannot be had.
    """
    wanted = {package for lang in languages for package in _packages(lang)} | {_help_package("en")}
    return fetch(sorted(wanted), downloads)


def read_sentences(lang: str, downloads: Path) -> set[str]:
    """Every sentence of a language as it is written, what is left in English not among them.

    Raises:
        DataError: the packages are not as expected.
        EnvironmentFault: a package cannot be had.
    """
    unpacked = fetch_packages([lang], downloads)
    found = {sentence for package in _packages(lang) for sentence in _read(unpacked[package], lang)}
    return found if lang == "en" else found - set(_read(unpacked[_help_package("en")], "en"))


def in_order(sentences: Iterable[str]) -> list[str]:
    """Sentences in the order of their hashes, in which they are chosen."""
    return sorted(sentences, key=_hash)


def _hash(sentence: str) -> bytes:
    return hashlib.sha256(sentence.encode()).digest()


def _read(folder: Path, lang: str) -> list[str]:
    """All sentences of a package, as they are written."""
    sentences: list[str] = []
    for path in sorted(folder.glob("usr/share/libreoffice/help/*/text/**/*.html")):
        sentences += read_page(path.read_text(encoding="utf-8", errors="replace"))
    for path in sorted(folder.glob("usr/lib/libreoffice/program/resource/*/LC_MESSAGES/*.mo")):
        sentences += read_messages(path)
    return sentences


def read_page(page: str) -> list[str]:
    """Sentences of a page's paragraphs; paragraphs that hold code or keys are left out."""
    sentences = []
    for paragraph in _PARAGRAPH.findall(page):
        if not _CODE.search(paragraph):
            text = " ".join(html.unescape(_TAG.sub("", paragraph)).split())
            sentences += [part for part in _SENTENCE_END.split(text) if part.endswith(_ENDS)]
    return sentences


def read_messages(path: Path) -> list[str]:
    """Translations in a GNU message catalogue that differ from their originals, without accelerator marks.

    Raises:
        DataError: not a message catalogue.
    """
    content = path.read_bytes()
    try:
        magic, _, count, originals, translations = struct.unpack_from("<5I", content)
        if magic != 0x950412DE:
            raise ValueError(f"it begins with {magic:#x}")
        pairs = [
            tuple(_string(content, table + 8 * index) for table in (originals, translations)) for index in range(count)
        ]
    except (struct.error, ValueError) as error:
        fix = "remove its package, run this again"
        raise DataError(f"not a message catalogue: {error}", path=path, fix=fix) from None
    return [
        " ".join(translation.replace("~", "").replace("_", "").split())
        for original, translation in pairs
        if original and original.rpartition("\x04")[2] != translation and "\n" not in translation
    ]


def _string(content: bytes, place: int) -> str:
    length, start = struct.unpack_from("<2I", content, place)
    return content[start : start + length].split(b"\0")[0].decode("utf-8")  # the singular of plural forms


def is_readable(sentence: str, lang: str) -> bool:
    """Whether a written sentence holds only words of its language: no digits, symbols, acronyms or other scripts."""
    if _SYMBOL.search(sentence) or _INNER.search(sentence):
        return False
    letters = "".join(character for character in sentence.lower() if character.isalpha())
    return bool(letters) and not re.search(f"[^{SCRIPTS[lang]}]", letters)


def has_right_length(sentence: str, lang: str) -> bool:
    """Whether a normalised sentence is neither a fragment nor too long."""
    return len(sentence.split()) in WORDS if language(lang).has_spaces else len(sentence) in CHARACTERS
