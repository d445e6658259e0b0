"""Equal training time: how many updates each system makes while another one trains.

A number of updates, not a stop-watch, ends these trainings. So the learning rate falls to its end in every system, a
training can be continued anywhere, and a busy machine cannot change what is compared. How long an update takes is
measured in turns (:mod:`jointst.training.pace`), for the clocks of trainings also tell what else the machine did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.units import Seconds
from jointst.config import Config
from jointst.config.stated import settings_of
from jointst.training.pace import Paces, Phase, phases

TOLERANCE = 0.05
"""A training that takes this share more or less time takes equal time: paces are hardly known better."""


@dataclass(frozen=True, kw_only=True)
class EqualTime:
    """The budget of a comparison at equal time.

    Attributes:
        system: whose training time it is.
        full: updates of that system.
        seconds: its training time.
        updates: of the other systems in that time; without those that make as many within :data:`TOLERANCE`.
        paces: seconds of an update of each system, all in terms of the same machine.
        settings: a digest of the settings that each was measured with.
    """

    system: str
    full: int
    seconds: Seconds
    updates: dict[str, int]
    paces: Paces
    settings: dict[str, str]


def _digest(config: Config) -> str:
    """Of what the time of an update depends on."""
    parts = settings_of(config, ("data", "model", "loss", "training"))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def training_seconds(begins: Sequence[tuple[Phase, int]], pace: Mapping[Phase, Seconds], updates: int) -> Seconds:
    """Time of a training.

    Args:
        begins: each phase with its first update, ascending.
        pace: seconds of an update in each phase.
        updates: of the whole training.
    """
    ends = [*(first for _, first in begins[1:]), updates]
    return sum(pace[phase] * max(0, min(end, updates) - first) for (phase, first), end in zip(begins, ends))


def updates_within(begins: Sequence[tuple[Phase, int]], pace: Mapping[Phase, Seconds], seconds: Seconds) -> int:
    """Updates that a training makes in some time, at least 1; arguments as of :func:`training_seconds`."""
    for (phase, first), (_, end) in pairwise(begins):
        needed = pace[phase] * (end - first)
        if needed > seconds:
            return max(1, round(first + seconds / pace[phase]))
        seconds -= needed
    phase, first = begins[-1]
    return max(1, round(first + seconds / pace[phase]))


def _read(path: Path, system: str, settings: Mapping[str, str]) -> tuple[Paces, dict[str, str]]:
    """What was measured before with the same settings, as long as those of the system that gives the time stay.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return {}, {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        measured = {name: own for name, own in found["settings"].items() if own == settings.get(name, own)}
        paces = {name: found["paces"][name] for name in measured}
        return (paces, measured) if found["system"] == system and system in paces else ({}, {})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"is damaged: {error!r}", path=path, fix="remove it, to measure again") from None


def equal_time(
    path: Path, system: str, configs: Mapping[str, Config], measure: Callable[[Sequence[str]], Paces]
) -> EqualTime:
    """The budget; what was measured once stays, and what is measured later is put in its terms.

    Args:
        path: where it is kept.
        system: whose training time all get; one of ``configs``.
        configs: of the systems that have been trained.
        measure: takes the paces of some of them, in turns.

    Raises:
        DataError: ``path`` is damaged.
    """
    losses, full = {name: config.loss for name, config in configs.items()}, configs[system].training.max_updates
    settings = {name: _digest(config) for name, config in configs.items()}
    paces, measured = _read(path, system, settings)
    missing = [name for name in losses if name not in paces]
    if missing:
        found = measure(list(dict.fromkeys([system, *missing])))
        begins = phases(losses[system])
        reference = paces.get(system, found[system])
        scale = training_seconds(begins, reference, full) / training_seconds(begins, found[system], full)
        for name in missing:
            paces[name] = {phase: scale * own for phase, own in found[name].items()}
    seconds = training_seconds(phases(losses[system]), paces[system], full)
    updates = {
        name: updates_within(phases(loss), paces[name], seconds)
        for name, loss in losses.items()
        if abs(training_seconds(phases(loss), paces[name], full) - seconds) > TOLERANCE * seconds
    }
    budget = EqualTime(
        system=system, full=full, seconds=seconds, updates=updates, paces=paces, settings=measured | settings
    )
    write_atomically(path, json.dumps(asdict(budget), indent=1) + "\n")
    return budget
