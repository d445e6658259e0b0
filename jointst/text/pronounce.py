"""Lexicons on disk: the user's, those made earlier with the same settings, and new words, each pronounced once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from jointst.common.encodings import how_to_convert
from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.languages import LANGUAGES
from jointst.common.parallel import run_jobs
from jointst.config import LexiconConfig
from jointst.kaldi.tables import sort_keys
from jointst.text.phonemes import Phonemizer, Phones, front_end_versions

Lexicon = dict[str, Phones]

# Words in a job; Arabic ones take forty times as long.
_JOB_WORDS = {"ar": 500}
_USUAL_JOB_WORDS = 10_000
# Starting processes takes longer than pronouncing so few words.
_WORTH_PROCESSES = 2_000


@cache
def phonemizer(lang: str, config: LexiconConfig) -> Phonemizer:
    """This process's phonemizer of a language."""
    return Phonemizer(lang, config)


def words_of(text: str, lang: str, config: LexiconConfig) -> list[str]:
    """The words of normalised text, as its lexicon has them; eSpeak is not asked where spaces separate words."""
    return text.split() if LANGUAGES[lang].has_spaces else phonemizer(lang, config).words(text)


def make_lexicons(
    folder: Path, vocabulary: Mapping[str, Collection[str]], config: LexiconConfig, nj: int
) -> dict[str, Lexicon]:
    """Pronounce the words of each language and write ``lexicon_<lang>.txt`` and ``unknown_<lang>.txt``.

    Args:
        folder: where the files go, and where those of an earlier run may be.
        vocabulary: words of each language.
        config: settings; the user's lexicon goes before everything else.
        nj: processes.

    Returns:
        For each language its words with their phones; words that no front end can pronounce are left out.

    Raises:
        DataError: the user's lexicon is missing or malformed.
        EnvironmentFault: eSpeak NG or a voice is missing.
    """
    user = {lang: read_user_lexicon(config, lang) for lang in vocabulary}
    settings = {lang: _digest(config, user[lang]) for lang in vocabulary}
    made = _read_made(folder)
    lexicons: dict[str, Lexicon] = {}
    jobs: list[tuple[str, LexiconConfig, list[str]]] = []
    for lang, words in sorted(vocabulary.items()):
        path = folder / f"lexicon_{lang}.txt"
        known = _read_earlier(path, made.get(lang), settings[lang]) | user[lang]
        lexicons[lang] = {word: known[word] for word in words if word in known}
        missing = sort_keys(set(words) - known.keys())
        size = _JOB_WORDS.get(lang, _USUAL_JOB_WORDS)
        jobs += [(lang, config, missing[start : start + size]) for start in range(0, len(missing), size)]
    sizes = [len(words) for _, _, words in jobs]
    nj = nj if sum(sizes) >= _WORTH_PROCESSES else 1
    results = run_jobs(_pronounce, jobs, nj, desc="pronounce", unit="word", sizes=sizes)
    for (lang, _, words), pronunciations in zip(jobs, results, strict=True):
        lexicons[lang].update((word, phones) for word, phones in zip(words, pronunciations, strict=True) if phones)
    _write(folder, vocabulary, lexicons, settings)
    return lexicons


def _pronounce(job: tuple[str, LexiconConfig, list[str]]) -> list[Phones]:
    lang, config, words = job
    return phonemizer(lang, config).pronounce(words)


def read_user_lexicon(config: LexiconConfig, lang: str) -> Lexicon:
    """The user's pronunciations for a language; of words listed twice, the first.

    ``{lang}`` in the path stands for the language's code, so that each may have its own file or none; a path without
    it is one file for all languages.

    Raises:
        DataError: the file is missing, is not UTF-8, or has a line without phones.
    """
    if config.user_lexicon is None:
        return {}
    path = Path(config.user_lexicon.replace("{lang}", lang))
    if not path.is_file():
        if "{lang}" in config.user_lexicon:
            return {}
        raise DataError("the user lexicon is missing", path=path, fix="correct lexicon.user_lexicon")
    lexicon: Lexicon = {}
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            fields = raw.decode("utf-8").split()
        except UnicodeDecodeError:
            raise DataError("is not UTF-8", path=path, line=number, fix=how_to_convert(path, lang)) from None
        if len(fields) == 1:
            raise DataError(
                f"{fields[0]!r} has no phones", path=path, line=number, fix="a line is: word phone phone ..."
            )
        if fields:
            lexicon.setdefault(fields[0], tuple(fields[1:]))
    return lexicon


def _digest(config: LexiconConfig, user: Lexicon) -> str:
    """A hash of everything that a language's pronunciations depend on."""
    settings = dataclasses.asdict(config) | {"front_ends": front_end_versions(), "user": sorted(user.items())}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _read_made(folder: Path) -> dict[str, dict[str, str]]:
    """With which settings each lexicon was made, and a hash of its content; nothing if that is not known."""
    try:
        made = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    known = isinstance(made, dict) and all(isinstance(entry, dict) for entry in made.values())
    return made if known else {}


def _read_earlier(path: Path, made: Mapping[str, str] | None, settings: str) -> Lexicon:
    """A lexicon made earlier; empty unless it is complete, unchanged and made with the same settings."""
    if made is None or made.get("settings") != settings or not path.is_file():
        return {}
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != made.get("content"):
        return {}
    return parse_lexicon(content.decode("utf-8"))


def parse_lexicon(content: str) -> Lexicon:
    """The words of a ``lexicon_<lang>.txt`` with their phones."""
    entries = (line.split(" ") for line in content.split("\n") if line)
    return {word: tuple(phones) for word, *phones in entries}


def lexicon_text(lexicon: Lexicon) -> str:
    """The content of ``lexicon_<lang>.txt``."""
    return "".join(f"{word} {' '.join(lexicon[word])}\n" for word in sort_keys(lexicon))


def _write(
    folder: Path,
    vocabulary: Mapping[str, Collection[str]],
    lexicons: Mapping[str, Lexicon],
    settings: Mapping[str, str],
) -> None:
    made = {}
    for lang, lexicon in lexicons.items():
        content = lexicon_text(lexicon).encode()
        unknown = sort_keys(set(vocabulary[lang]) - lexicon.keys())
        write_atomically(folder / f"lexicon_{lang}.txt", content)
        write_atomically(folder / f"unknown_{lang}.txt", "".join(f"{word}\n" for word in unknown))
        made[lang] = {"settings": settings[lang], "content": hashlib.sha256(content).hexdigest()}
    write_atomically(folder / "made.json", json.dumps(made, indent=1, sort_keys=True) + "\n")
