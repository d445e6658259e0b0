"""Equal training time: how many updates each system makes while another one trains.

A number of updates, not a stop-watch, ends these trainings. So the learning rate falls to its end in every system, a
training can be continued anywhere, and a busy machine cannot change what is compared.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from jointst.errors import JointstError
from jointst.stage import write_atomically
from jointst.units import Seconds

TAIL = 0.25
"""The pace beyond the end of a log is that of this last share of its updates."""

Curve = list[tuple[int, Seconds]]
"""Updates and the training time that they took, ascending."""


def read_curve(folder: Path) -> Curve:
    """The clock of a training, from its ``log.jsonl``; without the lines cut short by a crash."""
    path = folder / "log.jsonl"
    curve: Curve = [(0, 0.0)]
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
            point = int(record["update"]), float(record["seconds"])
        except (ValueError, KeyError):
            continue
        if point[0] > curve[-1][0]:
            curve.append(point)
    return curve


def updates_within(curve: Curve, seconds: Seconds) -> int:
    """Updates that a training makes in some time, at least 1.

    Raises:
        ValueError: nothing was logged.
    """
    if len(curve) < 2:
        raise ValueError("a log without updates")
    for (before, begun), (after, ended) in zip(curve, curve[1:]):
        if ended >= seconds:
            share = (seconds - begun) / max(ended - begun, 1e-9)
            return max(1, round(before + max(0.0, share) * (after - before)))
    last, end = curve[-1]
    first, start = max((point for point in curve if point[0] <= (1 - TAIL) * last), key=lambda point: point[0])
    return max(1, round(last + (seconds - end) * (last - first) / max(end - start, 1e-9)))


@dataclass(frozen=True, kw_only=True)
class EqualTime:
    """The budget of a comparison at equal time.

    Attributes:
        system: whose training time it is.
        full: updates of that system.
        seconds: its training time, the median of its seeds.
        updates: of the other systems in that time, medians over their seeds.
    """

    system: str
    full: int
    seconds: Seconds
    updates: dict[str, int]


def equal_time(path: Path, system: str, full: int, curves: dict[str, list[Curve]]) -> EqualTime:
    """The budget, from the clocks of finished trainings at equal updates; what was found once stays.

    Args:
        path: where it is kept.
        system: whose training time all get.
        full: updates of that system.
        curves: clocks of the seeds of each system.

    Raises:
        JointstError: no training of ``system`` is finished.
    """
    kept: dict[str, int] = {}
    seconds = None
    if path.is_file():
        found = EqualTime(**json.loads(path.read_text(encoding="utf-8")))
        if (found.system, found.full) == (system, full):
            kept, seconds = found.updates, found.seconds
    if seconds is None:
        if not curves.get(system):
            raise JointstError(f"no training of {system} is finished, so its time is not known; mend it first")
        seconds = statistics.median(curve[-1][1] for curve in curves[system])
    for other, clocks in curves.items():
        if other != system and other not in kept and clocks:
            kept[other] = round(statistics.median(updates_within(curve, seconds) for curve in clocks))
    budget = EqualTime(system=system, full=full, seconds=seconds, updates=kept)
    write_atomically(path, json.dumps(asdict(budget), indent=1) + "\n")
    return budget
