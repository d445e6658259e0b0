"""The tables of a comparison in plain text, from its summary."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jointst.scoring.table import Cell, table

TITLES = {"updates": "Equal updates", "time": "Equal training time"}
PARTS = {"": "", "seen": ", voices heard in training", "unseen": ", voices never heard"}


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
        "holds, in %. Updates and hours: of training, medians over seeds. RTFx: seconds of audio decoded in a second."
    )


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
    words += ["--align"] if grid["align"] else []
    return shlex.join(words + (["--", *grid["overrides"]] if grid["overrides"] else []))


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
    parts.append(f"command: {command_of(summary)}\nhardware: {'; '.join(summary['hardware']) or 'unknown'}\n")
    return "\n".join(parts)
