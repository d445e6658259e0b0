"""``jointst results``: RESULTS.md from the comparisons that recipes have stored, claim by claim."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jointst.comparison.claims import CLAIMS, Claim
from jointst.comparison.evidence import FLOOR, LEVEL, MARGIN, SEEDS, Finding
from jointst.comparison.summary import KIND
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
    percent,
    probe_columns,
    probe_rows,
    rows_of,
    title_of,
)
from jointst.errors import DataError
from jointst.stage import write_atomically
from jointst.versions import ROOT

RULES = f"""A claim is judged by the full-context decoder's macro error rate on every test set of every stored
comparison that has both systems, at equal updates and at equal training time; comparisons on dev sets, which
settings are chosen by, are shown and judge nothing. **Confirmed**: in every measurement the 95 % bootstrap
interval of the relative change, over utterances and seeds, excludes 0 in the claimed direction, and the
matched-pair test over utterances (MAPSSWE), adjusted for the number of measurements (Holm), gives P < {LEVEL}.
**Not confirmed**: in none, and either one is significantly the
other way round, or every interval excludes a gain of {percent(MARGIN)} % relative. **Cannot tell**:
anything else, fewer than {SEEDS} seeds, trainings that failed, or one control alone. A goal with a number is
confirmed where every interval is beyond it, and not confirmed where one falls short of it. A claim on
representations is confirmed where it holds in every seed, and not confirmed where it holds in none of a
recipe's.

