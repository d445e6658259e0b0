"""The comparison as one HTML page with figures."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from matplotlib.figure import Figure

from jointst.analysis.page import Section, figure, html_table, page, paragraph
from jointst.analysis.plots import MUTED, SERIES, inline, styled, svg_of
from jointst.comparison.tables import (
    TITLES,
    columns,
    command_of,
    failures,
    language_rows,
    languages_of,
    legend,
    rows_of,
    title_of,
)

MARKS = "oDvs^P"


def rates_figure(found: Mapping[str, Any]) -> Figure:
    """Macro error rates of the systems of a table: the mean over seeds, its interval, and every seed."""
    names = list(found["systems"])
    with styled():
        drawn = Figure(figsize=(9.6, 0.9 + 0.36 * len(names)), layout="constrained")
        axis = drawn.subplots()
        for place, row in enumerate(found["systems"].values()):
            colour, rate = SERIES[place % len(SERIES)], row["rates"].get("macro")
            if rate is None:
                continue
            if row["intervals"]["macro"] is not None:
                low, high = row["intervals"]["macro"]
                axis.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2.2)
            seeds = [100 * value for value in row["seed_macro"] if value is not None]
            axis.plot(seeds, [place] * len(seeds), "|", color=MUTED, markersize=9)
            axis.plot([100 * rate], [place], MARKS[place % len(MARKS)], color=colour, markersize=6)
            axis.annotate(f"{100 * rate:.1f}", (100 * rate, place), (0, 6), textcoords="offset points", fontsize=7.5)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.7)
        axis.set_xlabel("macro error rate, %")
        axis.grid(visible=False, axis="y")
    return drawn


def _control(control: str, found: Mapping[str, Any], baseline: str) -> Section:
    body = [paragraph(f"What is equal: {found['budget']}.")]
    lines = failures(found["cells"])
    if lines:
        body.append(f'<div class="alarm"><ul>{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul></div>')
    for number, own in enumerate(found["tables"]):
        title = title_of(own)
        body.append(f"<h3>{escape(title)}</h3>")
        if not own["part"]:
            svg = inline(svg_of(rates_figure(own)), f"{control}{number}", title)
            body.append(figure(svg, "Mean over seeds with its 95 % interval; the small strokes are the seeds."))
        body.append(html_table(columns(baseline), [[str(cell) for cell in row] for row in rows_of(own, baseline)]))
        if not own["part"] and len(languages_of(own)) > 1:
            rows = [[str(cell) for cell in row] for row in language_rows(own)]
            body.append(html_table(["system", *languages_of(own)], rows))
    return Section(key=control, title=TITLES[control], body="".join(body))


def html_of(summary: Mapping[str, Any]) -> str:
    """The page of a comparison, from its summary."""
    grid = summary["grid"]
    title = f"{summary['recipe']}: {', '.join(grid['systems'])}"
    header = f"<h1>{escape(title)}</h1>" + paragraph(legend(grid["baseline"]), "muted")
    sections = [_control(control, found, grid["baseline"]) for control, found in summary["controls"].items()]
    facts = {
        "command": command_of(summary),
        "hardware": "; ".join(summary["hardware"]) or "unknown",
        "commit": ", ".join(summary["commits"]) or "unknown",
        "torch": summary["torch"] or "unknown",
        "made": summary["created"],
    }
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items())
    return page(title, header, [*sections, Section(key="made", title="How it was made", body=f"<dl>{rows}</dl>")])
