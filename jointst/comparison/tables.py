"""The tables of a comparison in plain text, from its summary."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from jointst.scoring.table import Cell, table

TITLES = {"updates": "Equal updates", "time": "Equal training time"}
PARTS = {
    "": "",
    "seen": ", voices heard in training",
    "unseen": ", voices never heard",
    "text_only": ", languages without training speech",
}


def percent(value: float | None, *, sign: bool = False) -> str:
    """A share in percent with one decimal, with a sign if it is a change."""
    if value is None:
        return "-"
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def spanned(value: float | None, interval: Sequence[float] | None, *, sign: bool = False) -> str:
    """A share and its interval: ``12.3 [11.0, 13.4]``."""
    if value is None:
        return "-"
    ends = "" if interval is None else f" [{', '.join(percent(end, sign=sign) for end in interval)}]"
    return percent(value, sign=sign) + ends


def p_value(value: float | None) -> str:
    """A P value with three digits."""
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def title_of(found: Mapping[str, Any]) -> str:
    """A table's title: set, decoder, part."""
    decoder = found["decoder"].replace("_", "-")
    return f"{found['set']}, {decoder} decoder{PARTS[found['part']]} ({found['utterances']} utterances)"


def columns(baseline: str) -> list[str]:
    """Headings of :func:`rows_of`."""
    change = f"change from {baseline}"
    return ["system", "seeds", "macro", "pooled", change, "P", "recall", "updates", "hours", "RTFx"]


def rows_of(found: Mapping[str, Any], baseline: str) -> list[list[Cell]]:
    """A row for each system of a table: rates, change, P value, recall, cost."""
    rows: list[list[Cell]] = []
    for name, row in found["systems"].items():
        against, recall = row["against"].get(baseline), row["recall"]
        rows.append(
            [
                name,
                row["seeds"],
                spanned(row["rates"].get("macro"), row["intervals"]["macro"]),
                percent(row["rates"].get("pooled")),
                "-"
                if against is None
                else spanned(against["change"].get("macro"), against["intervals"]["macro"], sign=True),
                "-" if against is None else p_value(against.get("holm")),
                "-" if recall is None else spanned(recall["share"], recall["interval"]),
                row["updates"],
                f"{row['hours']:.2f}",
                "-" if row["rtfx"] is None else f"{row['rtfx']:.0f}",
            ]
        )
    return rows


def languages_of(found: Mapping[str, Any]) -> list[str]:
    """Languages of a table, sorted."""
    return sorted({key for row in found["systems"].values() for key in row["rates"]} - {"macro", "pooled"})


def language_rows(found: Mapping[str, Any]) -> list[list[Cell]]:
    """A row for each system: its error rate in each language."""
    codes = languages_of(found)
    return [[name, *(percent(row["rates"].get(code)) for code in codes)] for name, row in found["systems"].items()]


def legend(baseline: str) -> str:
    """What the columns mean."""
    return (
        "Error rates in %: words, or characters where the language writes no spaces; macro: mean over languages; "
        "pooled: summed counts. Brackets: 95 % bootstrap intervals over utterances and seeds (Bisani and Ney 2004). "
        f"Change: of the macro rate, relative to {baseline}. P: matched-pair test over utterances (MAPSSWE, Gillick "
        "and Cox 1989), adjusted for the number of systems (Holm 1979). Recall: of words that no paired training text "
        "holds, in %. Updates and hours: of training, medians over seeds; hours by the clock, whatever else the "
        "machine did and whichever commit it was. RTFx: seconds of audio decoded in a second."
    )


def not_begun(summary: Mapping[str, Any]) -> list[str]:
    """A line for each control that was asked for and has no cells yet."""
    left = [control for control in summary["grid"]["controls"] if control not in summary["controls"]]
    return [f"{TITLES[control]}: not begun, since cells at equal updates are left" for control in left]