Not counted, though shown: test sets where both systems have more than {percent(FLOOR)} % errors, and at equal
time what has been counted already, where both systems take the same time and so are the same trainings. The
matched-pair test takes summed errors; where these have changed the other way than the macro rate, P is 1. An
interval over K seeds holds (K - 1) / K of their variance: with {SEEDS} it is somewhat too narrow."""
WORDS = """The paper: *Improving Joint Speech-Text Representations Without Alignment*
([arXiv 2308.06125](https://arxiv.org/abs/2308.06125)). JOIST: [arXiv 2210.07353](https://arxiv.org/abs/2210.07353).
**paired** trains on speech alone; **joist** reads unpaired text, too; **best** adds a loss that pulls states of
speech and text together, in every layer that they share, under the **best alignment**: the rising assignment of
text positions to frames that makes their mean distance least. **framewise** stretches text evenly over the
frames, **random** draws a rising assignment, **mas** takes the best one that leaves no text position out,
**forced** one from a forced alignment by paired, with predicted durations for unpaired text.
**Mismatched pairs** are speech and another utterance's text, under their best alignment: the control."""


def read_stored(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Summaries of comparisons, by recipe and name; files of another kind are left out.

    Raises:
        DataError: a file is not JSON.
    """
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"cannot be read: {error}", path=path, fix="store it again: jointst compare --store"
            ) from None
        if isinstance(content, dict) and content.get("kind") == KIND:
            found.append(content)
    return sorted(found, key=lambda summary: (summary["recipe"], summary["name"]))


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return _row(header) + _row(["---"] * len(header)) + "".join(_row(row) for row in rows) + "\n"


def _claim(claim: Claim, finding: Finding) -> str:
    lines = "".join(f"- {line}\n" for line in finding.measured)
    verdict = f"**{finding.verdict.capitalize()}**: {finding.reason}."
    return f"### {claim.key}\n\n{claim.says} ({claim.source})\n\n{verdict}\n\n" + (f"{lines}\n" if lines else "")


def _comparison(summary: Mapping[str, Any]) -> str:
    baseline, parts = summary["grid"]["baseline"], []
    parts.append(f"## {summary['recipe']}: {summary['name']}\n\n")
    parts.append(f"```\ncd egs/{summary['recipe']} && ../../.venv/bin/python -m {command_of(summary)}\n```\n\n")
    made = [f"made {summary['created'][:10]}", f"commit {', '.join(c[:10] for c in summary['commits'])}"]
    made += ["with changes not committed"] * bool(summary.get("changed_since_commit"))
    made += [f"torch {summary['torch']}", "; ".join(summary["hardware"])]
    parts.append(f"{', '.join(made)}.\n\n")
    if summary.get("dev_sets"):
        parts.append(f"To choose settings by, with {', '.join(summary['dev_sets'])}: it judges no claim.\n\n")
    for control, found in summary["controls"].items():
        parts.append(f"### {TITLES[control]}\n\nWhat is equal: {found['budget']}.\n\n")
        parts += [f"- {line}\n" for line in failures(found["cells"])]
        parts.append("\n" if failures(found["cells"]) else "")
        for own in found["tables"]:
            parts.append(f"{title_of(own)}:\n\n{_table(columns(baseline), rows_of(own, baseline))}")
            if not own["part"] and len(languages_of(own)) > 1:
                parts.append(_table(["system", *languages_of(own)], language_rows(own)))
        if found.get("dev_losses"):
            losses = found["dev_losses"]
            parts.append(f"{DEV_LOSSES}:\n\n{_table(dev_columns(losses, baseline), dev_rows(losses, baseline))}")
            parts.append(f"{DEV_LEGEND}\n\n")
        if found["layers"]:
            parts.append(f"Shared layers:\n\n{_table(LAYER_COLUMNS, layer_rows(found['layers']))}{LAYER_LEGEND}\n\n")
        if found.get("probes"):
            parts.append(f"{PROBES}:\n\n{_table(probe_columns(found['probes']), probe_rows(found['probes']))}")
    parts += [f"{line}.\n\n" for line in not_begun(summary)]
    if summary.get("paces"):
        parts.append(f"### {PACES}\n\n{_table(PACE_COLUMNS, pace_rows(summary['paces']))}{PACE_LEGEND}\n\n")
    return "".join(parts)


def judged(stored: Sequence[Mapping[str, Any]]) -> list[tuple[Claim, Finding]]:
    """Every claim, and what the comparisons that are not on dev sets say of it."""
    counted = [summary for summary in stored if not summary.get("dev_sets")]
    return [(claim, claim.judge(counted)) for claim in CLAIMS]


def document(stored: Sequence[Mapping[str, Any]]) -> str:
    """The whole of RESULTS.md."""
    findings = judged(stored)
    rows = [
        [f"[{claim.key}](#{claim.key})", claim.says, claim.source, finding.verdict, finding.reason]
        for claim, finding in findings
    ]
    head = (
        "# Results\n\nMade by `jointst results` from `egs/*/results/*.json`, which `jointst compare --store` writes; "
        "to be made again, not edited.\n\n" + _table(["", "claim", "of", "verdict", "reason"], rows)
    )
    claims = "".join(_claim(claim, finding) for claim, finding in findings)
    tables = "".join(_comparison(summary) for summary in stored)
    explained = f"{legend('the baseline')}\n\n" if stored else "No comparison is stored yet.\n\n"
    text = f"{head}{WORDS}\n\n## How verdicts are reached\n\n{RULES}\n\n## Claims\n\n{claims}"
    text += f"# Comparisons\n\n{explained}{tables}"
    return text.rstrip("\n") + "\n"


def run(arguments: list[str]) -> int:
    """Run the command.

    Raises:
        DataError: a stored comparison is damaged.
    """
    parser = argparse.ArgumentParser(
        prog="jointst results",
        description="Write RESULTS.md: each claim of the paper's summary, what was measured, and the verdict.",
    )
    parser.add_argument("files", nargs="*", type=Path, help="stored comparisons (egs/*/results/*.json)")
    parser.add_argument("--out", type=Path, default=ROOT / "RESULTS.md", help="%(default)s")
    options = parser.parse_args(arguments)
    files = options.files or sorted(ROOT.glob("egs/*/results/*.json"))
    stored = read_stored(files)
    write_atomically(options.out, document(stored))
    for claim, finding in judged(stored):
        print(f"{finding.verdict:14s} {claim.key}: {finding.reason}")
    print(f"{len(stored)} comparisons -> {options.out}")
    return 0
