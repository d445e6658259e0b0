"""What data directories must satisfy: one function for each rule.

A rule takes :class:`Everything` and yields a :class:`Finding` for each fault. To add one, write the function, give it
an id with ``@rule("id")`` and a sentence as its docstring, and provoke it in a test.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jointst.config import DataConfig
from jointst.data.directory import Segment, Table, invert
from jointst.errors import DataError
from jointst.languages import LANGUAGES
from jointst.units import Seconds

Part = Literal["train", "dev", "test", "unpaired"]

CLOSE_SHARE = 0.75
"""A transcript with more than this share of ``max_tokens_per_second`` gives a warning."""
SHORTEST: Seconds = 0.1
"""Shorter audio gives a warning."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault.

    Attributes:
        level: an error stops the recipe, a warning does not.
        path: the file.
        line: 1-based line number, 0 for the file as a whole.
        utterance: its id, or an empty string.
        message: what is wrong, with the actual value.
        fix: how to mend it.
    """

    level: Literal["ERROR", "WARNING"] = "ERROR"
    path: Path
    line: int = 0
    utterance: str = ""
    message: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Set:
    """One data directory as it lies on the disk, faults included."""

    path: Path
    parts: tuple[Part, ...]
    tables: dict[str, Table]
    durations: dict[str, Seconds | str]
    """Seconds of each recording in ``wav.scp``, or why it has none."""

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.path.name

    @property
    def paired(self) -> bool:
        """Whether it must have audio."""
        return self.parts != ("unpaired",)

    def entries(self, file: str) -> dict[str, str]:
        """Value of each key in a file; empty if the file is missing."""
        return self.tables[file].entries if file in self.tables else {}

    def at(self, file: str, key: str, message: str, fix: str, level: Literal["ERROR", "WARNING"] = "ERROR") -> Finding:
        """A finding about one key in a file."""
        line = self.tables[file].lines.get(key, 0) if file in self.tables else 0
        return Finding(level=level, path=self.path / file, line=line, utterance=key, message=message, fix=fix)

    def seconds(self, utterance: str) -> Seconds | None:
        """Duration of an utterance's audio, if it can be known."""
        segments = self.entries("segments")
        if not segments:
            whole = self.durations.get(utterance)
            return whole if isinstance(whole, float) else None
        try:
            segment = Segment.parse(segments[utterance])
        except (KeyError, DataError):
            return None
        whole = self.durations.get(segment.recording)
        if not isinstance(whole, float):
            return None
        return (whole if segment.end == -1 else min(segment.end, whole)) - segment.start


@dataclass(frozen=True, kw_only=True)
class Everything:
    """All sets of a configuration."""

    config: DataConfig
    sets: tuple[Set, ...]

    def of(self, *parts: Part) -> list[Set]:
        """The sets that play one of these parts."""
        return [item for item in self.sets if set(parts) & set(item.parts)]


