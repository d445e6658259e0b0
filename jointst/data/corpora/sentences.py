"""What the sources of unpaired text share: which sentences are kept, and a report of those that are not."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.languages import LANGUAGES, language
from jointst.common.parallel import run_jobs
from jointst.config import CorpusConfig
from jointst.data.corpora import held_out
from jointst.data.corpora.debian import fetch
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table

REASONS = ("script", "length", "english", "held_out", "duplicate", "surplus", "encoding")
"""Why a sentence is left out: another script, or signs that are not read as they stand; too short or too long; left
in English; in a development or test set; already there; over ``corpus.unpaired_sentences``; read in a wrong encoding
once."""
WORDS = range(3, 26)
CHARACTERS = range(5, 46)
ALPHABETS = {
    "ar": "\u0621-\u0652", "hi": "\u0900-\u0963", "ru": "а-яё", "zh": "\u4e00-\u9fff",
    "ja": "\u3040-\u30ff\u3005\u4e00-\u9fff", "de": "a-zäöüß", "en": "a-z", "es": "a-záéíóúüñ",
    "fr": "a-zàâæçéèêëîïôœùûüÿ", "it": "a-zàèéìòùî", "pt": "a-záâãàçéêíóôõú",
    "sw": "a-z",
}  # fmt: skip
"""Letters of each language, lower case, as the body of a character class."""
REPORT = "left_out.tsv"
"""File in the data directory with the counts of :class:`Selection`."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\b\w\.)\s+|(?<=[。！？।])\s*")
_PHRASE_END = re.compile(r"(?<=[,;:،؛])\s+|(?<=[，；：、])\s*|\s+(?=[–—-]\s)")
_ENDS = tuple(".!?。！？।؟")
# A comma, dashes, quotes, apostrophes and the end are all that a sentence may hold beside words.
_SYMBOL = re.compile(r"[^\w\s,;:'’\"“”„«»「」、，；：\-–.!?。！？।।؟،؛\u0300-\u036f\u0900-\u0963\u064b-\u0652]|[\d_]")
_INNER = re.compile(r"\w[.:]\w|[^\W\d_A-ZÀ-Ý][A-ZÀ-Ý]|\b[A-ZÀ-ÝА-ЯЁ]{2,}\b")
_NOT_OF_ALPHABET = {lang: re.compile(f"[^{letters}]") for lang, letters in ALPHABETS.items()}


@dataclass
class Selection:
    """Sentences of one language, and how many were left out for each of :data:`REASONS`.

    Attributes:
        lang: ISO 639-1 code.
        sentences: normalised sentences that are kept.
        left_out: counts by reason.
        marks: marks of transcribers that were left out of sentences.
    """

    lang: str
    sentences: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    marks: int = 0

    @property
    def found(self) -> int:
        """Sentences there were."""
        return len(self.sentences) + self.left_out.total()

    def add(self, other: Selection) -> None:
        """Take in another part of the same language."""
        self.sentences += other.sentences
        self.left_out += other.left_out
        self.marks += other.marks

    def line(self) -> str:
        """The counts in words."""
        reasons = ", ".join(f"{reason} {self.left_out[reason]}" for reason in REASONS if self.left_out[reason])
        return (
            f"{self.lang}: {len(self.sentences)} of {self.found} sentences"
            + f"; left out: {reasons}" * bool(reasons)
            + f"; {self.marks} marks of transcribers left out of them" * bool(self.marks)
        )


def split_sentences(text: str) -> list[str]:
    """The whole sentences of a paragraph: those that end as sentences do."""
    return [part for part in _SENTENCE_END.split(" ".join(text.split())) if part.endswith(_ENDS)]


