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

import html
import re
import struct
from collections.abc import Iterable
from pathlib import Path

from jointst.common.errors import DataError
from jointst.config import CorpusConfig
from jointst.data.corpora.debian import fetch
from jointst.data.corpora.sentences import prepare_packages, split_sentences

VERSION = 2
HELP = {
    "de": "de", "en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it",
    "ja": "ja", "pt": "pt-br", "ru": "ru", "zh": "zh-cn",
}  # fmt: skip
"""Suffix of each language's package of help pages."""
MESSAGES = ("ar", "hi")
"""Languages whose program messages are taken too."""

_PARAGRAPH = re.compile(r'<p id="par_id[^>]*>(.*?)</p>', re.DOTALL)
_CODE = re.compile(r'class="(?:literal|input|code|keycode|menuitem|switchinline)|<br')
_TAG = re.compile(r"<[^>]*>")


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the text-only set, at most ``config.unpaired_sentences`` a language, chosen by a hash of the sentence.

    Raises:
        DataError: a package is not as expected.
        EnvironmentFault: a package cannot be had.
    """
    packages = {lang: _packages(lang) for lang in sorted({*HELP, *MESSAGES})}
    return [prepare_packages("libreoffice_help", packages, read_package, config, data, nj)]


def _packages(lang: str) -> list[str]:
    pages = [f"libreoffice-help-{HELP[lang]}"] if lang in HELP else []
    return pages + ([f"libreoffice-l10n-{lang}"] if lang in MESSAGES else [])


def fetch_packages(languages: Iterable[str], downloads: Path) -> dict[str, Path]:
    """The folder of each package that these languages need, English always among them.

    Raises:
        EnvironmentFault: a package cannot be had.
    """
    return fetch(sorted({package for lang in {*languages, "en"} for package in _packages(lang)}), downloads)


def read_sentences(lang: str, downloads: Path) -> set[str]:
    """Every sentence of a language as it is written, what is left in English not among them.

    Raises:
        DataError: the packages are not as expected.
        EnvironmentFault: a package cannot be had.
    """
    unpacked = fetch_packages([lang], downloads)

    def read(code: str) -> set[str]:
        return {sentence for package in _packages(code) for sentence in read_package(unpacked[package], code)}

    return read(lang) if lang == "en" else read(lang) - read("en")


def read_package(folder: Path, lang: str) -> list[str]:
    """All sentences of an unpacked package, as they are written; its packages are of one language each."""
    sentences: list[str] = []
    for path in sorted(folder.glob("usr/share/libreoffice/help/*/text/**/*.html")):
        sentences += read_page(path.read_text(encoding="utf-8", errors="replace"))
    for path in sorted(folder.glob("usr/lib/libreoffice/program/resource/*/LC_MESSAGES/*.mo")):
        sentences += read_messages(path)
    return sentences


def read_page(page: str) -> list[str]:
    """Sentences of a page's paragraphs; paragraphs that hold code or keys are left out."""
    paragraphs = [text for text in _PARAGRAPH.findall(page) if not _CODE.search(text)]
    return [part for text in paragraphs for part in split_sentences(html.unescape(_TAG.sub("", text)))]


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
