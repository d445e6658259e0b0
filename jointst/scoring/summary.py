"""Counts of one decoder on one test set, summed in every way that is reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jointst.common.languages import language
from jointst.scoring.counts import Counts, Scored, align, mean_rate, total


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Errors of some utterances.

    Attributes:
        utterances: how many.
        words: errors in words of each language.
        characters: errors in characters of each language.
    """

    utterances: int
    words: dict[str, Counts]
    characters: dict[str, Counts]

    @property
    def main(self) -> dict[str, Counts]:
        """Errors of each language in the unit it is scored by."""
        return {
            lang: self.words[lang] if language(lang).scoring_unit == "word" else self.characters[lang]
            for lang in self.words
        }

    def as_dict(self) -> dict[str, Any]:
        """Counts and rates for JSON: each language, macro (mean of languages' rates) and pooled (summed counts)."""
        units = {"error": self.main, "wer": self.words, "cer": self.characters}
        return {
            "utterances": self.utterances,
            "languages": {
                lang: {
                    "unit": language(lang).scoring_unit,
                    "words": self.words[lang].as_dict(),
                    "characters": self.characters[lang].as_dict(),
                    **{f"{name}_rate": counts[lang].rate for name, counts in units.items()},
                }
                for lang in sorted(self.words)
            },
            "macro": {
                f"{name}_rate": mean_rate(item.rate for item in counts.values()) for name, counts in units.items()
            },
            "pooled": {
                "main": total(self.main.values()).as_dict(),
                "words": total(self.words.values()).as_dict(),
                "characters": total(self.characters.values()).as_dict(),
                **{f"{name}_rate": total(counts.values()).rate for name, counts in units.items()},
            },
        }


def summarise(scored: Collection[Scored]) -> Summary:
    """Sum the errors of utterances by language."""
    words: dict[str, Counts] = {}
    characters: dict[str, Counts] = {}
    for item in scored:
        words[item.lang] = words.get(item.lang, Counts()) + item.words
        characters[item.lang] = characters.get(item.lang, Counts()) + item.characters
    return Summary(utterances=len(scored), words=words, characters=characters)


def by_voice(scored: Iterable[Scored], speakers: Mapping[str, str], heard: Collection[str]) -> dict[str, Summary]:
    """Errors on voices that occur in training (``seen``) and on others (``unseen``); a group may be absent.

    Args:
        scored: utterances; those without a known speaker are left out.
        speakers: utterance to speaker.
        heard: speakers of the paired training sets.
    """
    groups: dict[str, list[Scored]] = {}
    for item in scored:
        if item.utterance in speakers:
            groups.setdefault("seen" if speakers[item.utterance] in heard else "unseen", []).append(item)
    return {name: summarise(groups[name]) for name in ("seen", "unseen") if name in groups}


def recall_of_unheard(
    scored: Iterable[Scored],
    heard: Mapping[str, Collection[str]],
    among: Mapping[str, Collection[str]] | None = None,
) -> dict[str, tuple[int, int]]:
    """How many of the words that no paired training text holds were recognised.

    An occurrence counts as recognised if it is a hit of the alignment: the word, at its place.

    Args:
        scored: utterances.
        heard: language to the words of its paired training text; a language without any is left out.
        among: language to the words that count, those of its unpaired text, say; by default all.

    Returns:
        Language to (recognised, occurrences).
    """
    found: dict[str, tuple[int, int]] = {}
    for item in scored:
        known = heard.get(item.lang)
        if known is None:
            continue
        recognised, occurrences = found.get(item.lang, (0, 0))
        counted = None if among is None else among.get(item.lang, ())
        unheard = [word for word in item.reference if word not in known and (counted is None or word in counted)]
        if unheard:
            pairs, wanted = align(item.reference, item.hypothesis), set(unheard)
            recognised += sum(operation == "hit" and word in wanted for operation, word, _ in pairs)
        found[item.lang] = (recognised, occurrences + len(unheard))
    return found
