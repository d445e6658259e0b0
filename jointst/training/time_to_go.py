"""How long a training will still take, phase by phase: from what updates cost of late, and before that from samples."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jointst.common.units import Seconds

RECENT = 50
"""Updates of a phase that its pace is taken from."""
TRUSTED = 10
"""Updates of a phase from which on the samples no longer count in its pace."""
COMPARED = 20
"""Updates of a phase from which on its pace also corrects the samples of phases that are to come."""
ALIKE = 2.0
"""Times that the samples of two phases differ at most for one to correct those of the other by whatever is measured."""
NOTABLE = 1.5
"""Times that a phase costs more or less than its samples said, from which on it corrects any other's too: CTC alone
says little of a lattice, but that the machine has become busy."""
OUTLIER = 4.0
"""Medians that one update counts at most: compilers, a laptop that slept."""
RECENT_VALIDATIONS = 3
"""Validations that the time of one is taken from."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a training costs on this machine, by samples.

    Attributes:
        updates: seconds of an update in each phase.
        validation: seconds of a validation.
    """

    updates: Mapping[str, Seconds]
    validation: Seconds


def updates_left(begins: Sequence[tuple[str, int]], done: int, updates: int) -> dict[str, int]:
    """Updates that are left in each phase, in the order in which the phases come.

    Args:
        begins: each phase with its first update, counted from 0, ascending; a phase may come again.
        done: updates that are made.
        updates: of the whole training.
    """
    left: dict[str, int] = {}
    ends = [*(first for _, first in begins[1:]), updates]
    for (phase, first), end in zip(begins, ends, strict=True):
        count = min(end, updates) - max(first, done)
        if count > 0:
            left[phase] = left.get(phase, 0) + count
    return left


def validations_left(done: int, updates: int, every: int) -> int:
    """Validations after the first ``done`` of so many updates: one ``every`` so many, and one at the end."""
    return updates // every - done // every + int(updates % every > 0 and done < updates)


def in_words(seconds: Seconds) -> str:
    """A duration to two figures that matter, as in ``13 min`` and ``1 h 38 min``."""
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{round(seconds)} s"
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"


class TimeToGo:
    """The time that is left, from all updates and validations so far.

    A phase costs the mean of its recent updates, outliers cut; one that is to come what samples say, times by how much
    the present phase costs more or less than its own samples said, for what else the machine does slows all phases.

    Args:
        begins: each phase with its first update, counted from 0, ascending.
        updates: of the whole training.
        validate_every: updates between validations.
        costs: from samples, where there are some.
    """

    def __init__(
        self, begins: Sequence[tuple[str, int]], updates: int, validate_every: int, costs: Costs | None = None
    ) -> None:
        self.costs = costs
        self._begins = list(begins)
        self._updates = updates
        self._every = validate_every
        self._times: dict[str, deque[Seconds]] = {}
        self._validations: deque[Seconds] = deque(maxlen=RECENT_VALIDATIONS)
        self._latest = ""

    def phase(self, update: int) -> str:
        """The phase of an update, counted from 1."""
        return [phase for phase, first in self._begins if first < update][-1]

    def updated(self, update: int, seconds: Seconds) -> None:
        """Take in an update, counted from 1, that took so long, reading its batches included."""
        self._latest = self.phase(update)
        self._times.setdefault(self._latest, deque(maxlen=RECENT)).append(seconds)

    def validated(self, seconds: Seconds) -> None:
        """Take in a validation that took so long, its checkpoint included."""
        self._validations.append(seconds)

    def pace(self, phase: str) -> Seconds | None:
        """Seconds of an update in a phase; None as long as nothing is known."""
        seen, expected = self._times.get(phase, ()), self._expected(phase)
        assumed = [] if expected is None else [expected] * (TRUSTED - len(seen))
        return _mean([*seen, *assumed])

    def _expected(self, phase: str) -> Seconds | None:
        """What samples say of a phase, corrected; without samples the pace of the present phase."""
        present = self._times.get(self._latest, ())
        if self.costs is None or phase not in self.costs.updates:
            return _mean(present) if phase != self._latest else None
        expected, own = self.costs.updates[phase], self.costs.updates.get(self._latest)
        measured = _mean(present)
        if phase == self._latest or own is None or measured is None or len(present) < COMPARED:
            return expected
        changed, differ = measured / own, max(own, expected) / min(own, expected)
        return expected * changed if differ <= ALIKE or max(changed, 1 / changed) >= NOTABLE else expected

    def left(self, update: int) -> Seconds | None:
        """Seconds that are left after an update, counted from 1 (0: before the first); None if nothing is known yet."""
        total = 0.0
        for phase, count in updates_left(self._begins, update, self._updates).items():
            pace = self.pace(phase)
            if pace is None:
                return None
            total += count * pace
        validation = 0.0 if self.costs is None else self.costs.validation
        if self._validations:
            validation = statistics.fmean(self._validations)
        return total + validation * validations_left(update, self._updates, self._every)


def _mean(times: Sequence[Seconds] | deque[Seconds]) -> Seconds | None:
    """The mean of some times, none of which counts more than :data:`OUTLIER` medians; None of none.

    Not the median: batches of long utterances cost more than those of short ones, and all of them are to come.
    """
    if not times:
        return None
    most = OUTLIER * statistics.median(times)
    return statistics.fmean(min(time, most) for time in times)
