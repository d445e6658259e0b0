"""What a recogniser says: words with time stamps and confidence, grouped from a hypothesis's labels."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from jointst.common.units import Seconds
from jointst.decoding.hypothesis import Hypothesis
from jointst.text.tokenizer import SPACE, Tokenizer

_UNSPACED = ("CJK UNIFIED", "CJK COMPATIBILITY", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC")
"""How Unicode's names of characters begin that are written without spaces between words."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word; in scripts without spaces, a label (a character, or a piece of several).

    Attributes:
        text: as it is written.
        start: when its first label was emitted, from the start of the audio.
        end: when the encoder position that emitted its last label ended. A transducer emits a label when it is sure
            of it, often near the label's end, so both tend to be late.
        confidence: the smallest P(label) of its labels at their emission: a word is as sure as its least sure part.
        spaced: whether a space stands before it.
    """

    text: str
    start: Seconds
    end: Seconds
    confidence: float
    spaced: bool


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """Text of a stretch of audio.

    Attributes:
        text: all of it.
        words: the same in words.
        start, end: of the audio it stands for.
        final: whether it will not change any more.
    """

    text: str
    words: tuple[Word, ...]
    start: Seconds
    end: Seconds
    final: bool = True


def transcript_of(
    hypothesis: Hypothesis,
    tokenizer: Tokenizer,
    seconds_per_position: Seconds,
    *,
    start: Seconds,
    end: Seconds,
    final: bool = True,
) -> Transcript:
    """The transcript of a hypothesis over audio from ``start`` to ``end``."""
    words: list[Word] = []
    group: list[int] = []
    spaced = False  # before the group
    pieces = tokenizer.pieces(hypothesis.labels)
    confidence = hypothesis.confidence

    def close() -> None:
        text = tokenizer.decode([hypothesis.labels[i] for i in group]).strip()
        if text:
            first, last = hypothesis.positions[group[0]], hypothesis.positions[group[-1]]
            words.append(
                Word(
                    text=text,
                    start=round(start + first * seconds_per_position, 3),
                    end=round(min(end, start + (last + 1) * seconds_per_position), 3),
                    confidence=min(confidence[i] for i in group),
                    spaced=spaced and bool(words),
                )
            )

    for index, piece in enumerate(pieces):
        begins = piece.startswith(SPACE) or _is_unspaced(piece) or (bool(group) and _is_unspaced(pieces[index - 1]))
        if begins:
            close()
            spaced = piece.startswith(SPACE) or (group == [index - 1] and pieces[index - 1] == SPACE)
            group = []
        group.append(index)
    close()
    text = tokenizer.decode(hypothesis.labels).strip()
    return Transcript(text=text, words=tuple(words), start=round(start, 3), end=round(end, 3), final=final)


def join(words: tuple[Word, ...] | list[Word]) -> str:
    """Words as one text."""
    return "".join((" " if word.spaced and index else "") + word.text for index, word in enumerate(words))


def _is_unspaced(piece: str) -> bool:
    return any(unicodedata.name(character, "").startswith(_UNSPACED) for character in piece)
