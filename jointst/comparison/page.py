"""The comparison as one HTML page with figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from jointst.analysis.page import Section, figure, html_table, page, paragraph
from jointst.analysis.plots import MUTED, SERIES, inline, styled, svg_of
from jointst.comparison.tables import (
    DEV_LEGEND,
    DEV_LOSSES,
    LAYER_COLUMNS,
    LAYER_LEGEND,
    PACE_COLUMNS,
    PACE_LEGEND,
    PACES,
    PROBES,
    TITLES,
    columns,
    command_of,
    dev_columns,
    dev_rows,
    failures,
    language_rows,
    languages_of,
    layer_rows,
    legend,
    nearness,
    pace_rows,
    probe_columns,
    probe_rows,
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


def layers_figure(layers: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> Figure:
    """Distance of true pairs over mismatched ones, layer by layer: the mean, each seed, before training."""
    names = [layer["layer"] for layer in next(iter(layers.values()))[0]]
    with styled():
        drawn = Figure(figsize=(7.2, 3.6), layout="constrained")
        axis = drawn.subplots()
        for place, (system, seeds) in enumerate(layers.items()):
            colour, mark = SERIES[place % len(SERIES)], MARKS[place % len(MARKS)]
            after = [[nearness(layer) for layer in seed] for seed in seeds]
            before = [[nearness(layer["before"]) for layer in seed] for seed in seeds if seed[0].get("before")]
            for own in after:
                axis.plot(own, color=colour, linewidth=0.6, alpha=0.5)
            axis.plot([mean(own) for own in zip(*after)], color=colour, marker=mark, label=system)
            axis.plot([mean(own) for own in zip(*before)], color=colour, linestyle=":", linewidth=1.2)
        axis.axhline(1.0, color=MUTED, linewidth=0.8)
        axis.set_xticks(range(len(names)), names)
        axis.set_ylim(bottom=0.0)
        axis.set_ylabel("own text / another's text")
        axis.legend(ncols=3)
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
    if found.get("dev_losses"):
        losses = found["dev_losses"]
        rows = [[str(cell) for cell in row] for row in dev_rows(losses, baseline)]
        body += [f"<h3>{escape(DEV_LOSSES)}</h3>", html_table(dev_columns(losses, baseline), rows)]
        body.append(paragraph(DEV_LEGEND, "muted"))
    if found["layers"]:
        body.append("<h3>Shared layers</h3>")
        caption = "How far speech is from its own text, relative to another utterance's; dotted: before training."
        svg = inline(svg_of(layers_figure(found["layers"])), f"{control}layers", "Shared layers")
        body += [figure(svg, caption), paragraph(LAYER_LEGEND, "muted")]
        body.append(html_table(LAYER_COLUMNS, [[str(cell) for cell in row] for row in layer_rows(found["layers"])]))
    if found.get("probes"):
        body.append(f"<h3>{escape(PROBES)}</h3>")
        rows = [[str(cell) for cell in row] for row in probe_rows(found["probes"])]
        body.append(html_table(probe_columns(found["probes"]), rows))
    return Section(key=control, title=TITLES[control], body="".join(body))


def html_of(summary: Mapping[str, Any]) -> str:
    """The page of a comparison, from its summary."""
    grid = summary["grid"]
    title = f"{summary['recipe']}: {', '.join(grid['systems'])}"
    header = f"<h1>{escape(title)}</h1>" + paragraph(legend(grid["baseline"]), "muted")
    sections = [_control(control, found, grid["baseline"]) for control, found in summary["controls"].items()]
    if summary.get("paces"):
        body = html_table(PACE_COLUMNS, pace_rows(summary["paces"])) + paragraph(PACE_LEGEND, "muted")
        sections.append(Section(key="pace", title=PACES, body=body))
    facts = {
        "command": command_of(summary),
        "hardware": "; ".join(summary["hardware"]) or "unknown",
        "commit": ", ".join(summary["commits"]) or "unknown",
        "torch": summary["torch"] or "unknown",
        "made": summary["created"],
    }
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items())
    return page(title, header, [*sections, Section(key="made", title="How it was made", body=f"<dl>{rows}</dl>")])
