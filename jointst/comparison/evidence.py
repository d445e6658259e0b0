"""What stored comparisons say of one question: changes and shares, each with its interval."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jointst.comparison.tables import p_value, percent, spanned

FLOOR = 0.8
"""Where no system has an error rate below this, no difference means anything."""
DECODER = "full_context"
"""The decoder that claims are judged by: the last pass."""

_MINUTES = re.compile(r"minutes_[\d.]+")

Stored = Sequence[Mapping[str, Any]]
"""Summaries of comparisons."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A measurement as it is drawn.

    Attributes:
        label: what was measured, and where.
        value: as in the line that tells of it.
        interval: of it, where there is one.
        counts: whether it is evidence of its own.
    """

    label: str
    value: float
    interval: tuple[float, float] | None = None
    counts: bool = True


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a claim's figure shows.

    Attributes:
        axis: what the marks measure.
        at: the value that matters, 0 for a change, say, if there is one.
        marks: the measurements.
    """

    axis: str
    at: float | None
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """Relative change of the macro error rate between two systems on one test set.

    Attributes:
        where: recipe, comparison, test set, control, both systems.
        control: what was equal.
        recipe: the recipe.
        seeds: of the system with fewer.
        value: rate / other rate - 1.
        interval: over utterances and seeds, if it is defined.
        p: of the matched-pair test over utterances; 1 where its difference has the other sign.
        lost: trainings of both systems that have failed or are left.
        low: whether one of both systems has an error rate below :data:`FLOOR`.
        again: whether both systems' trainings are those of the control before.
    """

    where: str
    control: str
    recipe: str
    seeds: int
    value: float
    interval: tuple[float, float] | None
    p: float
    lost: int = 0
    low: bool = True
    again: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is evidence of its own."""
        return self.low and not self.again

    @property
    def line(self) -> str:
        """For RESULTS.md."""
        shown = spanned(self.value, self.interval, sign=True)
        line = f"{self.where}: {shown} %, P {p_value(self.p)}, {self.seeds} seeds"
        line += f", {self.lost} trainings failed or left" if self.lost else ""
        line += f" (not counted: both above {percent(FLOOR)} % errors)" if not self.low else ""
        return line + (" (not counted again: the same trainings)" if self.again and self.low else "")

    @property
    def mark(self) -> Mark:
        """For a figure, in percent."""
        return _mark(self.where, self.value, self.interval, counts=self.counts)


def _mark(where: str, value: float, interval: tuple[float, float] | None, *, counts: bool) -> Mark:
    ends = None if interval is None else (100 * interval[0], 100 * interval[1])
    return Mark(label=where, value=100 * value, interval=ends, counts=counts)


def without_minutes(system: str) -> str:
    """A system's name without the part that says how much speech it has (``minutes_30``)."""
    return "+".join(part for part in system.split("+") if not _MINUTES.fullmatch(part))


def names_of(systems: Iterable[str]) -> dict[str, str]:
    """What systems are called where they have some minutes of speech alone, by what they are called elsewhere."""
    systems = list(systems)
    return {without_minutes(name): name for name in systems} | {name: name for name in systems}


def picture_of(measured: Sequence[Change], at: float = 0.0) -> Picture | None:
    """Of relative changes; ``at`` is the change in percent that matters."""
    marks = tuple(item.mark for item in measured)
    return Picture(axis="relative change of the error rate, %", at=at, marks=marks) if marks else None


