"""Rules about transcripts and sentences."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from jointst.common.encodings import read_wrongly
from jointst.common.languages import LANGUAGES
from jointst.common.units import positions_in, samples_in
from jointst.data.rules.frame import Everything, Finding, Set, rule
from jointst.text.marks import strip_marks
from jointst.text.normalise import normalise
from jointst.text.scripts import is_written_in

CONTROL = re.compile("[\x01-\x08\x0a-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]")
"""Characters that nobody sees and no language writes; joiners (U+200C, U+200D) are letters of some."""
DAMAGED = re.compile("[\ufffd\ufffe\uffff\ue000-\uf8ff]|Ã[\x80-¿]|â€")
"""What is left of text that was read in the wrong encoding: replacement and private characters, UTF-8 as Latin-1."""
SPACES = re.compile("  |[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""Spaces that are no single plain ones."""
UNWRITTEN = {
    "capital letters": re.compile("[A-ZÀ-ÖØ-ÞА-ЯЁ]"),
    "digits": re.compile(r"\d"),
    "punctuation": re.compile(r"[^\w\s'\u0300-\u036f\u0900-\u0963\u064b-\u0652\u00ad\u200b-\u200f\u202a-\u202e]"),
    "invisible characters": re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"),
}
"""What the normaliser changes, by the name under which it is counted."""
SHOWN = 60
"""Characters of a transcript that a finding shows."""
LETTER = re.compile(r"[^\W\d_]")


@rule("empty-transcript", "ERROR", mends="removes the utterance from every file")
def empty_transcript(everything: Everything) -> Iterator[Finding]:
    """No transcript or sentence is empty."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            if not value:
                yield item.at("text", key, "has no transcript", "write it, or remove the utterance from every file")


@rule("no-letters", "ERROR", mends="removes the utterance from every file")
def no_letters(everything: Everything) -> Iterator[Finding]:
    """Every transcript has a letter: nothing else can be pronounced."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            if value and not LETTER.search(value):
                yield item.at("text", key, f"{value!r} has no letter", "write it out in words, or remove the utterance")


@rule("control-character", "ERROR", mends="writes a space instead")
def control_character(everything: Everything) -> Iterator[Finding]:
    """No transcript holds control characters, line separators or invisible marks."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            found = CONTROL.search(value)
            if found:
                yield item.at("text", key, f"holds the invisible character U+{ord(found[0]):04X}", "remove it")


@rule("damaged-character", "ERROR")
def damaged_character(everything: Everything) -> Iterator[Finding]:
    """No transcript holds what is left of text in another encoding."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            found = DAMAGED.search(value)
            if found:
                message = f"{found[0]!r} looks like text read in the wrong encoding"
                yield item.at("text", key, message, "make the file again from its source, as UTF-8")


@rule("mojibake", "WARNING")
def mojibake(everything: Everything) -> Iterator[Finding]:
    """No transcript is UTF-8 that was read as another encoding (straÃŸe)."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            mended = "" if DAMAGED.search(value) else read_wrongly(value)
            if mended:
                message = f"{value[:SHOWN]!r} looks like {mended[:SHOWN]!r}, read in the wrong encoding"
                yield item.at("text", key, message, "make the file again from its source, as UTF-8")


@rule("transcriber-mark", "WARNING", mends="removes them")
def transcriber_mark(everything: Everything) -> Iterator[Finding]:
    """No transcript holds marks of transcribers; they are counted by set, and the first one is named."""
    own = everything.settings.corpus.transcriber_marks
    for item in everything.sets:
        marked = {key: marks for key, value in item.entries("text").items() if (marks := strip_marks(value, own)[1])}
        if marked:
            kinds = Counter(mark for marks in marked.values() for mark in marks)
            often = ", ".join(f"{mark} {count}" for mark, count in kinds.most_common(5))
            message = f"{kinds.total()} marks of transcribers in {len(marked)} transcripts ({often})"
            yield item.at("text", next(iter(marked)), message, "jointst fix removes them, or remove them yourself")


@rule("not-normalised", "WARNING", mends="writes it as the normaliser does")
def not_normalised(everything: Everything) -> Iterator[Finding]:
    """Every transcript is written as the normaliser writes it; others are counted by set, and the first is shown."""
    for item in everything.sets:
        first, count, kinds = "", 0, Counter[str]()
        for key, value in item.entries("text").items():
            wanted = normalised(value, item.lang(key))
            if wanted != value:
                first, count = first or key, count + 1
                kinds.update(name for name, pattern in UNWRITTEN.items() if pattern.search(value))
                kinds["decomposed letters"] += unicodedata.normalize("NFC", value) != value
        if count:
            why = ", ".join(f"{name} {number}" for name, number in kinds.items() if number)
            value = item.entries("text")[first]
            message = (
                f"{count} of {len(item.entries('text'))} transcripts are not as the normaliser writes them"
                f"{f' ({why})' if why else ''}: {value[:SHOWN]!r} would be "
                f"{normalised(value, item.lang(first))[:SHOWN]!r}"
            )
            yield item.at(
                "text", first, message, "jointst fix writes them so; look at validate.tsv and the example first"
            )


@rule("two-alphabets", "WARNING", mends="writes both as the normaliser does")
def two_alphabets(everything: Everything) -> Iterator[Finding]:
    """Transcripts of training and other text of a language are in the same case: otherwise they share few letters."""
    training = _letters(everything.of("train"))
    for item in everything.of("dev", "test", "unpaired"):
        for lang, (letters, first) in _letters([item]).items():
            wanted = training.get(lang, (set(), ""))[0]
            few, folded = min(len(letters), len(wanted)), {letter.lower() for letter in letters}
            shared = len(folded & {letter.lower() for letter in wanted})
            if len(letters & wanted) < few / 2 <= shared:
                message = (
                    f"{len(letters & wanted)} of its {len(letters)} letters are in the training transcripts of {lang}, "
                    f"{shared} if small and capital ones were the same: two alphabets in one model"
                )
                yield item.at("text", first, message, "jointst fix writes both as the normaliser does")


def _letters(sets: Iterable[Set]) -> dict[str, tuple[set[str], str]]:
    """Letters of each language, and its first utterance."""
    found: dict[str, tuple[set[str], str]] = {}
    for item in sets:
        for key, value in item.entries("text").items():
            found.setdefault(item.lang(key), (set(), key))[0].update(value)
    return {lang: ({letter for letter in letters if letter.isalpha()}, key) for lang, (letters, key) in found.items()}


def normalised(value: str, lang: str) -> str:
    """A transcript as the normaliser writes it; as it is, if it is damaged or not in its language's letters."""
    letters = "".join(filter(str.isalpha, unicodedata.normalize("NFKC", value)))
    if lang not in LANGUAGES or not is_written_in(letters, lang) or DAMAGED.search(value) or read_wrongly(value):
        return value
    return normalise(value, lang)


