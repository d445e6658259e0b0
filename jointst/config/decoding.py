"""Stages 7 and 8: search and scoring; ``jointst tune``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jointst.common.languages import LANGUAGES
from jointst.config.check import require


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """Search."""

    batch_utterances: int = 32
    """Utterances decoded together."""
    max_labels_per_position: int = 5
    """Labels that one encoder position may emit."""
    search: Literal["greedy", "beam"] = "greedy"
    """The best choice at every step, or a beam of label sequences; a beam of 1 is greedy search with fusion."""
    beam: int = 8
    """Hypotheses of an utterance that a beam search keeps."""
    nbest: int = 5
    """Hypotheses of an utterance that a beam search writes, at most beam."""
    lm: Literal["none", "neural", "ngram"] = "none"
    """Language model added in a beam search: the neural one of ``jointst lm``, or the n-grams of ``arpa``."""
    arpa: str | None = None
    """ARPA or kenlm file of n-grams over label pieces (those of tokens.txt), for lm: ngram; needs the extra [lm]."""
    weights: Literal["stated", "tuned"] = "stated"
    """Whether the three weights below hold, or those that ``jointst tune`` found for each decoder."""
    lm_weight: float = 0.3
    """Weight of log P of the language model [ours]."""
    ilm_weight: float = 0.0
    """Weight of log P of the internal language model, which is subtracted (arXiv 2003.07705, section 3.3)."""
    label_bonus: float = 0.0
    """Added to the score for each label; more than 0 makes hypotheses longer."""
    phrases: str | None = None
    """A file of phrases that matter, one a line, if you like with a tab and a weight behind it, for any search."""
    phrase_weight: float | None = None
    """Added to the score of each label that goes on with a phrase, and taken back if the phrase is not finished; null
    is 1 in greedy search and 0.5 in a beam, which has more room to follow a phrase [ours, egs/mini]."""
    phrase_language: str | None = None
    """The language of all phrases, an ISO 639-1 code; null: all languages of the model in whose letters they are."""

    @property
    def label_weight(self) -> float:
        """What a label of a phrase without a weight of its own adds to the score."""
        if self.phrase_weight is not None:
            return self.phrase_weight
        return 1.0 if self.search == "greedy" else 0.5

    def __post_init__(self) -> None:
        for key in ("batch_utterances", "max_labels_per_position", "beam", "nbest"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        for key in ("lm_weight", "ilm_weight"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        weight = self.phrase_weight
        require(
            weight is None or 0 < weight <= 100,
            "phrase_weight",
            f"is {weight}",
            "above 0, at most 100; for no phrases, phrases: null",
        )
        lang = self.phrase_language
        require(lang is None or lang in LANGUAGES, "phrase_language", f"is {lang}", f"one of {' '.join(LANGUAGES)}")
        require(self.search in ("greedy", "beam"), "search", f"is {self.search!r}", "greedy or beam")
        beam = self.search == "beam"
        require(not beam or self.nbest <= self.beam, "nbest", f"is {self.nbest} with a beam of {self.beam}")
        for key, idle in (("lm", "none"), ("weights", "stated"), ("ilm_weight", 0.0), ("label_bonus", 0.0)):
            used = getattr(self, key) != idle
            require(beam or not used, key, f"is {getattr(self, key)} in greedy search", "search: beam")
        require(self.lm != "ngram" or self.arpa is not None, "arpa", "is missing", "name the file of n-grams")
        require(self.lm == "ngram" or self.arpa is None, "arpa", f"is stated with lm: {self.lm}", "lm: ngram")


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Tuning of the language models' weights on the dev sets, by ``jointst tune``."""

    lm_weights: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
    """Values tried for decoding.lm_weight, with every value of the others."""
    ilm_weights: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    """Values tried for decoding.ilm_weight, where the internal language model is subtracted."""
    label_bonuses: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Values tried for decoding.label_bonus."""

    def __post_init__(self) -> None:
        for key in ("lm_weights", "ilm_weights"):
            values = getattr(self, key)
            require(bool(values) and min(values) > 0, key, f"is {list(values)}", "values above 0")
        require(bool(self.label_bonuses), "label_bonuses", "is empty", "[0.0] for none")


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """Error rates."""

    sclite: Literal["auto", "yes", "no"] = "auto"
    """Also run NIST sclite: if it is installed, always (an error if it is not), or never."""
