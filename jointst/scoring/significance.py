"""Is one system better than another? Intervals over utterances and seeds, and matched-pair tests over utterances.

K seeds of a system (trainings that differ in nothing else), U utterances of a test set.

Intervals are percentile bootstrap intervals (Bisani and Ney, ICASSP 2004), here over two sources of chance: utterances
are drawn anew within each language, the same ones for both systems, and seeds are drawn anew for each system. From few
seeds, such an interval is somewhat too narrow: with K of them it holds (K - 1) / K of their variance.

Tests take the trained models as given, and ask about other utterances: MAPSSWE, the matched-pair test of NIST's
sc_stats (Gillick and Cox, ICASSP 1989) with utterances as segments, and the sign-flip permutation test, which needs no
normal distribution. Errors of several seeds are averaged, utterance by utterance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
"""Bootstrap samples, and sign flips."""
LEVEL = 0.95
"""Share of the bootstrap samples inside an interval."""
_SEED = 2718

Array = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Errors of one system on one test set.

    Attributes:
        errors: (K, U) errors of each utterance, in the unit of its language.
        lengths: (U,) reference tokens.
        languages: (U,) language codes.
    """

    errors: Array
    lengths: Array
    languages: NDArray[np.str_]

    def __post_init__(self) -> None:
        utterances = (self.errors.shape[1],) if self.errors.ndim == 2 else None
        if utterances != self.lengths.shape or utterances != self.languages.shape or not len(self.errors):
            raise ValueError(f"errors {self.errors.shape}, lengths {self.lengths.shape}, {self.languages.shape}")

    def rates(self) -> dict[str, float]:
        """Error rate of each language that has reference tokens, ``macro`` (their mean) and ``pooled``."""
        found = {}
        for code in sorted(set(self.languages.tolist())):
            rows = self.languages == code
            if self.lengths[rows].sum() > 0:
                found[code] = float(self.errors[:, rows].sum(1).mean() / self.lengths[rows].sum())
        if found:
            found["macro"] = sum(found.values()) / len(found)
            found["pooled"] = float(self.errors.sum(1).mean() / self.lengths.sum())
        return found


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Bootstrap samples of the error rates of one system, (R,) each; NaN where a sample has no reference tokens."""

    macro: Array
    pooled: Array

    def change(self, baseline: Samples) -> Samples:
        """Samples of the relative change, rate / baseline - 1."""
        ours, theirs = (self.macro, self.pooled), (baseline.macro, baseline.pooled)
        macro, pooled = (a / np.where(b > 0, b, np.nan) - 1 for a, b in zip(ours, theirs))
        return Samples(macro=macro, pooled=pooled)

    def intervals(self) -> dict[str, Interval | None]:
        """Of both."""
        return {"macro": interval(self.macro), "pooled": interval(self.pooled)}


def bootstrap(systems: Sequence[Errors], *, draws: int = DRAWS) -> list[Samples]:
    """Samples of several systems: the same utterances for all of them, seeds for each alone.

    Raises:
        ValueError: the systems were scored on different utterances.
    """
    for system in systems[1:]:
        _check_matched(system, systems[0])
    generator = np.random.default_rng(_SEED)
    utterances = _utterance_draws(systems[0].languages, draws, generator).astype(np.float64) if systems else None
    return [_samples(system, utterances, generator) for system in systems] if utterances is not None else []


def _samples(system: Errors, utterances: Array, generator: np.random.Generator) -> Samples:
    """Args: ``utterances`` (R, U), how often each sample has each of them; ``generator`` draws the seeds."""
    seeds = len(system.errors)
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), len(utterances)) / seeds  # (R, K)
    errors, lengths, rates = np.zeros(len(utterances)), np.zeros(len(utterances)), []
    for code in sorted(set(system.languages.tolist())):
        rows = system.languages == code
        own_errors = ((utterances[:, rows] @ system.errors[:, rows].T) * weights).sum(1)  # (R, U) (U, K) -> (R,)
        own_lengths = utterances[:, rows] @ system.lengths[rows]
        if own_lengths.any():
            rates.append(own_errors / np.where(own_lengths > 0, own_lengths, np.nan))
        errors, lengths = errors + own_errors, lengths + own_lengths
    macro = np.mean(rates, axis=0) if rates else np.full(len(utterances), np.nan)
    return Samples(macro=macro, pooled=errors / np.where(lengths > 0, lengths, np.nan))


def _utterance_draws(languages: NDArray[np.str_], draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(R, U) how often each sample has each utterance; every language keeps its number of utterances."""
    drawn = np.zeros((draws, len(languages)), np.int64)
    for code in sorted(set(languages.tolist())):
        rows = np.flatnonzero(languages == code)
        drawn[:, rows] = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), draws)
    return drawn


def interval(samples: Array, level: float = LEVEL) -> Interval | None:
    """The percentile interval of bootstrap samples; None where none is defined."""
    defined = samples[np.isfinite(samples)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_matched(system: Errors, baseline: Errors) -> None:
    if not (np.array_equal(system.lengths, baseline.lengths) and np.array_equal(system.languages, baseline.languages)):
        raise ValueError("both systems must have the same utterances")


def relative_change(rate: float, baseline: float) -> float | None:
    """``rate / baseline - 1``; None if the baseline has no errors."""
    return rate / baseline - 1 if baseline > 0 else None


@dataclass(frozen=True, kw_only=True)
class MatchedPairs:
    """Two-sided tests that two systems make equally many errors.

    Attributes:
        difference: mean errors of an utterance, system minus baseline.
        mapsswe: P of a mean difference at least as large, by the normal distribution.
        permutation: the same by flipping signs at random, the observed ones included.
    """

    difference: float
    mapsswe: float
    permutation: float


def matched_pairs(system: Errors, baseline: Errors, *, flips: int = DRAWS) -> MatchedPairs:
    """Test the difference of errors over utterances.

    Raises:
        ValueError: the systems were scored on different utterances.
    """
    _check_matched(system, baseline)
    difference = system.errors.mean(0) - baseline.errors.mean(0)
    count, mean = len(difference), float(difference.mean()) if len(difference) else 0.0
    deviation = float(difference.std(ddof=1)) if count > 1 else 0.0
    if deviation > 0:
        normal = math.erfc(abs(mean) * math.sqrt(count) / deviation / math.sqrt(2))
    else:
        normal = 1.0 if mean == 0 or count < 2 else 0.0
    generator = np.random.default_rng(_SEED)
    changed = difference[difference != 0]
    signs = generator.integers(0, 2, (flips, len(changed)), dtype=np.int8) * 2.0 - 1.0
    # A sum of the same numbers in another order may differ in its last bit.
    as_large = np.abs(signs @ changed) >= abs(changed.sum()) * (1 - 1e-12)
    return MatchedPairs(difference=mean, mapsswe=normal, permutation=float((1 + as_large.sum()) / (1 + flips)))


def holm(values: Sequence[float]) -> list[float]:
    """P values adjusted for several tests at once (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = highest
    return adjusted


def share_interval(hits: Array, occurrences: Array, *, draws: int = DRAWS) -> Interval | None:
    """Interval of a share (recall of unheard words), over utterances and seeds.

    Args:
        hits: (K, U) words recognised.
        occurrences: (U,) words there were.
    """
    generator = np.random.default_rng(_SEED)
    seeds, utterances = hits.shape
    drawn = generator.multinomial(utterances, np.full(utterances, 1 / utterances), draws).astype(np.float64)
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    total = drawn @ occurrences
    return interval(((drawn @ hits.T) * weights).sum(1) / np.where(total > 0, total, np.nan))