def cut_phrases(sentence: str, longest: int | None) -> list[str]:
    """A written sentence in parts of at most ``longest`` characters, as far as its punctuation allows.

    It is cut after commas, semicolons and colons and before dashes; a part between two such places that is longer than
    ``longest`` stays whole. None leaves the sentence as it is.
    """
    if longest is None or len(sentence) <= longest:
        return [sentence]
    places = [match.end() for match in _PHRASE_END.finditer(sentence)]
    phrases: list[str] = []
    begun = end = 0
    for place in [*places, len(sentence)]:
        if place - begun > longest and end > begun:
            phrases.append(sentence[begun:end].strip())
            begun = end
        end = place
    phrases.append(sentence[begun:].strip())
    return phrases


def phrases_of(
    written: Iterable[str], longest: int | None, held: Collection[str], selection: Selection
) -> Iterator[str]:
    """Sentences cut by :func:`cut_phrases`, without those that would be cut and are ``held`` out as a whole."""
    from jointst.text.normalise import normalise

    for sentence in written:
        phrases = cut_phrases(sentence, longest)
        if len(phrases) > 1 and normalise(sentence, selection.lang) in held:
            selection.left_out["held_out"] += 1
        else:
            yield from phrases


def select_readable(
    written: Iterable[str], lang: str, longest_phrase: int | None = None, held: Collection[str] = ()
) -> Selection:
    """Normalise those sentences that can be read aloud as they stand and are neither fragments nor too long.

    Sentences over ``longest_phrase`` characters are cut first, as :func:`phrases_of` does.
    """
    from jointst.text.normalise import normalise

    chosen = Selection(lang)
    for sentence in phrases_of(written, longest_phrase, held, chosen):
        if not is_readable(sentence, lang):
            chosen.left_out["script"] += 1
            continue
        normalised = normalise(sentence, lang)
        if has_right_length(normalised, lang):
            chosen.sentences.append(normalised)
        else:
            chosen.left_out["length"] += 1
    return chosen


def is_readable(sentence: str, lang: str) -> bool:
    """Whether a written sentence holds only words of its language: no digits, symbols, acronyms or other scripts."""
    if _SYMBOL.search(sentence) or _INNER.search(sentence):
        return False
    letters = "".join(character for character in sentence.lower() if character.isalpha())
    return bool(letters) and not _NOT_OF_ALPHABET[lang].search(letters)


def has_right_length(sentence: str, lang: str) -> bool:
    """Whether a normalised sentence is neither a fragment nor too long."""
    return len(sentence.split()) in WORDS if language(lang).has_spaces else len(sentence) in CHARACTERS


def held_out_sentences(data: Path) -> set[str]:
    """The sentences of every development and test set in ``data``, as they stand there and normalised."""
    from jointst.text.normalise import normalise

    sentences: set[str] = set()
    for path in held_out(data):
        text = read_table(path)
        languages = read_table(path.with_name("utt2lang")) if path.with_name("utt2lang").is_file() else {}
        sentences.update(text.values())
        sentences.update(
            normalise(sentence, languages[key]) for key, sentence in text.items() if languages.get(key) in LANGUAGES
        )
    return sentences


def write_set(
    name: str, selections: Mapping[str, Selection], data: Path, languages: Collection[str], most: int
) -> Path:
    """Make ``data/<name>_unpaired`` of what sources found, and say what was left out.

    Args:
        name: of the corpus.
        selections: what was found in each language; English is compared with even if it is not wanted itself.
        data: folder of the data directories.
        languages: languages to keep.
        most: sentences of a language at most; where there are more, a hash of the sentence chooses.

    Returns:
        The folder, with ``text``, ``utt2lang`` and :data:`REPORT`.
    """
    held = held_out_sentences(data)
    english = set(selections["en"].sentences) if "en" in selections else set()
    text: dict[str, str] = {}
    utt2lang: dict[str, str] = {}
    report = ["\t".join(("language", "found", "kept", *REASONS, "marks")) + "\n"]
    for lang in sorted(languages):
        chosen = _distinct(
            selections[lang], (("english", english if lang != "en" else set()), ("held_out", held)), most
        )
        print(f"{name}: {chosen.line()}", flush=True)
        counts = [chosen.found, len(chosen.sentences), *(chosen.left_out[reason] for reason in REASONS), chosen.marks]
        report.append("\t".join((lang, *map(str, counts))) + "\n")
        digits = max(6, len(str(len(chosen.sentences))))
        for number, sentence in enumerate(chosen.sentences):
            utterance = f"{name.replace('_', '-')}-{lang}-{number:0{digits}d}"
            text[utterance] = sentence
            utt2lang[utterance] = lang
    directory = DataDirectory(data / f"{name}_unpaired", text, utt2lang=utt2lang)
    directory.write(directory.path)
    write_atomically(directory.path / REPORT, "".join(report))
    return directory.path


