"""When text and the consistency loss pay: their gain over hours of paired speech, and over words that only text has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from jointst.analysis.plots import INK, SERIES, styled
from jointst.comparison.collect import CellScores, Line, errors_of
from jointst.comparison.evidence import FLOOR, names_of, tables, without_minutes
from jointst.scoring.significance import bootstrap, relative_change

PAIRS = (("joist", "paired"), ("best", "joist"), ("best+stop_speech", "joist"))
"""What is measured against what: text, and the consistency loss of both kinds."""
BINS = ((0.0, 0.0), (0.0, 0.15), (0.15, 0.35), (0.35, 1.0))
"""Shares of an utterance's words that no paired training text holds: above the first, up to the second."""
FEWEST = 20
"""Utterances of a bin; with fewer there are no figures for it."""

Points = list[tuple[float, float, Sequence[float] | None]]
"""Place on the axis, relative change, interval."""


def by_share(results: Mapping[str, Sequence[CellScores]], key: tuple[str, str], path: Path) -> list[dict[str, Any]]:
    """Changes on utterances with a like share of words never heard, of the systems in :data:`PAIRS`.

    Args:
        results: scores of the finished seeds of each system.
        key: test set and decoder.
        path: of the comparison, for errors.

    Returns:
        For each system, what it is measured against, and each bin: utterances, macro error rates, change, its 95 %
        interval.

    Raises:
        DataError: seeds were scored on different utterances.
    """
    rows = []
    for system, other in _pairs(results):
        lines = {name: [seed.lines.get(key, {}) for seed in results[name]] for name in (system, other)}
        for low, high in BINS:
            chosen = sorted(name for name, line in lines[other][0].items() if _within(line, low, high))
            if len(chosen) < FEWEST:
                continue
            ours, theirs = (errors_of(lines[name], chosen, path) for name in (system, other))
            rates = [errors.rates().get("macro", 0.0) for errors in (ours, theirs)]
            change = relative_change(*rates)
            if change is None:
                continue  # no errors to lower
            samples = bootstrap([ours, theirs])
            rows.append(
                {
                    "system": system,
                    "against": other,
                    "share": [low, high],
                    "utterances": len(chosen),
                    "rates": rates,
                    "change": change,
                    "interval": samples[0].change(samples[1]).intervals()["macro"],
                }
            )
    return rows


def _pairs(systems: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Those of :data:`PAIRS` that are there."""
    named = names_of(systems)
    return [(named[system], named[other]) for system, other in PAIRS if system in named and other in named]


def _within(line: Line, low: float, high: float) -> bool:
    share = line.occurrences / max(1, line.words)
    return share == 0 if high == 0 else low < share <= high


def over_minutes(stored: Sequence[Mapping[str, Any]]) -> list[tuple[str, Points]]:
    """Gains over minutes of paired speech: a row for each test set, control and pair measured with two amounts of it.

    Taken together are comparisons of one recipe with the same settings, on files and on the command line. A pair that
    takes the same time is shown at equal updates alone: at equal time the trainings are the same.
    """
    rows: dict[tuple[str, ...], Points] = {}
    for table in tables(stored):
        minutes, grid = table.summary.get("paired_minutes"), table.summary["grid"]
        for system, other in _pairs(table.systems) if minutes else []:
            found = table.systems[system]["against"][other]
            change = found["change"].get("macro")
            rates = [table.systems[each]["rates"]["macro"] for each in (system, other)]
            if change is not None and min(rates) < FLOOR and not table.again(system, other):
                pair = f"equal {table.control}: {without_minutes(system)} against {without_minutes(other)}"
                key = table.summary["recipe"], *grid["conf"], *grid["overrides"], table.name, pair
                rows.setdefault(key, []).append((float(minutes or 0), change, found["intervals"]["macro"]))
    several = {key: points for key, points in rows.items() if len({place for place, _, _ in points}) > 1}
    return [(f"{key[0]}, {key[-2]}, {key[-1]}", sorted(points, key=_place)) for key, points in several.items()]


def over_share(stored: Sequence[Mapping[str, Any]]) -> list[tuple[str, Points]]:
    """Gains over the share of words that no paired text holds: a row for each test set and pair, at equal updates."""
    rows: dict[str, Points] = {}
    for summary in stored:
        for name, found in summary["controls"].get("updates", {}).get("by_share", {}).items():
            for row in found:
                ends = tuple(row["share"])
                if ends in BINS and min(row["rates"]) < FLOOR:
                    label = f"{summary['recipe']}/{summary['name']}, {name}: {row['system']} against {row['against']}"
                    point = float(BINS.index(ends)), row["change"], row["interval"]
                    rows.setdefault(label, []).append(point)
    return [(label, points) for label, points in rows.items() if len(points) > 1]


def _place(point: tuple[float, float, Sequence[float] | None]) -> float:
    return point[0]


def bin_names() -> list[str]:
    """The bins of :data:`BINS` for people."""
    return ["none" if high == 0 else f"{100 * low:g} to {100 * high:g} %" for low, high in BINS]


def gains(rows: Sequence[tuple[str, Points]], axis: str, ticks: Sequence[str] | None = None) -> Figure:
    """Relative changes of the error rate with their intervals, a line for each row; below 0 is a gain.

    Args:
        rows: what is drawn.
        axis: what lies along it.
        ticks: names of the places 0, 1, ...; by default the axis is logarithmic.
    """
    with styled():
        drawn = Figure(figsize=(8.6, 3.4 + 0.18 * len(rows)), layout="constrained")
        panel = drawn.subplots()
        panel.axhline(0.0, color=INK, linewidth=0.9)
        for number, (label, points) in enumerate(rows):
            aside = (number + 0.5) / len(rows) - 0.5  # so that intervals lie beside each other
            places = [place + 0.5 * aside if ticks else place * 1.2**aside for place, _, _ in points]
            changes = [100 * change for _, change, _ in points]
            colour = SERIES[number % len(SERIES)]
            dashes = ("-", "--", ":", "-.")[number // len(SERIES) % 4]
            panel.plot(places, changes, marker="o", linestyle=dashes, color=colour, markersize=4, label=label)
            for place, (_, _, ends) in zip(places, points, strict=True):
                if ends is not None:
                    panel.plot([place, place], [100 * end for end in ends], color=colour, linewidth=1.2)
        if ticks:
            panel.set_xticks(range(len(ticks)), ticks)
        else:
            panel.set_xscale("log")
            marks = sorted({place for _, points in rows for place, _, _ in points})
            panel.set_xticks(marks, [f"{mark:.0f}" for mark in marks])
            panel.minorticks_off()
        panel.set_xlabel(axis)
        panel.set_ylabel("change of the error rate, %")
        panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0.0, -0.16))
    return drawn