Rule = Callable[[Everything], Iterator[Finding]]
RULES: dict[str, Rule] = {}
"""Every rule by its id, in the order in which they are checked."""


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a rule under an id."""

    def register(function: Rule) -> Rule:
        assert name not in RULES, f"two rules are called {name}"
        RULES[name] = function
        return function

    return register


@rule("missing-file")
def missing_file(everything: Everything) -> Iterator[Finding]:
    """Every set has text and utt2lang; paired sets have wav.scp and utt2spk."""
    for item in everything.sets:
        if not item.path.is_dir():
            yield Finding(path=item.path, message="there is no such folder", fix="run stage 1, or correct data.* sets")
            continue
        for file in ("text", "utt2lang", *(("wav.scp", "utt2spk") if item.paired else ())):
            if file not in item.tables:
                yield Finding(path=item.path / file, message="is missing", fix="run stage 1, or make it")


@rule("malformed-line")
def malformed_line(everything: Everything) -> Iterator[Finding]:
    """Every line is a key, one space and a value, in UTF-8; no key occurs twice."""
    for item in everything.sets:
        for file, table in item.tables.items():
            for fault in table.faults:
                yield Finding(
                    path=item.path / file,
                    line=fault.line or 0,
                    utterance=fault.utterance or "",
                    message=fault.problem,
                    fix=fault.fix,
                )


@rule("empty-set")
def empty_set(everything: Everything) -> Iterator[Finding]:
    """Every set has at least one utterance."""
    for item in everything.sets:
        if "text" in item.tables and not item.entries("text"):
            yield Finding(path=item.path / "text", message="an empty set", fix="at least one utterance is needed")


@rule("sorting")
def sorting(everything: Everything) -> Iterator[Finding]:
    """Every file is sorted in C order."""
    for item in everything.sets:
        for file, table in item.tables.items():
            for before, key in itertools.pairwise(table.lines):
                if before.encode() > key.encode():
                    fix = "LC_ALL=C sort -o FILE FILE"
                    yield item.at(file, key, f"stands after {before}: not in C order", fix)
                    break  # one unsorted file would fill the report


@rule("missing-key")
def missing_key(everything: Everything) -> Iterator[Finding]:
    """The same utterances are in text, utt2lang and utt2spk, and each has its audio."""
    for item in everything.sets:
        text = item.entries("text")
        audio_keys = "segments" if "segments" in item.tables else "wav.scp"
        for file in ("utt2lang", "utt2spk", audio_keys):
            if file not in item.tables:
                continue
            table = item.entries(file)
            for key in text.keys() - table.keys():
                yield item.at("text", key, f"is not in {file}", f"add it to {file}, or remove it here")
            for key in table.keys() - text.keys():
                yield item.at(file, key, "is not in text", "add it to text, or remove it here")


@rule("segments")
def segments(everything: Everything) -> Iterator[Finding]:
    """Every segment names a recording of wav.scp and lies inside it."""
    for item in everything.sets:
        for key, value in item.entries("segments").items():
            try:
                segment = Segment.parse(value)
            except DataError as fault:
                yield item.at("segments", key, fault.problem, fault.fix)
                continue
            duration = item.durations.get(segment.recording)
            if segment.recording not in item.entries("wav.scp"):
                yield item.at("segments", key, f"recording {segment.recording} is not in wav.scp", "add it there")
            elif isinstance(duration, float) and max(segment.start, segment.end) > duration + 0.01:
                message = f"{value} lies outside its recording of {duration:.2f} s"
                yield item.at("segments", key, message, "correct start and end")


@rule("speaker-prefix")
def speaker_prefix(everything: Everything) -> Iterator[Finding]:
    """A speaker's id is the beginning of its utterances' ids, so that both sort alike; spk2utt agrees with utt2spk."""
    for item in everything.sets:
        utt2spk = item.entries("utt2spk")
        for key, speaker in utt2spk.items():
            if not key.startswith(speaker):
                yield item.at("utt2spk", key, f"does not begin with its speaker {speaker}", f"call it {speaker}-{key}")
        spk2utt = item.tables.get("spk2utt")
        if spk2utt and not spk2utt.faults and spk2utt.entries != invert(utt2spk):
            yield Finding(path=item.path / "spk2utt", message="disagrees with utt2spk", fix="remove it, run stage 1")


@rule("unknown-language")
def unknown_language(everything: Everything) -> Iterator[Finding]:
    """Every language is one that the toolkit knows."""
    known = " ".join(sorted(LANGUAGES))
    for item in everything.sets:
        for key, lang in item.entries("utt2lang").items():
            if lang not in LANGUAGES:
                fix = f"one of: {known}; or add it to languages.py"
                yield item.at("utt2lang", key, f"unknown language {lang!r}", fix)


@rule("empty-transcript")
def empty_transcript(everything: Everything) -> Iterator[Finding]:
    """No transcript or sentence is empty."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            if not value:
                yield item.at("text", key, "has no transcript", "write it, or remove the utterance from every file")


