"""A stored comparison as Markdown, beside its recipe: every table, and what it says of each claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jointst.comparison.claims import Claim
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
    not_begun,
    pace_rows,
    probe_columns,
    probe_rows,
    rows_of,
    title_of,
)
from jointst.comparison.verdicts import Finding


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table and an empty line."""
    return _row(header) + _row(["---"] * len(header)) + "".join(_row(row) for row in rows) + "\n"


def details(summary: Mapping[str, Any], findings: Sequence[tuple[Claim, Finding]]) -> str:
    """The whole comparison.

    Args:
        summary: as it is stored.
        findings: of every claim; those lines are told that are of this comparison.
    """
    baseline, parts = summary["grid"]["baseline"], []
    parts.append(f"# {summary['recipe']}: {summary['name']}\n\n")
    parts.append("Made by `jointst results`; to be made again, not edited.\n\n")
    parts.append(f"```\ncd egs/{summary['recipe']} && ../../.venv/bin/python -m {command_of(summary)}\n```\n\n")
    made = [f"made {summary['created'][:10]}", f"commit {', '.join(c[:10] for c in summary['commits'])}"]
    made += ["with changes not committed"] * bool(summary.get("changed_since_commit"))
    made += [f"torch {summary['torch']}", "; ".join(summary["hardware"])]
    parts.append(f"{', '.join(made)}. The settings in conf were those of that commit.\n\n")
    if summary.get("dev_sets"):
        parts.append(f"To choose settings by, with {', '.join(summary['dev_sets'])}: it judges no claim.\n\n")
    parts.append(f"{legend(baseline)}\n\n")
    for control, found in summary["controls"].items():
        parts.append(f"## {TITLES[control]}\n\nWhat is equal: {found['budget']}.\n\n")
        parts += [f"- {line}\n" for line in failures(found["cells"])]
        parts.append("\n" if failures(found["cells"]) else "")
        for own in found["tables"]:
            parts.append(f"{title_of(own)}:\n\n{markdown_table(columns(baseline), rows_of(own, baseline))}")
            if not own["part"] and len(languages_of(own)) > 1:
                parts.append(markdown_table(["system", *languages_of(own)], language_rows(own)))
        if found.get("dev_losses"):
            losses = found["dev_losses"]
            rows = dev_rows(losses, baseline)
            parts.append(f"{DEV_LOSSES}:\n\n{markdown_table(dev_columns(losses, baseline), rows)}{DEV_LEGEND}\n\n")
        if found["layers"]:
            rows = layer_rows(found["layers"])
            parts.append(f"Shared layers:\n\n{markdown_table(LAYER_COLUMNS, rows)}{LAYER_LEGEND}\n\n")
        if found.get("probes"):
            rows = probe_rows(found["probes"])
            parts.append(f"{PROBES}:\n\n{markdown_table(probe_columns(found['probes']), rows)}")
    parts += [f"{line}.\n\n" for line in not_begun(summary)]
    if summary.get("paces"):
        parts.append(f"## {PACES}\n\n{markdown_table(PACE_COLUMNS, pace_rows(summary['paces']))}{PACE_LEGEND}\n\n")
    return "".join(parts) + _of_claims(summary, findings)


def _of_claims(summary: Mapping[str, Any], findings: Sequence[tuple[Claim, Finding]]) -> str:
    here = f"{summary['recipe']}/{summary['name']}"
    parts = []
    for claim, finding in findings:
        lines = [line for line in finding.measured if line.startswith((f"{here},", f"{here}:"))]
        if lines:
            parts.append(f"{claim.says} ({claim.source})\n\n" + "".join(f"- {line}\n" for line in lines) + "\n")
    return "## What it says of claims\n\n" + "".join(parts) if parts else ""
