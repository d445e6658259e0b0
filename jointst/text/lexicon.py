"""The phone set and the phone strings of data directories (stage 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.languages import LANGUAGES
from jointst.common.progress import progress
from jointst.config import LexiconConfig
from jointst.config.context import Context, Made
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.speed import speed_directory
from jointst.kaldi.tables import sort_keys, write_sorted
from jointst.text.pronounce import Lexicon, make_lexicons, phonemizer

PAD = 0
"""Id that fills padded places."""
UNKNOWN = 1
"""Id of a phone outside the set, and of a word without a pronunciation."""
MASK = 2
"""Id of a masked position; no phone string holds it."""
SPECIAL = ("<pad>", "<unk>", "<mask>")
"""Symbols of ids 0, 1 and 2."""
BOUNDARY = "|"
"""Symbol between words, if the settings ask for it."""


@dataclass(frozen=True)
class PhoneTable:
    """Phones and their ids: ``<pad>``, ``<unk>``, ``<mask>``, then phones sorted.

    Attributes:
        symbols: the symbol of each id.
    """

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {symbol: index for index, symbol in enumerate(self.symbols)})

    @classmethod
    def of(cls, phones: Iterable[str], word_boundary: bool = False) -> PhoneTable:
        """The table of a set of phones, with :data:`BOUNDARY` last if it is asked for."""
        ordered = sorted(set(phones) - {*SPECIAL, BOUNDARY})
        return cls((*SPECIAL, *ordered, *((BOUNDARY,) if word_boundary else ())))

    @classmethod
    def read(cls, path: Path) -> PhoneTable:
        """The table of a ``phones.txt`` file: ``<symbol> <id>`` on each line, ids counted from 0.

        Raises:
            DataError: the file is missing, a line is malformed, or the special symbols are not first.
        """
        fix = "run stage 3, lexicon"
        if not path.is_file():
            raise DataError("there is no phone table", path=path, fix=fix)
        try:
            content = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"is not UTF-8 at byte {error.start}", path=path, fix=fix) from None
        symbols: list[str] = []
        for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
            fields = line.split(" ")
            if len(fields) != 2 or fields[1] != str(number - 1):
                raise DataError(f"expected '<symbol> {number - 1}', found {line!r}", path=path, line=number, fix=fix)
            symbols.append(fields[0])
        if tuple(symbols[: len(SPECIAL)]) != SPECIAL or len(set(symbols)) != len(symbols):
            raise DataError(f"does not start with {' '.join(SPECIAL)}, or repeats a symbol", path=path, fix=fix)
        return cls(tuple(symbols))

    @property
    def size(self) -> int:
        """Number of symbols, the special ones included."""
        return len(self.symbols)

    def encode(self, phones: str) -> list[int]:
        """The ids of phones separated by spaces; those outside the table become :data:`UNKNOWN`."""
        ids: dict[str, int] = self.__dict__["_ids"]
        return [ids.get(phone, UNKNOWN) for phone in phones.split()]

    def to_text(self) -> str:
        """The content of ``phones.txt``."""
        return "".join(f"{symbol} {index}\n" for index, symbol in enumerate(self.symbols))


@dataclass(frozen=True)
class Coverage:
    """How much of a set's running words the lexicon and the paired training text cover, in one language.

    Attributes:
        language: ISO 639-1 code.
        set: name of the set.
        running: words, each as often as it occurs.
        covered: those with a pronunciation.
        unseen: those that occur in no paired training set (out of vocabulary).
    """

    language: str
    set: str
    running: int
    covered: int
    unseen: int

    HEADER = "language\tset\trunning_words\tcovered\tcoverage\tnot_in_training\toov_share\n"

    def to_line(self) -> str:
        """The line of ``report.tsv``; shares of no words at all are 1 and 0."""
        coverage = self.covered / self.running if self.running else 1.0
        oov = self.unseen / self.running if self.running else 0.0
        fields = (self.language, self.set, self.running, self.covered, f"{coverage:.4f}", self.unseen, f"{oov:.4f}")
        return "\t".join(map(str, fields)) + "\n"


@dataclass(frozen=True)
class _WordSet:
    """The words of each utterance of a data directory, by spaces, and how often each occurs in each language."""

    path: Path
    words: dict[str, str]
    utt2lang: dict[str, str]
    counts: dict[str, Counter[str]]

    @classmethod
    def read(cls, path: Path, config: LexiconConfig) -> _WordSet:
        directory = DataDirectory.read(path, only=("text", "utt2lang"))
        words: dict[str, str] = {}
        counts: dict[str, Counter[str]] = {}
        for utterance, text in progress(directory.text.items(), desc=f"words of {path.name}", unit="text"):
            lang = directory.utt2lang.get(utterance)
            if lang is None or lang not in LANGUAGES:
                problem = "has no language" if lang is None else f"is in the unknown language {lang!r}"
                fix = f"one of {' '.join(sorted(LANGUAGES))}"
                raise DataError(problem, path=path / "utt2lang", utterance=utterance, fix=fix)
            found = phonemizer(lang, config).words(text)
            # A string takes a tenth of a list's memory, and with spaces already in it there is nothing new to hold.
            words[utterance] = text if LANGUAGES[lang].has_spaces else " ".join(found)
            counts.setdefault(lang, Counter()).update(found)
        return cls(path, words, directory.utt2lang, counts)

    def write_phones(self, lexicons: Mapping[str, Lexicon], word_boundary: bool) -> None:
        """Write ``phones``: the phone string of each utterance, ``<unk>`` for a word without a pronunciation."""
        write_sorted(self.path / "phones", self._phone_strings(lexicons, f" {BOUNDARY} " if word_boundary else " "))

    def _phone_strings(self, lexicons: Mapping[str, Lexicon], between: str) -> Iterator[tuple[str, str]]:
        spelled = {
            lang: {word: " ".join(lexicons[lang].get(word, (SPECIAL[UNKNOWN],))) for word in counts}
            for lang, counts in self.counts.items()
        }
        for utterance in progress(sort_keys(self.words), desc=f"phones of {self.path.name}", unit="text"):
            phones = spelled[self.utt2lang[utterance]]
            yield utterance, between.join([phones[word] for word in self.words[utterance].split()])


def run(context: Context) -> Made:
    """Stage 3: pronounce every word of every set.

    Returns:
        Made: ``data/lang``, with ``lexicon_<lang>.txt`` (``word phone phone ...``), ``unknown_<lang>.txt`` (words that
        no front end can pronounce), ``phones.txt`` and ``report.tsv``; and ``phones`` in each data directory.

    Raises:
        DataError: a set is missing, an utterance has no language or an unknown one, or the user's lexicon is malformed.
        EnvironmentFault: eSpeak NG or a voice is missing.
    """
    config, data, folder = context.config.lexicon, context.config.data, context.data / "lang"
    sets = {name: _WordSet.read(context.data / name, config) for name in context.all_sets}
    vocabulary: dict[str, set[str]] = {}
    for one in sets.values():
        for lang, counts in one.counts.items():
            vocabulary.setdefault(lang, set()).update(counts)
    lexicons = make_lexicons(folder, vocabulary, config, context.nj)
    # A phone that only test sets hold has no embedding to be trained: it must read <unk>, as it would in use.
    trained = [sets[name] for name in (*data.train, *data.unpaired)]
    table = PhoneTable.of(_phones_of(trained, lexicons), config.word_boundary)
    report = _coverage(sets, lexicons, data.train)
    write_atomically(folder / "report.tsv", Coverage.HEADER + "".join(row.to_line() for row in report))
    for one in (*sets.values(), *_perturbed(context)):
        one.write_phones(lexicons, config.word_boundary)
    write_atomically(folder / "phones.txt", table.to_text())
    strange = _phones_of(sets.values(), lexicons) - set(table.symbols)
    return Made(what=_summary(report, vocabulary, lexicons, table, strange), where=folder)


def _perturbed(context: Context) -> list[_WordSet]:
    """Speed-perturbed copies of training sets that the features stage has made already."""
    speeds = [speed for speed in context.config.features.speed_perturbation if speed != 1.0]
    paths = [speed_directory(context.data / name, speed) for name in context.config.data.train for speed in speeds]
    return [_WordSet.read(path, context.config.lexicon) for path in paths if (path / "text").is_file()]


def _phones_of(sets: Iterable[_WordSet], lexicons: Mapping[str, Lexicon]) -> set[str]:
    words = {(lang, word) for one in sets for lang, counts in one.counts.items() for word in counts}
    return {phone for lang, word in words for phone in lexicons[lang].get(word, ())}


def _coverage(sets: Mapping[str, _WordSet], lexicons: Mapping[str, Lexicon], train: Iterable[str]) -> list[Coverage]:
    """A row for each language and set."""
    heard: dict[str, set[str]] = {}
    for name in train:
        for lang, counts in sets[name].counts.items():
            heard.setdefault(lang, set()).update(counts)
    rows = []
    for lang in sorted(lexicons):
        for name, one in sets.items():
            if lang in one.counts:
                counts = one.counts[lang]
                covered = sum(count for word, count in counts.items() if word in lexicons[lang])
                unseen = sum(count for word, count in counts.items() if word not in heard.get(lang, set()))
                rows.append(Coverage(lang, name, counts.total(), covered, unseen))
    return rows


def _summary(
    report: list[Coverage],
    vocabulary: Mapping[str, set[str]],
    lexicons: Mapping[str, Lexicon],
    table: PhoneTable,
    strange: set[str],
) -> str:
    words = sum(map(len, vocabulary.values()))
    unknown = words - sum(map(len, lexicons.values()))
    running, covered = sum(row.running for row in report), sum(row.covered for row in report)
    what = f"{words} words of {len(vocabulary)} languages, {table.size} phone symbols; "
    what += f"{100 * covered / max(running, 1):.2f} % of {running} running words covered; "
    what += f"{unknown} words without a pronunciation" + (" (unknown_<lang>.txt)" if unknown else "")
    return what + (f"; {len(strange)} phones in dev or test sets only" if strange else "")