@rule("audio")
def audio(everything: Everything) -> Iterator[Finding]:
    """Every recording exists, has a readable header, and has a length."""
    for item in everything.of("train", "dev", "test"):
        for key, duration in item.durations.items():
            entry = item.entries("wav.scp")[key]
            if isinstance(duration, str):
                yield item.at("wav.scp", key, f"{entry}: {duration}", "restore the file, or remove the utterance")
            elif duration < SHORTEST:
                message = f"{entry}: only {duration:.3f} s"
                yield item.at("wav.scp", key, message, "look whether it was cut short", "WARNING")


@rule("labels-per-second")
def labels_per_second(everything: Everything) -> Iterator[Finding]:
    """No transcript has more characters than its audio can plausibly hold."""
    most = everything.config.max_tokens_per_second
    for item in everything.of("train", "dev", "test"):
        for key, value in item.entries("text").items():
            seconds = item.seconds(key)
            if not seconds or seconds <= 0:
                continue  # the rules about audio and segments have said so
            rate = len(value) / seconds
            if rate > CLOSE_SHARE * most:
                message = f"{len(value)} characters in {seconds:.2f} s are {rate:.0f} a second, the most is {most:g}"
                fix = "audio and transcript may not belong together; or raise data.max_tokens_per_second"
                yield item.at("text", key, message, fix, "ERROR" if rate > most else "WARNING")


@rule("sentence-overlap")
def sentence_overlap(everything: Everything) -> Iterator[Finding]:
    """No sentence of a development or test set is in a training set of its language."""
    yield from _leaks(everything, "train", "is in the training set", "remove it from one of them")


@rule("unpaired-leak")
def unpaired_leak(everything: Everything) -> Iterator[Finding]:
    """No sentence of a development or test set is in the unpaired text of its language."""
    yield from _leaks(everything, "unpaired", "is in the unpaired text", "remove it from the unpaired text")


def _leaks(everything: Everything, part: Part, message: str, fix: str) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for item in everything.of(part):
        languages = item.entries("utt2lang")
        for key, value in item.entries("text").items():
            seen.setdefault((languages.get(key, ""), value), f"{item.name} {key}")
    for item in everything.of("dev", "test"):
        languages = item.entries("utt2lang")
        for key, value in item.entries("text").items():
            where = seen.get((languages.get(key, ""), value))
            if value and where:
                yield item.at("text", key, f"the same sentence {message} ({where})", fix)


@rule("dev-test-overlap")
def dev_test_overlap(everything: Everything) -> Iterator[Finding]:
    """A sentence in both a development and a test set is worth a warning: choices made on one favour the other."""
    dev = {
        (item.entries("utt2lang").get(key, ""), value): f"{item.name} {key}"
        for item in everything.of("dev")
        for key, value in item.entries("text").items()
    }
    for item in everything.of("test"):
        if "dev" in item.parts:
            continue
        for key, value in item.entries("text").items():
            where = dev.get((item.entries("utt2lang").get(key, ""), value))
            if value and where:
                fix = "remove it from one of them"
                yield item.at("text", key, f"the same sentence is in {where}", fix, "WARNING")


@rule("speaker-overlap")
def speaker_overlap(everything: Everything) -> Iterator[Finding]:
    """Speakers shared by training and test sets are worth a warning: such a test does not measure new voices."""
    heard = {speaker for item in everything.of("train") for speaker in item.entries("utt2spk").values()}
    for item in everything.of("dev", "test"):
        speakers = Counter(item.entries("utt2spk").values())
        shared = sorted(heard & speakers.keys())
        if shared:
            utterances = sum(speakers[speaker] for speaker in shared)
            message = f"{len(shared)} of {len(speakers)} speakers ({utterances} utterances) are in training too"
            fix = f"expected of a corpus with few voices; the first: {shared[0]}"
            yield Finding(level="WARNING", path=item.path / "utt2spk", message=message, fix=fix)
