"""Rules about what training and test sets share.

Development and test sets are small, training text may be millions of sentences: so the former are remembered, and the
latter are gone through once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from jointst.data.audio import is_ark
from jointst.data.rules.frame import Everything, Finding, Part, Set, rule

_MARKS = re.compile(r"[\s!-/:-@\[-`{-~¿¡«»“”‘’„…、。！？，；：।؟،؛]+")


def fold(sentence: str) -> str:
    """A sentence without case, spaces and punctuation: what is the same in this is the same to the ear."""
    return _MARKS.sub("", sentence.casefold())


class Leak(NamedTuple):
    """Something of a training set that a development or test set has too."""

    item: Set
    key: str
    where: str


def shared_sentences(everything: Everything, *parts: Part) -> Iterator[Leak]:
    """Sentences of these parts that are in a development or test set, in the same language."""
    held: dict[str, dict[str, str]] = {}
    for item in everything.held_out():
        for key, value in item.entries("text").items():
            held.setdefault(item.lang(key), {}).setdefault(fold(value), f"{item.name} {key}")
    for item in everything.of(*parts):
        for key, value in item.entries("text").items():
            where = held.get(item.lang(key), {}).get(fold(value))
            if value and where:
                yield Leak(item, key, where)


def shared_utterances(everything: Everything) -> Iterator[Leak]:
    """Utterances of training sets whose id is in a development or test set."""
    held = {key: item.name for item in everything.held_out() for key in item.entries("text")}
    for item in everything.of("train"):
        for key in item.entries("text"):
            if key in held:
                yield Leak(item, key, held[key])


def shared_audio(everything: Everything) -> Iterator[Leak]:
    """Recordings of training sets that are in a development or test set."""
    held: dict[str, str] = {}
    for item in everything.held_out():
        for key, entry in item.entries("wav.scp").items():
            held.setdefault(_place(entry), f"{item.name} {key}")
    for item in everything.of("train"):
        for key, entry in item.entries("wav.scp").items():
            where = held.get(_place(entry))
            if where:
                yield Leak(item, key, where)


def _place(entry: str) -> str:
    """An entry of wav.scp without needless ``./``; arks differ in their offsets."""
    return entry if entry.endswith("|") or is_ark(entry) else entry.removeprefix("./")


@rule("sentence-overlap", "ERROR", mends="removes the utterance from training")
def sentence_overlap(everything: Everything) -> Iterator[Finding]:
    """No sentence of a development or test set is in a training set of its language."""
    for item, key, where in shared_sentences(everything, "train"):
        yield item.at("text", key, f"the same sentence is in {where}", "remove it from training")


@rule("unpaired-leak", "ERROR", mends="removes it from the unpaired text")
def unpaired_leak(everything: Everything) -> Iterator[Finding]:
    """No sentence of a development or test set is in the unpaired text of its language."""
    for item, key, where in shared_sentences(everything, "unpaired"):
        yield item.at("text", key, f"the same sentence is in {where}", "remove it from the unpaired text")


@rule("utterance-overlap", "ERROR", mends="removes the utterance from training")
def utterance_overlap(everything: Everything) -> Iterator[Finding]:
    """No utterance is in a training and in a development or test set."""
    for item, key, where in shared_utterances(everything):
        yield item.at("text", key, f"is in {where} too", "remove it from training, or rename it")


@rule("audio-overlap", "ERROR")
def audio_overlap(everything: Everything) -> Iterator[Finding]:
    """No recording is in a training and in a development or test set."""
    for item, key, where in shared_audio(everything):
        yield item.at("wav.scp", key, f"the same audio is in {where}", "remove it from training")


@rule("dev-test-overlap", "WARNING")
def dev_test_overlap(everything: Everything) -> Iterator[Finding]:
    """A sentence in both a development and a test set: choices made on one favour the other."""
    dev = {
        (item.lang(key), value): f"{item.name} {key}"
        for item in everything.of("dev")
        for key, value in item.entries("text").items()
    }
    for item in everything.of("test"):
        if "dev" in item.parts:
            continue
        for key, value in item.entries("text").items():
            where = dev.get((item.lang(key), value))
            if value and where:
                yield item.at("text", key, f"the same sentence is in {where}", "remove it from one of them")


@rule("speaker-overlap", "WARNING")
def speaker_overlap(everything: Everything) -> Iterator[Finding]:
    """Speakers shared by training and test sets: such a test does not measure new voices."""
    heard = {speaker for item in everything.of("train") for speaker in item.entries("utt2spk").values()}
    for item in everything.held_out():
        utt2spk = item.entries("utt2spk")
        speakers = Counter(utt2spk.values())
        shared = sorted(heard & speakers.keys())
        if shared:
            utterances = sum(speakers[speaker] for speaker in shared)
            first = next(key for key, speaker in utt2spk.items() if speaker in heard)
            message = f"{len(shared)} of {len(speakers)} speakers ({utterances} utterances) are in training too"
            fix = f"expected of a corpus with few voices; the first: {utt2spk[first]}"
            yield item.at("utt2spk", first, message, fix)


@rule("repeated-sentence", "WARNING", mends="keeps the first")
def repeated_sentence(everything: Everything) -> Iterator[Finding]:
    """No sentence occurs twice in the unpaired text of its language."""
    for item, key, where in repeated_sentences(everything):
        yield item.at("text", key, f"the same sentence is in {where} already", "keep one of them")


def repeated_sentences(everything: Everything) -> Iterator[Leak]:
    """Unpaired sentences that occurred before."""
    seen: dict[str, set[str]] = {}
    for item in everything.of("unpaired"):
        for key, value in item.entries("text").items():
            before = seen.setdefault(item.lang(key), set())
            if value and value in before:
                yield Leak(item, key, "the unpaired text")
            before.add(value)
