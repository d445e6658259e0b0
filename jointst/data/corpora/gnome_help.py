"""gnome_help: unpaired text of nine languages, from GNOME's help pages (CC-BY-SA-3.0).

``data/gnome_help_unpaired`` from Debian's package ``gnome-user-docs``::

    usr/share/help/{C,de,pt_BR,zh_CN,...}/**/*.page    Mallard pages

The rules about sentences are those of :mod:`jointst.data.corpora.libreoffice_help`.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from jointst.common.errors import DataError
from jointst.config import CorpusConfig
from jointst.data.corpora.sentences import prepare_packages, split_sentences

FOLDERS = {
    "de": "de", "en": "C", "es": "es", "fr": "fr", "hi": "hi", "it": "it",
    "ja": "ja", "pt": "pt_BR", "ru": "ru", "zh": "zh_CN",
}  # fmt: skip
"""Folder of each language's pages."""
PACKAGE = "gnome-user-docs"
_PAGE = "{http://projectmallard.org/1.0/}"
_CODE = {f"{_PAGE}{name}" for name in ("code", "cmd", "key", "keyseq", "sys", "file", "input", "output", "var")}


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the text-only set, at most ``config.unpaired_sentences`` a language, chosen by a hash of the sentence.

    Raises:
        ConfigError, DataError, EnvironmentFault: as of :func:`prepare_packages`.
    """
    return [prepare_packages("gnome_help", dict.fromkeys(FOLDERS, [PACKAGE]), read_package, config, data, nj)]


def read_package(folder: Path, lang: str) -> list[str]:
    """All sentences of a language's pages in the unpacked package, as they are written."""
    sentences: list[str] = []
    for path in sorted((folder / "usr/share/help" / FOLDERS[lang]).rglob("*.page")):
        sentences += read_page(path)
    return sentences


def read_page(path: Path) -> list[str]:
    """Sentences of a page's paragraphs; paragraphs that hold code, keys or names of files are left out.

    Raises:
        DataError: not a page.
    """
    try:
        page = ElementTree.parse(path)
    except ElementTree.ParseError as error:
        raise DataError(f"not a help page: {error}", path=path, fix="remove its package, run this again") from None
    paragraphs = [item for item in page.iter(f"{_PAGE}p") if not any(part.tag in _CODE for part in item.iter())]
    return [part for item in paragraphs for part in split_sentences("".join(item.itertext()))]