def _distinct(found: Selection, unwanted: Iterable[tuple[str, Collection[str]]], most: int) -> Selection:
    """Each sentence once, none of the unwanted ones, in the order of their hashes: any beginning is a fair sample."""
    left_out = found.left_out.copy()
    kept: dict[str, None] = {}  # as an ordered set
    for sentence in sorted(found.sentences, key=hash_of):
        reason = next((name for name, sentences in unwanted if sentence in sentences), "")
        reason = reason or ("duplicate" if sentence in kept else "surplus" if len(kept) == most else "")
        if reason:
            left_out[reason] += 1
        else:
            kept[sentence] = None
    return Selection(found.lang, list(kept), left_out, found.marks)


def hash_of(sentence: str) -> bytes:
    """Sentences in the order of their hashes are a fair sample from any point on."""
    return hashlib.blake2b(sentence.encode(), digest_size=8).digest()


class _Task(NamedTuple):
    read: Callable[[Path, str], Iterable[str]]
    lang: str
    folders: tuple[Path, ...]
    longest_phrase: int | None
    held: frozenset[str]


def languages_with_text(name: str, wanted: Iterable[str], has: Collection[str]) -> list[str]:
    """Those of the languages that are wanted in which a source has text; it says which are not among them.

    Raises:
        ConfigError: there is no text in any of them.
    """
    languages, absent = sorted(set(wanted) & set(has)), sorted(set(wanted) - set(has))
    if not languages:
        raise ConfigError("corpus.sources", f"{name} has no text in {' '.join(absent)}", f"it has {' '.join(has)}")
    if absent:
        print(f"{name}: no text in {' '.join(absent)}", flush=True)
    return languages


def prepare_packages(
    name: str,
    packages: Mapping[str, Sequence[str]],
    read: Callable[[Path, str], Iterable[str]],
    config: CorpusConfig,
    data: Path,
    nj: int,
) -> Path:
    """Make ``data/<name>_unpaired`` of Debian packages.

    Args:
        name: of the corpus.
        packages: those with text in each language; English ones, since their sentences are left out elsewhere.
        read: a function at the top level of a module: unpacked package and language to sentences as written.
        config: languages, sentences, folder of archives.
        data: folder of the data directories.
        nj: processes.

    Raises:
        ConfigError: there is no text in any of the languages.
        DataError: a package is not as expected.
        EnvironmentFault: a package cannot be had.
    """
    languages = languages_with_text(name, config.languages, packages)
    needed = {lang: packages[lang] for lang in sorted({*languages, "en"})}
    unpacked = fetch(sorted({package for names in needed.values() for package in names}), Path(config.downloads))
    held = frozenset(held_out_sentences(data) if config.longest_phrase else ())
    tasks = [
        _Task(read, lang, tuple(unpacked[package] for package in names), config.longest_phrase, held)
        for lang, names in needed.items()
    ]
    found = run_jobs(_select, tasks, nj, desc=name, unit="language")
    selections = {selection.lang: selection for selection in found}
    return write_set(name, selections, data, languages, config.unpaired_sentences)


def _select(task: _Task) -> Selection:
    written = [sentence for folder in task.folders for sentence in task.read(folder, task.lang)]
    if not written:
        fix = "remove this folder, then run stage 1 again"
        raise DataError(f"holds no sentence in {task.lang}", path=task.folders[0], fix=fix)
    return select_readable(written, task.lang, task.longest_phrase, task.held)
