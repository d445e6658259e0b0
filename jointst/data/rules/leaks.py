"""Rules about what training and test sets share.

Development and test sets are small, training text may be millions of sentences: so the former are remembered, and the
latter are gone through once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from jointst.common.units import Seconds
from jointst.data.rules.frame import Everything, Finding, Part, Set, rule
from jointst.data.rules.segments import Span, by_place, spans

NEARLY_ALL = 0.9
"""A held-out set with a larger share of sentences that training has is meant to be so."""
TOGETHER: Seconds = 0.05
"""Parts of a recording that have more in common overlap; times are often rounded."""

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
    """Sentences of these parts that are in a development or test set, in the same language.

    Of sets that are meant to have the sentences of training (see :func:`of_commands`) only the same utterance counts.
    """
    if everything.config.same_sentences:
        return
    commands = {item.path for item, _ in of_commands(everything)}
    held: dict[str, dict[str, str]] = {}
    by_id: dict[tuple[str, str], str] = {}
    for item in everything.held_out():
        for key, value in item.entries("text").items():
            if item.path in commands:
                by_id[key, fold(value)] = f"{item.name} {key}"
            else:
                held.setdefault(item.lang(key), {}).setdefault(fold(value), f"{item.name} {key}")
    for item in everything.of(*parts) if held or by_id else ():
        for key, value in item.entries("text").items():
            where = held.get(item.lang(key), {}).get(fold(value)) or (by_id and by_id.get((key, fold(value))))
            if value and where:
                yield Leak(item, key, where)


def of_commands(everything: Everything) -> list[tuple[Set, int]]:
    """Development and test sets nearly all of whose sentences are in training too, and how many of them are.

    Nobody leaks so much by mistake without the same audio or ids, which other rules look at: it is a corpus of commands
    or prompts, in which everybody says the same.
    """
    wanted: dict[str, set[str]] = {}
    for item in everything.held_out():
        for key, value in item.entries("text").items():
            wanted.setdefault(item.lang(key), set()).add(fold(value))
    known: dict[str, set[str]] = {}
    for item in everything.of("train"):
        for key, value in item.entries("text").items():
            lang = item.lang(key)
            if lang in wanted and (sentence := fold(value)) in wanted[lang]:
                known.setdefault(lang, set()).add(sentence)
    found = []
    for item in everything.held_out():
        text = item.entries("text")
        shared = sum(fold(value) in known.get(item.lang(key), ()) for key, value in text.items() if value)
        if shared > 1 and shared >= NEARLY_ALL * len(text):
            found.append((item, shared))
    return found


def shared_audio(everything: Everything) -> Iterator[tuple[Set, Span, str]]:
    """Utterances of training sets that have audio in common with one of a development or test set."""
    held: dict[str, list[tuple[Span, Set]]] = {}
    for item in everything.held_out():
        for span in spans(item):
            held.setdefault(span.place, []).append((span, item))
    for item in everything.of("train", "pseudo") if held else ():
        for span in spans(item):
            for other, where in held.get(span.place, ()):
                if common(span, other) > TOGETHER:
                    yield item, span, f"{where.name} {other.key}"
                    break


def common(one: Span, other: Span) -> Seconds:
    """Seconds that two parts of a recording have in common."""
    return min(one.end, other.end) - max(one.start, other.start)


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


@rule("same-sentences", "WARNING")
def same_sentences(everything: Everything) -> Iterator[Finding]:
    """A development or test set has sentences of its own; otherwise it measures no sentence that is new."""
    for item, shared in of_commands(everything):
        message = f"{shared} of its {len(item.entries('text'))} sentences are in training too"
        fix = "as in a corpus of commands; it tells nothing of other sentences"
        yield Finding(path=item.path / "text", message=message, fix=fix)


@rule("same-ids", "WARNING")
def same_ids(everything: Everything) -> Iterator[Finding]:
    """Utterances of different sets have different ids: sets are told apart here, but not by tools that join them."""
    for first, second, keys in _pairs(everything, lambda item: item.entries("text")):
        message = f"{len(keys)} of its ids are in {first.name} too, for other utterances"
        yield second.at("text", keys[0], message, "they may stay; before joining sets put the set's name before ids")


@rule("audio-overlap", "ERROR", mends="removes the utterance from training")
def audio_overlap(everything: Everything) -> Iterator[Finding]:
    """No part of a recording is in a training and in a development or test set."""
    for item, span, where in shared_audio(everything):
        yield item.at(span.file, span.key, f"the same audio is in {where}", "remove it from training")


@rule("recording-in-sets", "WARNING")
def recording_in_sets(everything: Everything) -> Iterator[Finding]:
    """Recordings are of one set; parts of one recording in several sets have its voices and its room in common."""
    places = {item.path: by_place(spans(item)) for item in everything.held_out()}
    wanted = set().union(*places.values())
    for item in everything.of("train", "pseudo"):
        places[item.path] = by_place(span for span in spans(item) if span.place in wanted)
    for first, second, shared in _pairs(everything, lambda item: places[item.path]):
        parts = [(a, b) for place in shared for a in places[first.path][place] for b in places[second.path][place]]
        together = sum(common(a, b) > TOGETHER for a, b in parts)
        held_out = {"dev", "test"}
        if together and not (held_out & {*first.parts} and held_out & {*second.parts}):
            continue  # audio-overlap has said so
        span = parts[0][1]
        what = f"{together} pairs of utterances with the same audio" if together else "other parts of them"
        message = f"{len(shared)} of its recordings are in {first.name} too: {what}"
        yield second.at(
            span.file, span.key, message, "expected of few long recordings; otherwise part sets by recording"
        )


def _pairs(everything: Everything, names: Callable[[Set], Iterable[str]]) -> Iterator[tuple[Set, Set, list[str]]]:
    """What a held-out set has in common with one of training, or with another of another part: for each pair, once."""
    held, seen = everything.held_out(), dict[str, list[int]]()
    found: dict[tuple[int, int], list[str]] = {}
    for number, item in enumerate(held):
        for name in names(item):
            for other in seen.setdefault(name, []):
                if not {*held[other].parts} & {*item.parts}:
                    found.setdefault((other, number), []).append(name)
            seen[name].append(number)
    yield from ((held[first], held[second], shared) for (first, second), shared in found.items())
    for item in everything.of("train", "pseudo"):
        own: dict[int, list[str]] = {}
        for name in names(item):
            for other in seen.get(name, ()):
                own.setdefault(other, []).append(name)
        yield from ((item, held[other], shared) for other, shared in own.items())


@rule("dev-test-overlap", "WARNING")
def dev_test_overlap(everything: Everything) -> Iterator[Finding]:
    """A sentence in both a development and a test set: choices made on one favour the other."""
    commands = {item.path for item, _ in of_commands(everything)}
    dev = {
        (item.lang(key), value): f"{item.name} {key}"
        for item in everything.of("dev")
        if item.path not in commands
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
