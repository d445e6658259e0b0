"""``jointst report``: the page of an experiment made again, or of several experiments beside each other."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from jointst.analysis.listen import Recordings
from jointst.analysis.page import Section, figure, html_table, page, paragraph
from jointst.analysis.plots import SERIES, inline, styled, svg_of
from jointst.analysis.report import Experiment, report_html
from jointst.analysis.sections import hypothesis_line
from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.languages import LANGUAGES
from jointst.scoring.table import percent

SAMPLES = 12
"""Utterances shown, those on which experiments differ the most."""


def run(arguments: Sequence[str]) -> int:
    """Run the command.

    Raises:
        DataError: a folder holds no experiment, or a file of it is damaged.
    """
    parser = argparse.ArgumentParser(
        prog="jointst report",
        description="Lay experiments beside each other in one page: error rates, losses, settings that differ, and the "
        "sentences on which they differ. With one experiment, make its own page again. Run it in a recipe's folder.",
    )
    parser.add_argument("experiments", nargs="+", type=Path, metavar="EXP", help="folders: exp/train ...")
    parser.add_argument("--out", type=Path, help="the page (EXP/report.html; of several exp/side_by_side.html)")
    options = parser.parse_args(arguments)
    found = [_read(folder) for folder in options.experiments]
    if len(found) == 1:
        out = options.out or options.experiments[0] / "report.html"
        data = Path((yaml.safe_load(found[0].config) or {}).get("data", {}).get("root", "data"))
        write_atomically(out, report_html(found[0], found[0].folder.name, Recordings(data)))
    else:
        out = options.out or Path("exp") / "side_by_side.html"
        write_atomically(out, side_by_side(found))
    print(f"{len(found)} experiments -> {out}")
    return 0


def _read(folder: Path) -> Experiment:
    if not (folder / "config.yaml").is_file():
        raise DataError("holds no experiment: there is no config.yaml", path=folder, fix="name exp/<name>")
    return Experiment.read(folder)


def names_of(experiments: Sequence[Experiment]) -> list[str]:
    """A name for each: that of its folder, with as much of the path as it takes to tell them apart."""
    parts = [list(experiment.folder.parts) for experiment in experiments]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-depth:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def side_by_side(experiments: Sequence[Experiment]) -> str:
    """The page of several experiments; the first is what the others are compared with."""
    names = names_of(experiments)
    header = f"<h1>{escape(' · '.join(names))}</h1>"
    header += paragraph(f"In parentheses: change from {names[0]}, relative.", "muted")
    sections = [
        Section(key="errors", title="Error rates", body=_errors(names, experiments)),
        Section(key="training", title="Training", body=_training(names, experiments)),
        Section(key="settings", title="Settings that differ", body=_settings(names, experiments)),
        Section(key="samples", title="Where they differ", body=_samples(names, experiments)),
    ]
    return page("jointst: experiments side by side", header, sections)


def _errors(names: Sequence[str], experiments: Sequence[Experiment]) -> str:
    """A table for each set and decoder that any has: languages, macro and pooled."""
    found = [own.scores.get("sets", {}) for own in experiments]
    parts = []
    for name in dict.fromkeys(name for own in found for name in own):
        decoders = dict.fromkeys(decoder for own in found for decoder in own.get(name, {}).get("decoders", {}))
        for decoder in decoders:
            results = [own.get(name, {}).get("decoders", {}).get(decoder) for own in found]
            codes = dict.fromkeys(code for result in results if result for code in result["languages"])
            rows = [[LANGUAGES[code].name, *_cells([_of(r, "languages", code) for r in results])] for code in codes]
            rows += [[kind.capitalize(), *_cells([_of(r, kind) for r in results])] for kind in ("macro", "pooled")]
            parts.append(f"<h3>{escape(name)}, {escape(decoder.replace('_', ' '))}</h3>")
            parts.append(html_table(["Error, %", *names], rows, sums=2))
    return "".join(parts)


def _of(result: Mapping[str, Any] | None, *keys: str) -> float | None:
    for key in keys:
        result = None if result is None else result.get(key)
    return None if result is None else result["error_rate"]


def _cells(rates: Sequence[float | None]) -> list[str]:
    first = rates[0]
    cells = [percent(first)]
    for rate in rates[1:]:
        change = "" if rate is None or not first else f" ({100 * (rate / first - 1):+.0f} %)"
        cells.append(percent(rate) + change)
    return cells


def _training(names: Sequence[str], experiments: Sequence[Experiment]) -> str:
    curves = [[(line["update"], line["dev_loss"]) for line in own.log if "dev_loss" in line] for own in experiments]
    facts = [
        [name, str(own.log[-1]["update"]), f"{own.log[-1].get('seconds', 0) / 60:.1f}", f"{curve[-1][1]:.4f}"]
        for name, own, curve in zip(names, experiments, curves, strict=True)
        if curve
    ]
    if not facts:
        return ""
    with styled():
        drawn = Figure(figsize=(8.0, 3.6), layout="constrained")
        axis = drawn.subplots()
        for number, (name, curve) in enumerate(zip(names, curves, strict=True)):
            if curve:
                axis.plot(*zip(*curve), color=SERIES[number % len(SERIES)], marker="o", markersize=3, label=name)
        axis.set_yscale("log")
        axis.set_xlabel("updates")
        axis.set_ylabel("dev loss a label")
        axis.legend()
    caption = "Exact transducer loss on the dev sets."
    table = html_table(["", "Updates", "Minutes", "Dev loss"], facts)
    return figure(inline(svg_of(drawn), "losses", caption), caption) + table


def _settings(names: Sequence[str], experiments: Sequence[Experiment]) -> str:
    flat = [dict(_flat(yaml.safe_load(own.config) or {})) for own in experiments]
    keys = dict.fromkeys(key for own in flat for key in own)
    rows = [
        [key, *(str(own.get(key, "-")) for own in flat)]
        for key in keys
        if len({str(own.get(key, "-")) for own in flat}) > 1
    ]
    return html_table(["", *names], rows) if rows else paragraph("All settings are the same.")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _samples(names: Sequence[str], experiments: Sequence[Experiment]) -> str:
    """The utterances whose numbers of errors differ the most, of the decoder that hears all."""
    found = [
        {(line["set"], line["utterance"]): line for line in own.utterances if line["decoder"] == "full_context"}
        for own in experiments
    ]
    common = set.intersection(*(set(own) for own in found))
    spread = {key: _errors_of([own[key] for own in found]) for key in common}
    ordered = sorted(common, key=lambda key: (min(spread[key]) - max(spread[key]), key))[:SAMPLES]
    parts = []
    for key in ordered:
        if max(spread[key]) == min(spread[key]):
            break
        lines = "".join(hypothesis_line(own[key], name) for name, own in zip(names, found, strict=True))
        parts.append(f'<div class="sample"><header>{escape(" · ".join(key))}</header>{lines}</div>')
    return "".join(parts)


def _errors_of(lines: Sequence[Mapping[str, Any]]) -> list[int]:
    return [sum(line["words"][kind] for kind in ("substitutions", "deletions", "insertions")) for line in lines]
