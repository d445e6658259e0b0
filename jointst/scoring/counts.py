"""Errors as integer counts; every rate is derived from them.

An alignment of reference and hypothesis has the fewest errors possible and, among those, the most hits. So the number
of errors is the Levenshtein distance (as in jiwer), and its split agrees with NIST sclite where jiwer's need not.

Empty references: every token of the hypothesis is an insertion. A rate over no reference tokens at all is undefined
(None), whatever the hypothesis; such a rate is left out of every mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rapidfuzz.distance import Levenshtein

from jointst.common.errors import DataError
from jointst.common.languages import language
from jointst.kaldi.tables import scan_table

Segmenter = Callable[[str, str], list[str]]
"""Language code and normalised text to words."""

Operation = Literal["hit", "substitution", "deletion", "insertion"]
AlignedPair = tuple[Operation, "str | None", "str | None"]
"""What happened to a reference token and the hypothesis token beside it; None where there is no such token."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What an alignment found, in tokens of one unit.

    Attributes:
        hits: reference tokens recognised.
        substitutions: reference tokens recognised as another.
        deletions: reference tokens left out.
        insertions: hypothesis tokens that no reference token answers to.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def length(self) -> int:
        """Reference tokens."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors for each reference token (may pass 1); None without any reference token."""
        return self.errors / self.length if self.length else None

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            hits=self.hits + other.hits,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
        )

    def as_dict(self) -> dict[str, int]:
        """The counts and the reference length, for JSON."""
        return {**asdict(self), "length": self.length}


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    return sum(counts, Counts())


def mean_rate(rates: Iterable[float | None]) -> float | None:
    """The unweighted mean of those rates that are defined; None if none is."""
    defined = [rate for rate in rates if rate is not None]
    return sum(defined) / len(defined) if defined else None


def count(reference: Sequence[str], hypothesis: Sequence[str]) -> Counts:
    """Errors of a hypothesis, in tokens."""
    # With substitutions one part in `large` dearer, the distance is large * errors + substitutions.
    large = len(reference) + len(hypothesis) + 1
    distance = Levenshtein.distance(reference, hypothesis, weights=(large, large, large + 1))
    errors, substitutions = divmod(distance, large)
    insertions = (errors - substitutions - len(reference) + len(hypothesis)) // 2
    deletions = errors - substitutions - insertions
    return Counts(
        hits=len(reference) - substitutions - deletions,
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
    )


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[AlignedPair]:
    """An alignment with the counts of :func:`count`, pair by pair; O(N M) in Python, for single utterances."""
    rows, columns = len(reference), len(hypothesis)
    # Cost of the prefixes (i, j): errors, then substitutions.
    cost = [[(i + j, 0) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            same = reference[i - 1] == hypothesis[j - 1]
            errors, substitutions = cost[i - 1][j - 1]
            diagonal = (errors, substitutions) if same else (errors + 1, substitutions + 1)
            above, left = cost[i - 1][j], cost[i][j - 1]
            cost[i][j] = min(diagonal, (above[0] + 1, above[1]), (left[0] + 1, left[1]))
    pairs: list[AlignedPair] = []
    i, j = rows, columns
    while i or j:
        errors, substitutions = cost[i][j]
        if i and cost[i - 1][j] == (errors - 1, substitutions):
            i -= 1
            pairs.append(("deletion", reference[i], None))
        elif j and cost[i][j - 1] == (errors - 1, substitutions):
            j -= 1
            pairs.append(("insertion", None, hypothesis[j]))
        else:
            i, j = i - 1, j - 1
            same = reference[i] == hypothesis[j]
            pairs.append(("hit" if same else "substitution", reference[i], hypothesis[j]))
    return pairs[::-1]


def words_of(text: str, lang: str, segment: Segmenter) -> list[str]:
    """Words of a text: by spaces, or by ``segment`` in a language written without them."""
    return text.split() if language(lang).has_spaces else segment(lang, text)


def characters_of(text: str, lang: str) -> list[str]:
    """Unicode code points of a text: spaces count where the language writes them, as in jiwer."""
    text = " ".join(text.split())
    return list(text if language(lang).has_spaces else text.replace(" ", ""))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One utterance and its errors.

    Attributes:
        utterance: its id.
        lang: ISO 639-1 code.
        reference: normalised text, as words.
        hypothesis: normalised text, as words; empty if missing.
        words: errors in words.
        characters: errors in characters.
        missing: whether there was no hypothesis at all.
    """

    utterance: str
    lang: str
    reference: list[str] = field(repr=False)
    hypothesis: list[str] = field(repr=False)
    words: Counts
    characters: Counts
    missing: bool = False

    @property
    def main(self) -> Counts:
        """Errors in the unit that the language is scored by."""
        return self.words if language(self.lang).scoring_unit == "word" else self.characters

    @property
    def main_tokens(self) -> tuple[list[str], list[str]]:
        """Reference and hypothesis in that unit."""
        if language(self.lang).scoring_unit == "word":
            return self.reference, self.hypothesis
        return list("".join(self.reference)), list("".join(self.hypothesis))


def score_utterances(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    languages: Mapping[str, str],
    *,
    path: Path,
    normalise: Callable[[str, str], str],
    segment: Segmenter,
) -> list[Scored]:
    """Errors of every utterance, joined by id, in the order of ids.

    Args:
        references: id to reference text.
        hypotheses: id to hypothesis; an id that is missing here counts as an empty hypothesis.
        languages: id to ISO 639-1 code, for every reference.
        path: file of the hypotheses, for messages.
        normalise: text and language code to the text that is compared; applied to both sides.
        segment: words of languages written without spaces.

    Raises:
        DataError: a hypothesis whose id is not among the references.
    """
    for utterance in hypotheses:
        if utterance not in references:
            raise DataError(
                "a hypothesis without a reference",
                path=path,
                line=scan_table(path, allow_empty=True).lines.get(utterance),
                utterance=utterance,
                fix="decode the test set again, or remove the line",
            )
    scored = []
    for utterance in sorted(references):
        lang = languages[utterance]
        reference = normalise(references[utterance], lang)
        hypothesis = normalise(hypotheses.get(utterance, ""), lang)
        words = words_of(reference, lang, segment), words_of(hypothesis, lang, segment)
        scored.append(
            Scored(
                utterance=utterance,
                lang=lang,
                reference=words[0],
                hypothesis=words[1],
                words=count(*words),
                characters=count(characters_of(reference, lang), characters_of(hypothesis, lang)),
                missing=utterance not in hypotheses,
            )
        )
    return scored
