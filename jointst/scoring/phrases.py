"""How many words of the phrases that a search listened for were recognised."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.languages import language
from jointst.scoring.counts import Scored, align
from jointst.text.normalise import for_scoring

FILE = "phrases.json"
"""In the folder ``decode``: the phrases of the search by language, as stage 7 leaves them; absent without phrases."""


def read_decoded_phrases(path: Path) -> dict[str, list[str]] | None:
    """Language to its phrases; None where decoding used none.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {str(lang): [str(text) for text in texts] for lang, texts in stored.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"is damaged: {error!r}", path=path, fix="run stage 7, decode, with --force") from None


def recall_of_phrases(scored: Iterable[Scored], phrases: Mapping[str, Sequence[str]]) -> tuple[int, int]:
    """Words (characters, in languages scored by them) of phrases: recognised at their place, and said in all.

    Args:
        scored: utterances.
        phrases: language to its phrases.
    """
    tokens = {lang: {tuple(_tokens(text, lang)) for text in texts} for lang, texts in phrases.items()}
    recognised = said = 0
    for item in scored:
        reference, hypothesis = item.main_tokens
        inside = _inside(reference, tokens.get(item.lang, set()))
        said += sum(inside)
        if any(inside):
            pairs = [(operation, word) for operation, word, _ in align(reference, hypothesis) if word is not None]
            recognised += sum(wanted and pair[0] == "hit" for wanted, pair in zip(inside, pairs, strict=True))
    return recognised, said


def _tokens(text: str, lang: str) -> list[str]:
    text = for_scoring(text, lang)
    return text.split() if language(lang).scoring_unit == "word" else list(text.replace(" ", ""))


def _inside(reference: Sequence[str], phrases: set[tuple[str, ...]]) -> list[bool]:
    """Which tokens of a reference are inside a phrase."""
    inside = [False] * len(reference)
    for length in {len(phrase) for phrase in phrases}:
        for first in range(len(reference) - length + 1):
            if tuple(reference[first : first + length]) in phrases:
                inside[first : first + length] = [True] * length
    return inside
