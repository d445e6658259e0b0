"""Figures of the report, drawn by matplotlib; inline in a page their colours follow its light or dark theme."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jointst.analysis.layers import PAIRINGS
from jointst.common.files import write_atomically

INK, MUTED, GRID = "#22262f", "#6b7280", "#dfe3e8"
SERIES = ("#2563c9", "#d1650a", "#0d8a75", "#a83a8c", "#75808f", "#8a6d0b")
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid"} | {c: f"--s{i + 1}" for i, c in enumerate(SERIES)}

PAIRING_LABELS = {
    "best": "best",
    "framewise": "frame-wise",
    "random": "random",
    "mismatched": "mismatched",
}
_PAIRING_COLOURS = dict(zip(PAIRINGS, (SERIES[0], SERIES[1], SERIES[4], SERIES[3])))
_PAIRING_MARKS = dict(zip(PAIRINGS, "oDvs"))

NEAR_TO_FAR = LinearSegmentedColormap.from_list("near_to_far", ["#0b1f4b", "#1f4e9c", "#5b8fd0", "#b5d0ee", "#f2f6fb"])
PATH = "#ff8a1f"

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jointst",
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True, kw_only=True)
class HeatPanel:
    """One layer of one utterance.

    Attributes:
        layer: its name.
        distance: (N, M) distance of each speech position to each text position.
        path: (N,) text position of each speech position under the best alignment.
    """

    layer: str
    distance: NDArray[np.float32]
    path: NDArray[np.int64]


@contextmanager
def _styled() -> Iterator[None]:
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def styled() -> AbstractContextManager[None]:
    """The look of all figures, for those that are drawn elsewhere."""
    return _styled()


def heat_map(panels: Sequence[HeatPanel], seconds_per_position: float, symbols: Sequence[str]) -> Figure:
    """Distances of an utterance at every shared layer, with the best path drawn over them.

    Args:
        panels: a layer each, of equal sizes.
        seconds_per_position: duration of a speech position.
        symbols: what the text encoder read; drawn where the text positions are a multiple of them.
    """
    with _styled():
        figure = Figure(figsize=(2.15 * len(panels) + 0.6, 3.1), layout="constrained")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        image = None
        for axis, panel in zip(axes, panels):
            frames, positions = panel.distance.shape
            end = frames * seconds_per_position
            image = axis.imshow(
                panel.distance.T / max(float(panel.distance.max()), 1e-12),
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                cmap=NEAR_TO_FAR,
                vmin=0,
                vmax=1,
                extent=(0, end, -0.5, positions - 0.5),
            )
            time = (np.arange(frames) + 0.5) * seconds_per_position
            axis.step(time, panel.path, where="mid", color="#ffffff", linewidth=3.2, alpha=0.9)
            axis.step(time, panel.path, where="mid", color=PATH, linewidth=1.7)
            axis.set_title(panel.layer)
            axis.set_xlabel("speech, s")
            axis.grid(visible=False)
        _text_axis(axes[0], panels[0].distance.shape[1], symbols)
        assert image is not None
        bar = figure.colorbar(image, ax=list(axes), shrink=0.85, pad=0.01, aspect=28)
        bar.set_label("distance ÷ largest of the layer")
        bar.outline.set_visible(False)
    return figure


def _text_axis(axis: Axes, positions: int, symbols: Sequence[str]) -> None:
    axis.set_ylabel("text position")
    repeats, remainder = divmod(positions, max(len(symbols), 1))
    if symbols and not remainder and len(symbols) <= 60:
        axis.set_yticks([(i + 0.5) * repeats - 0.5 for i in range(len(symbols))], list(symbols))
        axis.tick_params(axis="y", labelsize=min(9.0, 190 / len(symbols)))
        axis.set_ylabel("phones")


def layer_curves(layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Distance under each pairing over the shared layers, in both measures free of scale, and coverage and spread."""
    with _styled():
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        halves: Any = figure.subfigures(1, 2, width_ratios=(2, 1.05))
        left, right = halves
        relative, normalised = left.subplots(1, 2)
        shares = right.subplots()
        places = list(range(len(layers)))
        for axis, measure, title in (
            (relative, "relative", "L2 ÷ norm of speech states"),
            (normalised, "normalised", "L2 of layer-normalised states"),
        ):
            for pairing in PAIRINGS:
                values = [np.nan if layer[measure][pairing] is None else layer[measure][pairing] for layer in layers]
                axis.plot(
                    places,
                    values,
                    color=_PAIRING_COLOURS[pairing],
                    marker=_PAIRING_MARKS[pairing],
                    label=PAIRING_LABELS[pairing],
                )
            axis.set_title(title)
        for label, values, colour, mark in (
            ("coverage", [layer["coverage"] for layer in layers], SERIES[2], "o"),
            ("spread, speech", [layer["spread"]["speech"] for layer in layers], SERIES[0], "D"),
            ("spread, text", [layer["spread"]["text"] for layer in layers], SERIES[1], "s"),
        ):
            shares.plot(places, values, color=colour, marker=mark, label=label)
        shares.set_title("Coverage and spread")
        names = [layer["layer"].replace("full-context", "full").replace("streaming", "str.") for layer in layers]
        for axis in (relative, normalised, shares):
            axis.set_ylim(bottom=0)
            axis.set_xticks(places, names, rotation=30 if len(layers) > 6 else 0)
            axis.margins(x=0.08)
        shares.set_ylim(0, 1.05)
        left.legend(*relative.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        right.legend(
            loc="outside lower center", ncols=3, columnspacing=0.9, handletextpad=0.4, handlelength=1.4, fontsize=8
        )
    return figure


def time_curves(points: Sequence[Mapping[str, Any]]) -> Figure:
    """How far the best alignment is off in time over the shared layers, a line for each point of the training.

    Args:
        points: ``name`` and ``layers`` before, along and after the training, in order.
    """
    with _styled():
        figure = Figure(figsize=(9.6, 3.8), layout="constrained")
        axes = figure.subplots(1, 3)
        names = [layer["layer"].replace("full-context", "full").replace("streaming", "str.") for layer in
                 points[0]["layers"]]  # fmt: skip
        places = list(range(len(names)))
        timed = all(point["layers"][0]["times"] is not None for point in points)
        for i, point in enumerate(points):
            age = i / max(len(points) - 1, 1)
            style: Any = {"color": SERIES[4], "linestyle": "--"} if i == 0 and len(points) > 1 else {
                "color": SERIES[0], "alpha": 0.25 + 0.75 * age}  # fmt: skip
            style |= {"marker": "o", "label": point["name"]}
            layers = point["layers"]
            if timed:
                axes[0].plot(places, [layer["times"]["best"]["median_ms"] for layer in layers], **style)
                axes[1].plot(places, [100 * layer["times"]["best"]["within_100_ms"] for layer in layers], **style)
            ratios = [layer["normalised"]["best"] / (layer["normalised"]["mismatched"] or np.nan) for layer in layers]
            axes[2].plot(places, ratios, **style)
        if timed:
            controls = points[-1]["layers"][0]["times"]
            for key, label, colour in (("framewise", "even spacing", SERIES[1]), ("grid", "possible", SERIES[2])):
                axes[0].axhline(controls[key]["median_ms"], color=colour, linewidth=1.2, linestyle=":", label=label)
                axes[1].axhline(100 * controls[key]["within_100_ms"], color=colour, linewidth=1.2, linestyle=":")
        axes[2].axhline(1.0, color=SERIES[3], linewidth=1.2, linestyle=":")
        titles = ("Median error, ms (lower is better)", "Sounds within 100 ms, %", "Own ÷ other text (lower is better)")
        for axis, title in zip(axes, titles):
            axis.set_title(title)
            axis.set_ylim(bottom=0)
            axis.set_xticks(places, names, rotation=30 if len(names) > 4 else 0)
            axis.set_visible(timed or axis is axes[2])
        figure.legend(*(axes[0] if timed else axes[2]).get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def training_curves(log: Sequence[Mapping[str, Any]], layers: Sequence[str] = ()) -> Figure | None:
    """Losses over the updates: training, development, consistency and spread; None if nothing was logged.

    Args:
        log: lines of ``log.jsonl``.
        layers: names of the shared layers, if they are known.
    """
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in log:
        for key, value in line.items():
            title = _group_of(key)
            if title and isinstance(value, (int, float)) and np.isfinite(value) and "update" in line:
                groups.setdefault(title, {}).setdefault(key, []).append((line["update"], value))
    titles = [title for title in GROUPS if title in groups]
    if not titles:
        return None
    last = max(line.get("update", 0) for line in log)
    with _styled():
        rows = -(-len(titles) // 2)
        figure = Figure(figsize=(9.6, 3.0 * rows), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False).flatten()
        for axis, title in zip(axes, titles):
            for i, (key, points) in enumerate(sorted(groups[title].items())):
                axis.plot(
                    *zip(*points),
                    color=SERIES[i % len(SERIES)],
                    linestyle="-" if i < len(SERIES) else "--",
                    linewidth=1.5,
                    marker="o" if len(points) < 20 else "",
                    markersize=3,
                    label=_label(key, layers),
                )
            axis.set_title(title)
            axis.set_xlabel("update")
            axis.set_ylim(bottom=0)
            axis.set_xlim(0, 1.02 * last)
            axis.legend(fontsize=8, ncols=2 if len(groups[title]) > 4 else 1)
        for axis in axes[len(titles) :]:
            axis.set_visible(False)
    return figure


def probe_curves(tasks: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Macro accuracy of probes over the layers, a panel for each task, chance as a dotted line.

    Args:
        tasks: name to ``chance`` and ``layers`` (``layer``, ``accuracy``, ``interval``).
    """
    with _styled():
        figure = Figure(figsize=(3.2 * len(tasks), 3.4), layout="constrained")
        axes = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
        for axis, (name, task) in zip(axes, tasks.items()):
            layers = task["layers"]
            values = [100 * layer["accuracy"] for layer in layers]
            spans = [100 * layer["interval"] for layer in layers]
            places = range(len(layers))
            axis.errorbar(places, values, yerr=spans, color=SERIES[0], marker="o", capsize=2)
            axis.axhline(100 * task["chance"], color=SERIES[3], linestyle=":", linewidth=1.2)
            names = [layer["layer"].replace("full-context", "full").replace("streaming", "str.") for layer in layers]
            axis.set_xticks(places, names, rotation=40, ha="right")
            axis.set_title(name)
            axis.set_ylim(0, 102)
        axes[0].set_ylabel("macro accuracy, %")
    return figure


GROUPS = ("Training losses", "Development losses", "Consistency loss of each layer", "Spread of states")
_NO_LOSSES = (
    *("update", "seconds", "to_go", "rate", "epoch", "loss"),
    *("padding", "padding_text", "audio_per_hour", "max_seconds"),
)


def _group_of(key: str) -> str:
    if key in _NO_LOSSES or key.startswith(("ratio/", "additive/", "outside/")):
        return ""
    if key.startswith("spread"):
        return GROUPS[3]
    if key.startswith("consistency"):
        return GROUPS[2]
    return GROUPS[1] if key.startswith("dev") else GROUPS[0]


def _label(key: str, layers: Sequence[str]) -> str:
    if key in ("dev_loss", "consistency"):
        return "mean"
    name = key.removeprefix("dev_").split("/")[-1]
    number = name.removeprefix("layer")
    if name != number and number.isdigit():
        return layers[int(number)] if int(number) < len(layers) else f"layer {int(number) + 1}"
    return name.replace("_", " ")


def error_bars(decoders: Mapping[str, Mapping[str, float | None]]) -> Figure:
    """Error rates of each language as horizontal bars, a colour for each decoder.

    Args:
        decoders: name of each decoder to language to error rate.
    """
    languages = list(next(iter(decoders.values())))
    with _styled():
        figure = Figure(figsize=(9.6, 0.5 + 0.42 * len(languages)), layout="constrained")
        axis = figure.subplots()
        height = 0.78 / len(decoders)
        for i, (decoder, rates) in enumerate(decoders.items()):
            places = [n + (i - (len(decoders) - 1) / 2) * height for n in range(len(languages))]
            widths = [100 * (rates[lang] or 0.0) for lang in languages]
            colour = SERIES[(1, 0)[i % 2]]
            axis.barh(places, widths, height=0.9 * height, color=colour, label=decoder.replace("_", " "))
            for place, width, lang in zip(places, widths, languages):
                text = "-" if rates[lang] is None else f"{width:.1f}"
                axis.text(width, place, f" {text}", va="center", fontsize=7.5, color=MUTED)
        axis.set_yticks(range(len(languages)), languages)
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("error rate, %")
        axis.margins(x=0.06)
        figure.legend(loc="outside upper left", ncols=len(decoders))
    return figure


def svg_of(figure: Figure) -> str:
    """The figure as SVG, its text kept as text."""
    stream = io.StringIO()
    with _styled():
        # Without a date the same figure gives the same file.
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def inline(svg: str, name: str, description: str) -> str:
    """An SVG of :func:`svg_of` for use inside a page: themed by CSS variables, its ids made unique by ``name``."""
    svg = re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = svg.replace("'DejaVu Sans'", "inherit").replace("DejaVu Sans", "inherit")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    label = description.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``path`` with the endings ``.svg`` and ``.png``; both are whole or not there."""
    image = io.BytesIO()
    with _styled():
        figure.savefig(image, format="png", dpi=150, facecolor="white")
    paths = [path.with_name(path.name + ending) for ending in (".svg", ".png")]
    write_atomically(paths[0], svg_of(figure))
    write_atomically(paths[1], image.getvalue())
    return paths