@rule("spaces", "WARNING", mends="writes single plain spaces")
def spaces(everything: Everything) -> Iterator[Finding]:
    """Words are separated by single plain spaces."""
    for item in everything.sets:
        for key, value in item.entries("text").items():
            found = SPACES.search(value)
            if found:
                yield item.at("text", key, f"holds {ascii(found[0])} between words", "write one plain space")


def _rates(everything: Everything) -> Iterator[tuple[Set, str, int, float]]:
    """Characters and seconds of every utterance with audio."""
    for item in everything.of("train", "dev", "test"):
        for key, value in item.entries("text").items():
            audio = item.audio_of(key)
            if audio and audio[1] > 0:  # otherwise the rules about audio and segments have said so
                yield item, key, len(value), audio[1]


@rule("labels-per-second", "ERROR")
def labels_per_second(everything: Everything) -> Iterator[Finding]:
    """No transcript has more characters a second than data.max_tokens_per_second."""
    most = everything.config.max_tokens_per_second
    for item, key, labels, seconds in _rates(everything):
        if labels / seconds > most:
            message = (
                f"{labels} characters in {seconds:.2f} s are {labels / seconds:.0f} a second, the most is {most:g}"
            )
            fix = "audio and transcript may not belong together; or raise data.max_tokens_per_second"
            yield item.at("text", key, message, fix)


@rule("more-labels-than-frames", "WARNING")
def more_labels_than_frames(everything: Everything) -> Iterator[Finding]:
    """A transcript has no more characters than its audio has encoder positions: CTC has no path for them."""
    most = everything.config.max_tokens_per_second
    features, subsampling = everything.settings.features, everything.settings.model.subsampling
    for item, key, labels, seconds in _rates(everything):
        samples = samples_in(seconds, features.sampling_rate)
        positions = positions_in(features.frames_in(samples), subsampling)
        if labels > positions and labels / seconds <= most:
            message = f"{labels} characters for {positions} encoder positions ({seconds:.2f} s)"
            fix = "look whether audio and transcript belong together; word pieces or less subsampling give room"
            yield item.at("text", key, message, fix)


@rule("all-unheard", "WARNING")
def all_unheard(everything: Everything) -> Iterator[Finding]:
    """A development or test transcript has at least one word (character in ja, zh) that some training text has."""
    wanted: dict[str, set[str]] = {}
    for item in everything.held_out():
        for key, value in item.entries("text").items():
            wanted.setdefault(item.lang(key), set()).update(_words(value, item.lang(key)))
    for item in everything.of("train", "unpaired"):
        for key, value in item.entries("text").items():
            left = wanted.get(item.lang(key))
            if left:
                left.difference_update(_words(value, item.lang(key)))
    for item in everything.held_out():
        for key, value in item.entries("text").items():
            if value and wanted[item.lang(key)].issuperset(_words(value, item.lang(key))):
                message = "not one of its words is in any training text of its language"
                yield item.at("text", key, message, "look at its language and spelling; it cannot be recognised well")


def _words(value: str, lang: str) -> list[str]:
    known = LANGUAGES.get(lang)
    return (
        value.split() if known is None or known.has_spaces else [character for character in value if character != " "]
    )