@dataclass(frozen=True, kw_only=True)
class Share:
    """A recall with its interval.

    Attributes:
        where: recipe, comparison, test set, control, system.
        control: what was equal.
        seeds: of the system.
        value: the share.
        interval: over utterances and seeds, if it is defined.
        lost: trainings of the system that have failed or are left.
    """

    where: str
    control: str
    seeds: int
    value: float
    interval: tuple[float, float] | None = field(default=None)
    lost: int = 0

    @property
    def line(self) -> str:
        """For RESULTS.md."""
        line = f"{self.where}: {spanned(self.value, self.interval)} %, {self.seeds} seeds"
        return line + (f", {self.lost} trainings failed or left" if self.lost else "")

    @property
    def mark(self) -> Mark:
        """For a figure, in percent."""
        return _mark(self.where, self.value, self.interval, counts=True)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the last pass.

    Attributes:
        where: recipe, comparison, test set, control.
        name: of the test set.
        control: what is equal.
        summary: of the comparison.
        systems: rows.
    """

    where: str
    name: str
    control: str
    summary: Mapping[str, Any]
    systems: Mapping[str, Any]

    def _cells(self, system: str, control: str) -> list[Mapping[str, Any]]:
        return [cell for cell in self.summary["controls"][control]["cells"] if cell["system"] == system]

    def lost(self, system: str) -> int:
        """Trainings that have failed or are left."""
        return sum(cell["status"] != "finished" for cell in self._cells(system, self.control))

    def again(self, *systems: str) -> bool:
        """Whether the trainings of these systems are those of the first control."""
        first = next(iter(self.summary["controls"]))
        keys = [{cell["key"] for system in systems for cell in self._cells(system, c)} for c in (first, self.control)]
        return self.control != first and keys[0] == keys[1]


def tables(stored: Stored, fits: Callable[[str], bool] = lambda name: True, part: str = "") -> Iterator[Table]:
    """Every table of the last pass on whole sets, or on a part of them."""
    for summary in stored:
        for control, found in summary["controls"].items():
            for own in found["tables"]:
                if own["decoder"] == DECODER and own["part"] == part and fits(own["set"]):
                    where = f"{summary['recipe']}/{summary['name']}, {own['set']}, equal {control}"
                    yield Table(where=where, name=own["set"], control=control, summary=summary, systems=own["systems"])


def changes(
    stored: Stored, system: str, other: str, fits: Callable[[str], bool] = lambda name: True, *, part: str = ""
) -> list[Change]:
    """Every measured change of a system against another.

    Args:
        stored: summaries.
        system: the one in question.
        other: the one it is measured against; both also where they have some minutes of speech alone.
        fits: which test sets count, by name.
        part: of the test sets.
    """
    found = []
    for table in tables(stored, fits, part):
        known = names_of(table.systems)
        names = known.get(system, system), known.get(other, other)
        against = table.systems.get(names[0], {}).get("against", {}).get(names[1])
        if against is None or against["change"].get("macro") is None:
            continue
        ends, value = against["intervals"]["macro"], against["change"]["macro"]
        rows = [table.systems[name] for name in names]
        found.append(
            Change(
                where=f"{table.where}, {' against '.join(names)}",
                control=table.control,
                recipe=table.summary["recipe"],
                seeds=min(row["seeds"] for row in rows),
                value=value,
                interval=None if ends is None else (ends[0], ends[1]),
                p=against["mapsswe"] if against["difference"] * value >= 0 else 1.0,
                lost=sum(map(table.lost, names)),
                low=min(row["rates"]["macro"] for row in rows) < FLOOR,
                again=table.again(*names),
            )
        )
    return found


def recalls(stored: Stored, systems: Sequence[str], fits: Callable[[str], bool]) -> list[Share]:
    """Recall of words never heard, of every one of ``systems`` that was measured."""
    found = []
    for table in tables(stored, fits):
        known = names_of(table.systems)
        for name in (known[system] for system in systems if system in known):
            recall = table.systems[name].get("recall")
            if recall is not None:
                ends = recall["interval"]
                found.append(
                    Share(
                        where=f"{table.where}, {name}",
                        control=table.control,
                        seeds=table.systems[name]["seeds"],
                        value=recall["share"],
                        interval=None if ends is None else (ends[0], ends[1]),
                        lost=table.lost(name),
                    )
                )
    return found
