"""Long sentences cut where the speaker pauses, by labels that say when phones are spoken.

Utterances of a few seconds train a transducer with far less work than whole sentences: its lattice is as large as the
product of both lengths. Labels name phones, not words, so phones and letters are aligned first: as dynamic time warping
aligns anything, on what each phone costs as the sound of each letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from jointst.common.units import Seconds
from jointst.kaldi.phone_times import SILENCE, PhoneTime
from jointst.ops.alignment import align

ALIKE, SAME_SORT, OTHER = 0.3, 0.6, 1.0
"""Costs of a phone at a letter: another vowel; another consonant; a vowel at a consonant. 0: it is the letter's."""


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """How a language's letters sound, in the phones of some labels.

    Attributes:
        of: the phones of each letter; a letter that is never heard has none.
        vowels: letters.
    """

    of: Mapping[str, frozenset[str]]
    vowels: frozenset[str]

    def cost(self, phone: str, letter: str) -> float:
        """What a phone costs at a letter."""
        if phone in self.of[letter]:
            return 0.0
        vowel = any(phone in self.of[other] for other in self.vowels)
        if vowel != (letter in self.vowels):
            return OTHER
        return ALIKE if vowel else SAME_SORT


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """Words between two pauses.

    Attributes:
        words: separated by spaces.
        start: seconds from the beginning of the recording, inside the pause before.
        end: seconds, inside the pause after.
    """

    words: str
    start: Seconds
    end: Seconds


def cut_at_pauses(
    sentence: str, times: Sequence[PhoneTime], sounds: Sounds, *, shortest: Seconds, pause: Seconds = 0.1
) -> list[Phrase]:
    """The phrases of a sentence; it stays whole where no pause is between two words.

    Args:
        sentence: normalised words.
        times: its phones with pauses.
        sounds: of its letters.
        shortest: length of a phrase at least; the last one may be shorter than that.
        pause: length at least of one to cut at.

    Raises:
        ValueError: a letter has no entry in ``sounds``, or there is no phone.
    """
    words = sentence.split()
    letters = [(letter, place) for place, word in enumerate(words) for letter in word if _heard(letter, sounds)]
    spoken = [place for place, time in enumerate(times) if time.phone != SILENCE]
    if not letters or not spoken:
        raise ValueError("no letter or no phone")
    cost = torch.tensor([[sounds.cost(times[place].phone, letter) for letter, _ in letters] for place in spoken])
    found = align("dtw", cost[None], torch.tensor([len(spoken)]), torch.tensor([len(letters)]))
    assert found.index is not None
    assert found.first is not None
    first, last = found.first[0].tolist(), found.index[0].tolist()
    phrases: list[Phrase] = []
    start, begun = times[0].start, 0
    for place, (before, after) in enumerate(pairwise(spoken)):
        gap = times[after].start - times[before].end
        word = letters[last[place]][1]
        if gap < pause or letters[first[place + 1]][1] <= word:
            continue
        middle = (times[before].end + times[after].start) / 2
        if middle - start >= shortest and times[-1].end - middle >= shortest:
            phrases.append(Phrase(words=" ".join(words[begun : word + 1]), start=start, end=middle))
            start, begun = middle, word + 1
    phrases.append(Phrase(words=" ".join(words[begun:]), start=start, end=times[-1].end))
    return phrases


def _heard(letter: str, sounds: Sounds) -> bool:
    if letter not in sounds.of:
        raise ValueError(f"{letter!r} is not a letter that sounds are known of")
    return bool(sounds.of[letter])
