"""Tables, held numbers and plots of a benchmark run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numba
import numpy as np
import torch


def machine(device: str, threads: int) -> str:
    """What the run was made on."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = models[0].split(":")[1].strip() if models else name
    if device == "cuda":
        name = f"{torch.cuda.get_device_name()}, {name}"
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{name}; {threads} threads; load {load}; torch {torch.__version__}, numba {numba.__version__}"


def time_rounds(methods: Mapping[str, Callable[[], object]], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of each method in each round, after one call that compiles; methods take turns."""
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    for method in methods.values():
        method()
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            synchronise()
            start = perf_counter()
            method()
            synchronise()
            times[name].append(perf_counter() - start)
    return times


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def milliseconds(times: Sequence[float]) -> str:
    """Median of times in seconds."""
    return f"{1e3 * median(times):.3g}"


class Report:
    """Sections of Markdown, the numbers behind them, and plots, in a folder.

    Args:
        folder: written to.
        title: heading of bench.md.
        head: what the run was made on.
        toy: whether all is of toy size, so that no number is held to its bounds.
    """

    def __init__(self, folder: Path, title: str, head: str, *, toy: bool = False) -> None:
        self._folder = folder
        self._toy = toy
        self._lines = [f"# {title}{' at toy size: its figures say nothing' if toy else ''}\n\n{head}\n"]
        self._numbers: dict[str, object] = {"machine": head}
        folder.mkdir(parents=True, exist_ok=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
        """A section with one table."""
        lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        self._lines.append(f"\n## {title}\n\n" + (f"{note}\n\n" if note else "") + "\n".join(lines) + "\n")
        self._numbers[title] = [dict(zip(columns, map(str, row), strict=True)) for row in rows]

    def hold(self, what: str, value: float, least: float = -np.inf, most: float = np.inf) -> None:
        """A number that must stay between bounds."""
        verdict = "not judged at toy size" if self._toy else "held" if least <= value <= most else "MISSED"
        bounds = " and ".join(
            text for text, bound in ((f"at least {least:g}", least), (f"at most {most:g}", most)) if np.isfinite(bound)
        )
        self._lines.append(f"\n- {what}: **{value:.3g}** ({bounds}): {verdict}")
        self._numbers[what] = {"value": value, "least": least, "most": most, "verdict": verdict}

    def plot(self, name: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str) -> None:
        """Curves on logarithmic axes."""
        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for label, (places, values) in curves.items():
            axes.loglog(places, values, marker="o", label=label)
        axes.set(xlabel=x, ylabel=y)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize="small")
        figure.savefig(self._folder / f"{name}.png", dpi=150)
        plt.close(figure)
        self._lines.append(f"\n![{name}]({name}.png)\n")

    def text(self) -> str:
        """The report in Markdown."""
        return "".join(self._lines) + "\n"

    def write(self) -> None:
        """Write bench.md and bench.json."""
        (self._folder / "bench.md").write_text(self.text(), encoding="utf-8")
        numbers = json.dumps(self._numbers, indent=1, default=str)
        (self._folder / "bench.json").write_text(numbers + "\n", encoding="utf-8")
