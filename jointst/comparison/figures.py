"""Figures of what many comparisons found: the measurements of a claim, and error rates with and without text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from jointst.analysis.plots import INK, MUTED, SERIES, styled
from jointst.comparison.evidence import DECODER, FLOOR, Picture

TEXT = ("paired", "joist", "best", "best+stop_speech")
"""The systems of :func:`text_figure`, as far as a comparison has them."""


def measurements(picture: Picture) -> Figure:
    """A row for each measurement: value, interval, the value that matters; grey is what does not count."""
    with styled():
        drawn = Figure(figsize=(9.6, 0.7 + 0.25 * len(picture.marks)), layout="constrained")
        axis = drawn.subplots()
        if picture.at is not None:
            axis.axvline(picture.at, color=INK, linewidth=0.9)
        for row, mark in enumerate(picture.marks):
            colour = SERIES[0] if mark.counts else MUTED
            if mark.interval is not None:
                axis.plot(mark.interval, [row, row], color=colour, linewidth=1.8 if mark.counts else 1.0)
            axis.plot([mark.value], [row], "o", color=colour, markersize=5 if mark.counts else 3.5)
        axis.set_yticks(range(len(picture.marks)), [mark.label for mark in picture.marks], fontsize=7.5)
        axis.set_ylim(len(picture.marks) - 0.5, -0.5)
        axis.set_xlabel(picture.axis)
        axis.grid(visible=False, axis="y")
    return drawn


def text_rows(stored: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Test sets of comparisons with and without text, at equal updates, and the rows of their systems.

    Left out are comparisons without ``paired`` or with nothing beside it, and sets where all have too many errors.
    """
    found = []
    for summary in stored:
        for own in summary["controls"].get("updates", {}).get("tables", []):
            rows = {name: own["systems"][name] for name in TEXT if name in own["systems"]}
            rates = [row["rates"].get("macro") for row in rows.values()]
            plain = own["decoder"] == DECODER and not own["part"] and "paired" in rows and len(rows) > 1
            if plain and None not in rates and min(rates) < FLOOR:
                found.append((f"{summary['recipe']}/{summary['name']}\n{own['set']}", rows))
    return found


def text_figure(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Figure:
    """Macro error rates with their intervals, of systems that learn from speech alone and from text as well."""
    names = [name for name in TEXT if any(name in own for _, own in rows)]
    with styled():
        drawn = Figure(figsize=(8.6, 0.9 + 0.72 * len(rows)), layout="constrained")
        axis = drawn.subplots()
        for place, (_, own) in enumerate(rows):
            for number, name in enumerate(names):
                if name not in own:
                    continue
                at, colour = place + 0.16 * (number - (len(names) - 1) / 2), SERIES[number]
                rate, ends = 100 * own[name]["rates"]["macro"], own[name]["intervals"]["macro"]
                if ends is not None:
                    axis.plot([100 * end for end in ends], [at, at], color=colour, linewidth=1.8)
                axis.plot([rate], [at], "o", color=colour, markersize=5, label=name if not place else None)
                right = rate if ends is None else 100 * ends[1]
                axis.annotate(f"{rate:.1f}", (right, at), (4, -2.5), textcoords="offset points", fontsize=7)
        axis.set_yticks(range(len(rows)), [label for label, _ in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlim(left=0)
        axis.set_xlabel("error rate, %, and its 95 % interval")
        axis.grid(visible=False, axis="y")
        axis.legend(ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return drawn
