"""When text and the consistency loss pay: their gain over hours of paired speech, and over words that only text has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from jointst.analysis.plots import INK, SERIES, styled
from jointst.common.units import Minutes
from jointst.comparison.collect import CellScores, Line, errors_of
from jointst.comparison.evidence import DECODER, FLOOR
from jointst.scoring.significance import bootstrap, relative_change

PAIRS = (("joist", "paired"), ("best", "joist"), ("best+stop_speech", "joist"))
"""What is measured against what: text, and the consistency loss of both kinds."""
BINS = ((0.0, 0.0), (0.0, 0.15), (0.15, 0.35), (0.35, 1.0))
"""Shares of an utterance's words that no paired training text holds: above the first, up to the second."""
FEWEST = 20
"""Utterances of a bin; with fewer there are no figures for it."""
_MINUTES = re.compile(r"minutes_(\d+(?:\.\d+)?)")

Points = list[tuple[float, float, Sequence[float] | None]]
"""Place on the axis, relative change, interval."""


def without_minutes(system: str) -> tuple[str, Minutes | None]:
    """A system's name without the part that says how much speech it has (``minutes_30``), and these minutes."""
    found = [match.group(1) for match in map(_MINUTES.fullmatch, system.split("+")) if match]
    name = "+".join(part for part in system.split("+") if not _MINUTES.fullmatch(part))
    return name, float(found[0]) if found else None


def by_share(results: Mapping[str, Sequence[CellScores]], key: tuple[str, str], path: Path) -> list[dict[str, Any]]:
    """Changes on utterances with a like share of words never heard, of the systems in :data:`PAIRS`.

    Args:
        results: scores of the finished seeds of each system.
        key: test set and decoder.
        path: of the comparison, for errors.

    Returns:
        For each system, what it is measured against, and each bin: utterances, change, its 95 % interval.

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
            samples = bootstrap([ours, theirs])
            change = relative_change(*(errors.rates().get("pooled", 0.0) for errors in (ours, theirs)))
            if change is None:
                continue  # no errors to lower
            rows.append(
                {
                    "system": system,
                    "against": other,
                    "share": [low, high],
                    "utterances": len(chosen),
                    "change": change,
                    "interval": samples[0].change(samples[1]).intervals()["pooled"],
                }
            )
    return rows


def _pairs(systems: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Those of :data:`PAIRS` that are there, of equally much speech."""
    named = {without_minutes(system): system for system in systems}
    minutes = sorted({found for _, found in named}, key=lambda found: found or 0.0)
    return [
        (named[system, found], named[other, found])
        for system, other in PAIRS
        for found in minutes
        if (system, found) in named and (other, found) in named
    ]


def _within(line: Line, low: float, high: float) -> bool:
    share = line.occurrences / max(1, line.length)
    return share == 0 if high == 0 else low < share <= high


def over_minutes(stored: Sequence[Mapping[str, Any]]) -> list[tuple[str, Points]]:
    """Gains over minutes of paired speech: a row for each test set and pair, of comparisons at equal updates."""
    rows: dict[str, Points] = {}
    for summary in stored:
        for own in summary["controls"].get("updates", {}).get("tables", []):
            if own["decoder"] != DECODER or own["part"]:
                continue
            for system, other in _pairs(own["systems"]):
                (name, minutes), (plain, _) = without_minutes(system), without_minutes(other)
                found = own["systems"][system]["against"].get(other)
                rates = [own["systems"][each]["rates"].get("macro") for each in (system, other)]
                if minutes is None or found is None or None in rates or min(rates) >= FLOOR:
                    continue
                label = f"{summary['recipe']}/{summary['name']}, {own['set']}: {name} against {plain}"
                if found["change"].get("macro") is not None:
                    point = minutes, found["change"]["macro"], found["intervals"]["macro"]
                    rows.setdefault(label, []).append(point)
    return [(label, sorted(points, key=lambda point: point[0])) for label, points in rows.items()]


def over_share(stored: Sequence[Mapping[str, Any]]) -> list[tuple[str, Points]]:
    """Gains over the share of words that only text has: a row for each test set and pair, at equal updates."""
    rows: dict[str, Points] = {}
    for summary in stored:
        for name, found in summary["controls"].get("updates", {}).get("by_share", {}).items():
            for row in found:
                label = f"{summary['recipe']}/{summary['name']}, {name}: {row['system']} against {row['against']}"
                place = BINS.index(tuple(row["share"]))
                rows.setdefault(label, []).append((float(place), row["change"], row["interval"]))
    return [(label, points) for label, points in rows.items() if len(points) > 1]


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
            nudge = 0.04 * (number - (len(rows) - 1) / 2)
            places = [
                place + nudge if ticks else place * 1.03 ** (number - (len(rows) - 1) / 2) for place, _, _ in points
            ]
            colour = SERIES[number % len(SERIES)]
            dashes = ("-", "--", ":", "-.")[number // len(SERIES) % 4]
            panel.plot(
                places, [100 * y for _, y, _ in points], "o", linestyle=dashes, color=colour, markersize=4, label=label
            )
            for place, (_, _, ends) in zip(places, points, strict=True):
                if ends is not None:
                    panel.plot([place, place], [100 * end for end in ends], color=colour, linewidth=1.2)
        if ticks:
            panel.set_xticks(range(len(ticks)), ticks)
        else:
            panel.set_xscale("log")
            marks = sorted({place for _, points in rows for place, _, _ in points})
            panel.set_xticks(marks, [f"{mark:g}" for mark in marks])
            panel.minorticks_off()
        panel.set_xlabel(axis)
        panel.set_ylabel("change of the error rate, %")
        panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0.0, -0.16))
    return drawn
