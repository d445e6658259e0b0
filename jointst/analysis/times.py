"""How far an alignment is off in time, where a corpus knows when its phones are spoken (``phone_times``).

B batch, N speech positions, M text positions, P phones of the text encoder's input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jointst.common.units import Seconds
from jointst.kaldi.phone_times import SILENCE, PhoneTime

TIMED = ("best", "best_raw", "framewise", "random", "grid")
"""Whose times are measured: the best alignment of layer-normalised and of plain states, the two that look at no state,
and the truth itself rounded to encoder positions, which no alignment can beat by much."""
WITHIN: tuple[Seconds, ...] = (0.05, 0.1)
"""Shares of phones that are off by at most this much are reported."""

_VOWELS = frozenset("aeiouyøœɐɑɒɔəɘɛɜɞɤɨɪɯɵʉʊʌæʏɶɿʅ")
_MARKS = re.compile("[ˈˌː0-9\u02b0-\u02ff\u0300-\u036f^.]")
_GAP, _SAME_LETTER, _SAME_CLASS, _OTHER = 0.6, 0.2, 0.5, 1.3


def _cost(read: str, spoken: str) -> float:
    read, spoken = (_MARKS.sub("", phone) or phone for phone in (read, spoken))
    if read == spoken:
        return 0.0
    if read[0] == spoken[0]:
        return _SAME_LETTER
    return _SAME_CLASS if (read[0] in _VOWELS) == (spoken[0] in _VOWELS) else _OTHER


def match_phones(read: Sequence[str], spoken: Sequence[str]) -> list[int]:
    """Which spoken phone each phone of a pronunciation stands for, by edit distance.

    The two differ in symbols and now and then in number: words run together, and each labeller has symbols of its own.
    Vowels match vowels, consonants match consonants.

    Args:
        read: P phones from the lexicon.
        spoken: what was said, silence left out.

    Returns:
        P places in ``spoken``, ascending; -1 for a phone that was not said.
    """
    rows, columns = len(read), len(spoken)
    total = np.zeros((rows + 1, columns + 1))
    total[:, 0], total[0] = _GAP * np.arange(rows + 1), _GAP * np.arange(columns + 1)
    for i in range(rows):
        for j in range(columns):
            pair = total[i, j] + _cost(read[i], spoken[j])
            total[i + 1, j + 1] = min(pair, total[i, j + 1] + _GAP, total[i + 1, j] + _GAP)
    places = [-1] * rows
    i, j = rows, columns
    while i and j:
        if total[i, j] == total[i - 1, j - 1] + _cost(read[i - 1], spoken[j - 1]):
            i, j = i - 1, j - 1
            places[i] = j
        elif total[i, j] == total[i - 1, j] + _GAP:
            i -= 1
        else:
            j -= 1
    return places


def true_starts(read: Sequence[str], times: Sequence[PhoneTime]) -> NDArray[np.float64]:
    """When each phone of a pronunciation begins, (P,) seconds; NaN for one that was not said."""
    spoken = [time for time in times if time.phone != SILENCE]
    places = match_phones(read, [time.phone for time in spoken])
    return np.array([spoken[place].start if place >= 0 else np.nan for place in places])


def phone_starts(index: NDArray[np.int64], phone_of: NDArray[np.int64], phones: int) -> NDArray[np.int64]:
    """The first speech position of each phone under a monotone alignment.

    A phone that the alignment skips begins where the next one does, so that skipping wins nothing.

    Args:
        index: (N,) text position of each speech position, ascending.
        phone_of: (M,) phone of each text position, ascending.
        phones: P.

    Returns:
        (P,) speech positions, N for a phone after the last one.
    """
    return np.searchsorted(phone_of[index], np.arange(phones)).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class BatchTimes:
    """The truth about a batch.

    Attributes:
        starts: for each utterance (P,) seconds, NaN where unknown.
        phone_of: for each utterance (M,), the phone of each text position.
        seconds: of a speech position.
    """

    starts: list[NDArray[np.float64]]
    phone_of: list[NDArray[np.int64]]
    seconds: Seconds

    @classmethod
    def of(
        cls,
        utterances: Sequence[str],
        symbols: Sequence[Sequence[str]],
        repeats: Sequence[Sequence[int]],
        times: Mapping[str, Sequence[PhoneTime]],
        seconds: Seconds,
    ) -> BatchTimes:
        """The truth about utterances, of which some may have no times.

        Args:
            utterances: B ids.
            symbols: P phones of each.
            repeats: P text positions for each phone.
            times: ``phone_times`` by utterance.
            seconds: of a speech position.
        """
        starts, phone_of = [], []
        for utterance, read, counts in zip(utterances, symbols, repeats, strict=True):
            known = utterance in times
            starts.append(true_starts(read, times[utterance]) if known else np.full(len(read), np.nan))
            phone_of.append(np.repeat(np.arange(len(read)), np.asarray(counts, dtype=np.int64)))
        return cls(starts=starts, phone_of=phone_of, seconds=seconds)

    def errors(self, index: Tensor, lengths: Tensor) -> list[Seconds]:
        """Found minus true start of every phone whose start is known.

        Args:
            index: (B, N) int64, a monotone alignment.
            lengths: (B,) speech positions.
        """
        found: list[Seconds] = []
        rows, counts = index.cpu().numpy(), lengths.tolist()
        for row, count, starts, phone_of in zip(rows, counts, self.starts, self.phone_of, strict=True):
            places = phone_starts(row[:count], phone_of, len(starts))
            off = places * self.seconds - starts
            found += off[~np.isnan(off)].tolist()
        return found

    def grid_errors(self) -> list[Seconds]:
        """The same of true starts rounded to the nearest speech position."""
        starts = np.concatenate(self.starts) if self.starts else np.zeros(0)
        starts = starts[~np.isnan(starts)]
        off: list[Seconds] = (np.round(starts / self.seconds) * self.seconds - starts).tolist()
        return off


def summarise(errors: Sequence[Seconds]) -> dict[str, Any]:
    """Errors of phone starts for JSON: milliseconds, and shares of phones."""
    off = np.asarray(errors, dtype=np.float64)
    shares = {f"within_{1000 * limit:.0f}_ms": float((np.abs(off) <= limit + 1e-9).mean()) for limit in WITHIN}
    return {
        "phones": len(off),
        "median_ms": 1000 * float(np.median(np.abs(off))),
        "mean_ms": 1000 * float(np.abs(off).mean()),
        "bias_ms": 1000 * float(np.median(off)),
        **shares,
    }
