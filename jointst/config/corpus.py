"""Stage 1: corpora."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jointst.common.languages import LANGUAGES
from jointst.config.check import require


@dataclass(frozen=True, kw_only=True)
class MiniConfig:
    """Size of the ``mini`` corpus."""

    train_utterances: int = 200
    """Training utterances per language."""
    dev_utterances: int = 20
    """Development utterances per language."""
    test_utterances: int = 30
    """Test utterances per language, in each of the two test sets."""
    unpaired_sentences: int = 400
    """Unpaired sentences per language."""
    speech_utterances: int = 0
    """Utterances per language of mini_speech, whose transcripts are for measuring alone: speech for self-training."""
    test_engines: tuple[str, ...] = ()
    """Further synthesisers (pico: the extra tts) that speak the sentences of mini_test in those of the languages that
    they know, as the set mini_test_engine."""
    seed: int = 0
    """Seed of sentences, voices, rates and pitches."""

    def __post_init__(self) -> None:
        for key in ("train_utterances", "dev_utterances", "test_utterances", "unpaired_sentences"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "at least 1")
        require(self.speech_utterances >= 0, "speech_utterances", f"is {self.speech_utterances}", "at least 0")


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The ``synthetic`` corpus: any sentences, spoken by speech synthesisers."""

    sentences: tuple[str, ...] = ("grammar",)
    """Where sentences come from: grammar (those of mini), libreoffice_help, or files of one sentence a line (plain or
    .gz), with {lang} for the language in their paths."""
    engines: tuple[str, ...] = ("espeak",)
    """Synthesisers, which take turns in the languages that they speak: espeak, pico (the extra tts)."""
    test_engines: tuple[str, ...] = ()
    """Synthesisers heard in the set synthetic_test_engine alone."""
    train_hours: float = 0.1
    """Hours of training speech per language."""
    dev_utterances: int = 20
    """Development utterances per language, in voices of their own."""
    test_utterances: int = 50
    """Test utterances per language, in voices of their own; the same sentences are spoken by each of test_engines."""
    seed: int = 0
    """Seed of voices, rates, pitches and the choice of sentences."""

    def __post_init__(self) -> None:
        require(self.train_hours > 0, "train_hours", f"is {self.train_hours}", "> 0")
        for key in ("dev_utterances", "test_utterances"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "at least 1")
        for key in ("sentences", "engines"):
            require(bool(getattr(self, key)), key, "is empty", "name at least one")
        shared = set(self.engines) & set(self.test_engines)
        require(not shared, "test_engines", f"also in engines: {' '.join(sorted(shared))}", "hold them out, or not")


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """The ``table`` corpus: your own list of recordings."""

    files: tuple[str, ...] = ()
    """CSV (.csv), TSV (.tsv) or JSON lines (.jsonl) files with path, text, speaker, language and, if you like, split,
    age, gender, emotion; audio paths are relative to the file. Environment variables may stand in their paths, as in
    $SPEECH/list.csv. Lines in other languages than corpus.languages are left aside."""
    speakers: tuple[str, ...] = ()
    """Files of the same kinds with speaker and any of age, gender, emotion: what is known of speakers that the files
    have no columns for."""
    apart: bool = False
    """Whether each file makes sets of its own, list.csv the sets table_list_train, table_list_dev, table_list_test, to
    be trained on and scored apart; otherwise all make table_train, table_dev, table_test."""
    normalise: bool = True
    """Bring text into the form that is trained on and scored; false where it is in that form already."""


@dataclass(frozen=True, kw_only=True)
class WordfreqConfig:
    """The ``wordfreq`` corpus."""

    words: int = 100_000
    """Words of each language, the most frequent."""
    words_a_line: int = 4
    """Words that make a sentence of the set."""

    def __post_init__(self) -> None:
        for key in ("words", "words_a_line"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "at least 1")


@dataclass(frozen=True, kw_only=True)
class LibrispeechConfig:
    """The ``librispeech`` corpus."""

    root: str | None = None
    """Folder LibriSpeech of the corpus on disk; without it, the corpus is downloaded."""
    train: tuple[str, ...] = ("train-clean-100",)
    """Parts to train on, such as train-clean-360, train-other-500, train-clean-5."""
    dev: tuple[str, ...] = ("dev-clean", "dev-other")
    """Development parts."""
    test: tuple[str, ...] = ("test-clean", "test-other")
    """Test parts, each a set of its own."""


@dataclass(frozen=True, kw_only=True)
class FleursConfig:
    """The ``fleurs`` corpus."""

    root: str | None = None
    """Folder of the corpus on disk, which holds en_us and so on; without it, the corpus is downloaded."""


@dataclass(frozen=True, kw_only=True)
class CommonVoiceConfig:
    """The ``common_voice`` corpus."""

    root: str | None = None
    """Folder of a release on disk, which holds de, en and so on; without it, the release is downloaded."""
    release: str = "cv-corpus-13.0-2023-03-09"
    """Release to download."""