def failures(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each cell that is not finished."""
    return [
        f"{cell['status']}: {cell['system']} seed {cell['seed']}"
        + (f": {cell['message']}" if cell["message"] else "")
        + f" (log: {cell['log']})"
        for cell in cells
        if cell["status"] != "finished"
    ]


def command_of(summary: Mapping[str, Any]) -> str:
    """The command that makes the comparison, in the recipe's folder."""
    grid = summary["grid"]
    words = ["jointst", "compare", "--name", grid["name"]]
    words += [word for conf in grid["conf"] for word in ("--conf", conf)]
    for option in ("systems", "seeds", "controls"):
        words += [f"--{option}", *map(str, grid[option])]
    words += ["--baseline", grid["baseline"], "--time-of", grid["time_of"]]
    words += [f"--{option}" for option in ("align", "probe") if grid.get(option)]
    return shlex.join(words + (["--", *grid["overrides"]] if grid["overrides"] else []))


DEV_LOSSES = "Dev losses at the last update"
DEV_LEGEND = (
    "Exact transducer loss a label (nats), means over seeds; change: of the mean over decoders, relative to the "
    "baseline with the same seed, mean (and seed by seed)."
)


def dev_columns(losses: Mapping[str, Sequence[Mapping[str, float]]], baseline: str) -> list[str]:
    """Headings of :func:`dev_rows`."""
    decoders = [key.replace("_", "-") for key in _shared(losses)]
    return ["system", "seeds", *decoders, f"change from {baseline}, %"]


def _shared(losses: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """The decoders that all systems have."""
    seeds = [seed for own in losses.values() for seed in own]
    return [key for key in seeds[0] if all(key in seed for seed in seeds)]


def dev_rows(losses: Mapping[str, Sequence[Mapping[str, float]]], baseline: str) -> list[list[Cell]]:
    """A row for each system: dev losses, and the change from the baseline where the same seeds are finished."""
    rows: list[list[Cell]] = []
    decoders = _shared(losses)
    means = {name: [mean(seed[key] for key in decoders) for seed in seeds] for name, seeds in losses.items()}
    for name, seeds in losses.items():
        own, other = means[name], means.get(baseline, [])
        change = "-"
        if name != baseline and len(own) == len(other):
            changes = [ours / theirs - 1 for ours, theirs in zip(own, other, strict=True)]
            change = f"{percent(mean(changes), sign=True)} ({', '.join(percent(one, sign=True) for one in changes)})"
        rows.append([name, len(seeds), *(f"{mean(seed[key] for seed in seeds):.4f}" for key in decoders), change])
    return rows


LAYER_COLUMNS = (
    ["system", "layer", "best", "frame-wise", "random", "mismatched"]
    + ["best / mismatched", "before", "spread", "off by, ms"]
)  # fmt: skip
LAYER_LEGEND = (
    "Mean distance of layer-normalised speech and text states on the dev sets, means over seeds: under the best "
    "alignment, frame by frame, under a random one, and under the best one to another utterance's text (the control). "
    "Best / mismatched: 1 where an utterance is no nearer to its own text than to another's; before: the same with the "
    "weights that training began with. Spread: of speech states around what all have in common, over their norm; near "
    "0 all moments look alike. Off by: median error of the best alignment where it is known when phones are spoken; in "
    "parentheses the frame-wise one's."
)


PACES = "Milliseconds of an update, measured in turns"
PACE_LEGEND = (
    "Batch, loss and optimiser, on the same batches of the recipe: with CTC alone, with the transducers, and with the "
    "consistency loss. Systems take turns, and of the times of a batch the least counts."
)
_PHASES = ("ctc", "joint", "consistency")


def pace_rows(paces: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """A row for each system: milliseconds of an update in each phase of its training."""
    return [
        [system, *(f"{1000 * own[phase]:.0f}" if phase in own else "-" for phase in _PHASES)]
        for system, own in paces.items()
    ]


PACE_COLUMNS = ["system", "CTC alone", "joint", "with consistency"]
PROBES = "Linear probes of frozen states: macro accuracy in %, means over seeds"


def layer_rows(layers: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> list[list[Cell]]:
    """A row for each shared layer of each system: means over its seeds."""
    rows: list[list[Cell]] = []
    for system, seeds in layers.items():
        for own in zip(*seeds):
            distances = [mean(layer[key] for layer in own) for key in ("best", "framewise", "random", "mismatched")]
            before = [layer["before"] for layer in own if layer.get("before")]
            timed = [layer["median_ms"] for layer in own if layer.get("median_ms")]
            spreads = [layer["spread"] for layer in own if "spread" in layer]  # older results have none
            off = [f"{mean(found[key] for found in timed):.0f}" for key in ("best", "framewise") if timed]
            rows.append(
                [
                    system,
                    own[0]["layer"],
                    *(f"{distance:.3f}" for distance in distances),
                    f"{mean(nearness(layer) for layer in own):.2f}",
                    f"{mean(nearness(layer) for layer in before):.2f}" if before else "-",
                    f"{mean(spreads):.2f}" if spreads else "-",
                    f"{off[0]} ({off[1]})" if off else "-",
                ]
            )
    return rows


def probe_columns(probes: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Headings of :func:`probe_rows`: the tasks that could be probed in every seed of every system."""
    seeds = [seed for own in probes.values() for seed in own]
    return ["system", "layer", *(task for task in seeds[0] if all(task in seed for seed in seeds))]


def probe_rows(probes: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[list[Cell]]:
    """A row for each layer of each system: accuracy in each task in %, means over seeds, and a last row of chance."""
    rows: list[list[Cell]] = []
    tasks = probe_columns(probes)[2:]
    for system, seeds in probes.items():
        for layer in dict.fromkeys(name for task in tasks for name in seeds[0][task]["accuracy"]):
            found = [[seed[task]["accuracy"].get(layer) for seed in seeds] for task in tasks]
            rows.append([system, layer, *(percent(None if None in own else mean(own)) for own in found)])
    chance = next(iter(probes.values()))[0]
    return [*rows, ["chance", "", *(percent(chance[task]["chance"]) for task in tasks)]]


def nearness(layer: Mapping[str, Any]) -> float:
    """Distance of true pairs over that of mismatched ones, both under their best alignment: small is near."""
    return float(layer["best"] / layer["mismatched"])


def text_of(summary: Mapping[str, Any]) -> str:
    """The whole comparison as text."""
    baseline = summary["grid"]["baseline"]
    parts = [f"{summary['recipe']}, comparison {summary['name']}\n{legend(baseline)}\n"]
    for control, found in summary["controls"].items():
        parts.append(f"== {TITLES[control]}: {found['budget']}\n")
        parts += [f"{line}\n" for line in failures(found["cells"])]
        for own in found["tables"]:
            parts.append(table(columns(baseline), rows_of(own, baseline), title=title_of(own)))
            if not own["part"] and len(languages_of(own)) > 1:
                parts.append(table(["system", *languages_of(own)], language_rows(own)))
        if found.get("dev_losses"):
            losses = found["dev_losses"]
            parts.append(table(dev_columns(losses, baseline), dev_rows(losses, baseline), title=DEV_LOSSES))
            parts.append(f"{DEV_LEGEND}\n")
        if found["layers"]:
            parts.append(table(LAYER_COLUMNS, layer_rows(found["layers"]), title="Shared layers"))
            parts.append(f"{LAYER_LEGEND}\n")
        if found.get("probes"):
            parts.append(table(probe_columns(found["probes"]), probe_rows(found["probes"]), title=PROBES))
    parts += [f"{line}\n" for line in not_begun(summary)]
    if summary.get("paces"):
        parts.append(table(PACE_COLUMNS, pace_rows(summary["paces"]), title=PACES))
        parts.append(f"{PACE_LEGEND}\n")
    parts.append(f"command: {command_of(summary)}\nhardware: {'; '.join(summary['hardware']) or 'unknown'}\n")
    return "\n".join(parts)
