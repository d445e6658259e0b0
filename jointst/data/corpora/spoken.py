"""Sentences for synthesisers: of the grammars, of LibreOffice's help, or of files of the user's own."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jointst.common.encodings import how_to_convert, read_wrongly
from jointst.common.errors import ConfigError, DataError
from jointst.common.parallel import run_jobs
from jointst.config import CorpusConfig
from jointst.data.corpora.grammar import read_grammars
from jointst.data.corpora.libreoffice_help import fetch_packages, read_sentences
from jointst.data.corpora.locate import expand
from jointst.data.corpora.sentences import ALPHABETS, has_right_length, hash_of, is_readable

KEY = "corpus.synthetic.sentences"
GRAMMAR = "grammar"
LIBREOFFICE = "libreoffice_help"


class Spoken(NamedTuple):
    """A sentence as it is trained on and scored, and as a synthesiser reads it (None: the front end is to say)."""

    text: str
    speech: str | None = None


class _Task(NamedTuple):
    lang: str
    sources: tuple[str, ...]
    downloads: Path
    wanted: int


def read_pools(config: CorpusConfig, wanted: int, nj: int) -> dict[str, list[Spoken]]:
    """Different sentences of each language, in a fixed order.

    Args:
        config: its ``languages``, ``downloads`` and ``synthetic.sentences`` are used.
        wanted: read no more than this many of a language from anything but the grammars.
        nj: processes.

    Raises:
        ConfigError: a path without ``{lang}`` with several languages, or a file that is not there.
        DataError: a file that is not UTF-8 text, or a language without one usable sentence.
        EnvironmentFault: a package cannot be had.
    """
    sources = config.synthetic.sentences
    for number, source in enumerate(sources):
        if source not in (GRAMMAR, LIBREOFFICE):
            _check_path(f"{KEY}: item {number}", source, config.languages)
    pools: dict[str, dict[str, Spoken]] = {lang: {} for lang in config.languages}
    if GRAMMAR in sources:
        for lang, grammar in read_grammars(languages=config.languages).items():
            for sentence in grammar.sentences():
                spoken = Spoken(grammar.text(sentence), grammar.speech(sentence))
                pools[lang].setdefault(spoken.text, spoken)
    others = tuple(source for source in sources if source != GRAMMAR)
    if LIBREOFFICE in others:
        fetch_packages(config.languages, Path(config.downloads))  # before there are processes to do it at once
    if others:
        tasks = [_Task(lang, others, Path(config.downloads), wanted) for lang in config.languages]
        for task, texts in zip(tasks, run_jobs(_read, tasks, nj, desc="sentences", unit="language"), strict=True):
            for text in texts:
                pools[task.lang].setdefault(text, Spoken(text))
    for lang, pool in pools.items():
        if not pool:
            fix = "whole sentences of 3 to 25 words, or 5 to 45 characters in Chinese and Japanese"
            raise DataError(f"{' '.join(sources)}: no usable sentence in {lang}", fix=fix)
    return {lang: list(pool.values()) for lang, pool in pools.items()}


def sentence_files(config: CorpusConfig) -> list[Path]:
    """The user's own files of sentences."""
    named = [source for source in config.synthetic.sentences if source not in (GRAMMAR, LIBREOFFICE)]
    return [_path(source, lang) for source in named for lang in config.languages]


def _path(source: str, lang: str) -> Path:
    return Path(expand(KEY, source.replace("{lang}", lang)))


def _check_path(key: str, source: str, languages: Iterable[str]) -> None:
    languages = list(languages)
    if len(languages) > 1 and "{lang}" not in source:
        raise ConfigError(key, f"{source!r} would be read for {' '.join(languages)}", "put {lang} into the path")
    for lang in languages:
        path = _path(source, lang)
        if not path.is_file():
            raise ConfigError(key, f"there is no file {str(path)!r}", f"or {GRAMMAR}, or {LIBREOFFICE}")


def _read(task: _Task) -> list[str]:
    """Normalised sentences of one language, source by source."""
    from jointst.text.normalise import normalise

    found: dict[str, None] = {}  # as an ordered set
    for source in task.sources:
        if source == LIBREOFFICE:
            raw: Iterable[str] = sorted(read_sentences(task.lang, task.downloads), key=hash_of)
            raw = (sentence for sentence in raw if is_readable(sentence, task.lang))
        else:
            raw = sorted(set(read_lines(_path(source, task.lang), task.lang)), key=hash_of)
        for sentence in raw:
            if len(found) == task.wanted:
                break
            if _is_foreign(sentence, task.lang) or read_wrongly(sentence):
                continue
            normalised = normalise(sentence, task.lang)
            if has_right_length(normalised, task.lang) and _has_own_script(normalised, task.lang):
                found.setdefault(normalised)
    return list(found)


def read_lines(path: Path, lang: str) -> list[str]:
    """Lines of a text file in a language, plain or gzip.

    Raises:
        DataError: not UTF-8 or with zero bytes, with the line, or not gzip.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot be read: {error}", path=path, fix="make it again; if it is no gzip, name it without .gz"
        ) from None
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            lines.append(line.decode("utf-8"))
            problem = "holds a zero byte" if b"\0" in line else ""
        except UnicodeDecodeError as error:
            problem = f"is not UTF-8 at byte {error.start}"
        if problem:
            raise DataError(problem, path=path, line=number, fix=how_to_convert(path, lang))
    return lines


def _is_foreign(sentence: str, lang: str) -> bool:
    """Whether a language in Latin letters has others, which its normaliser may spell in Latin ones."""
    return ALPHABETS[lang].startswith("a-z") and any(letter.isalpha() and letter > "\u036f" for letter in sentence)


def _has_own_script(sentence: str, lang: str) -> bool:
    """Whether a normalised sentence is in the letters of its language alone: engines spell others out."""
    return re.fullmatch(rf"[{ALPHABETS[lang]}\u0300-\u036f' ]+", sentence) is not None