@dataclass(frozen=True, kw_only=True)
class MlsConfig:
    """The ``mls`` corpus, Multilingual LibriSpeech."""

    root: str | None = None
    """Folder of the corpus on disk, which holds mls_german and so on; without it, the corpus is downloaded."""
    opus: bool = True
    """The smaller release in Opus (mls_german_opus), not the one in FLAC."""


@dataclass(frozen=True, kw_only=True)
class VoxpopuliConfig:
    """The ``voxpopuli`` corpus."""

    root: str | None = None
    """Folder of the corpus on disk, which holds raw_audios; without it, the corpus is downloaded."""
    years: tuple[int, ...] = tuple(range(2009, 2021))
    """Years whose sessions are downloaded."""


def _finds_text(pattern: str) -> bool:
    """Whether it is a regular expression that does not find the empty string everywhere."""
    try:
        return not re.compile(pattern).fullmatch("")
    except re.error:
        return False


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Which corpora stage 1 prepares."""

    sources: tuple[str, ...] = ("mini",)
    """Names of files in jointst/data/corpora; source X makes data/X_train, data/X_test and so on; empty where the data
    directories are all your own."""
    languages: tuple[str, ...] = tuple(sorted(LANGUAGES))
    """ISO 639-1 codes of the languages to prepare."""
    downloads: str = "downloads"
    """Folder for downloaded archives."""
    most_left_out: float = 0.2
    """Share of a part of a corpus (a split, a table) that may be left out because its audio or its line cannot be used;
    more is an error, since a download or a table is then most likely broken."""
    unpaired_sentences: int = 5000
    """At most this many unpaired sentences per language from a text source."""
    longest_phrase: int | None = None
    """Unpaired sentences with more characters are cut after commas, semicolons, colons and before dashes, into parts
    as long as this allows; parts without such a place stay as long as they are. None: sentences stay whole. A
    transducer's work grows with the square of a sentence: text should be as long as what is spoken."""
    text_files: tuple[str, ...] = ()
    """For the source text_files: plain or gzip files, one sentence a line; {lang} in a path stands for the language;
    a path without it needs a single language; * and ** match many files; $SPEECH is an environment variable."""
    longest_sentence: int = 300
    """Sentences of text_files with more characters are left out."""
    same_sentences: bool = False
    """Whether sets keep the sentences that sets of the same corpus held out from them have, as in a corpus of commands;
    data.same_sentences then says so to stage 2. Otherwise test sets stay whole: training loses the sentences of dev and
    test sets, dev sets lose those of test sets, unless nearly all of a held-out set's sentences are in training."""
    transcriber_marks: tuple[str, ...] = ()
    """Marks of transcribers beside those of jointst/text/marks.py, as regular expressions: left out of transcripts."""
    mini: MiniConfig = field(default_factory=MiniConfig)
    """Settings of the ``mini`` corpus."""
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    """Settings of the ``synthetic`` corpus."""
    table: TableConfig = field(default_factory=TableConfig)
    """Settings of the ``table`` corpus."""
    wordfreq: WordfreqConfig = field(default_factory=WordfreqConfig)
    """Settings of the ``wordfreq`` corpus."""
    librispeech: LibrispeechConfig = field(default_factory=LibrispeechConfig)
    """Settings of the ``librispeech`` corpus."""
    fleurs: FleursConfig = field(default_factory=FleursConfig)
    """Settings of the ``fleurs`` corpus."""
    common_voice: CommonVoiceConfig = field(default_factory=CommonVoiceConfig)
    """Settings of the ``common_voice`` corpus."""
    mls: MlsConfig = field(default_factory=MlsConfig)
    """Settings of the ``mls`` corpus."""
    voxpopuli: VoxpopuliConfig = field(default_factory=VoxpopuliConfig)
    """Settings of the ``voxpopuli`` corpus."""

    def __post_init__(self) -> None:
        require(bool(self.languages), "languages", "is empty", "name at least one language")
        require(0 <= self.most_left_out < 1, "most_left_out", f"is {self.most_left_out}", "at least 0, less than 1")
        require(self.unpaired_sentences > 0, "unpaired_sentences", f"is {self.unpaired_sentences}", "at least 1")
        require(
            self.longest_phrase is None or self.longest_phrase > 0,
            "longest_phrase",
            f"is {self.longest_phrase}",
            "at least 1, or null",
        )
        require(self.longest_sentence > 0, "longest_sentence", f"is {self.longest_sentence}", "at least 1")
        for path in self.text_files:
            require(
                "{lang}" in path or len(self.languages) == 1,
                "text_files",
                f"{path!r} does not say its language",
                "put {lang} into the path, or name one language in languages",
            )
        for pattern in self.transcriber_marks:
            require(_finds_text(pattern), "transcriber_marks", f"{pattern!r} finds no text", "a regular expression")
        for code in self.languages:
            require(code in LANGUAGES, "languages", f"{code!r} is unknown", f"known: {' '.join(sorted(LANGUAGES))}")
