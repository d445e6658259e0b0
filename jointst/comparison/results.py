"""``jointst results``: RESULTS.md and what belongs to it, from the comparisons that recipes have stored."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from jointst.analysis.page import Section, figure, folded, html_table, page, paragraph
from jointst.analysis.plots import inline, svg_of
from jointst.common.files import write_atomically
from jointst.common.versions import ROOT
from jointst.comparison.claims import CLAIMS, Claim
from jointst.comparison.details import details, markdown_table
from jointst.comparison.evidence import FLOOR
from jointst.comparison.figures import measurements, text_figure, text_rows
from jointst.comparison.pays import bin_names, gains, over_minutes, over_share
from jointst.comparison.recipes import COLUMNS as RECIPE_COLUMNS
from jointst.comparison.recipes import KIND as RECIPE
from jointst.comparison.recipes import LEGEND as RECIPE_LEGEND
from jointst.comparison.recipes import compared, kept, recipe_rows
from jointst.comparison.stored import read_stored, training_hours
from jointst.comparison.tables import command_of, percent
from jointst.comparison.verdicts import LEVEL, MARGIN, SEEDS, Finding

PAGE, FIGURES = Path("docs/results.html"), Path("docs/results")
"""Beside RESULTS.md."""
OVERVIEW = "text.svg"
DRAWN = "Full-context decoder; 95 % intervals over utterances and seeds."
AGAIN = (
    "The first lines of each page are the command that makes it again, its hardware beside it; an interrupted one goes "
    "on by `jointst compare --name NAME` in the recipe's folder."
)
SHOWN = 3
"""Lines of a claim in RESULTS.md; the others stand beside the recipes, and on the page."""
RULES = f"""A claim is judged by the full-context decoder's macro error rate on every test set of every stored
comparison that has both systems, at equal updates and at equal training time; dev sets, by which settings are chosen,
judge nothing. **Confirmed**: in every measurement the 95 % bootstrap interval of the relative change, over utterances
and seeds, excludes 0 in the claimed direction, and the matched-pair test over utterances (MAPSSWE), adjusted for the
number of measurements (Holm), gives P < {LEVEL}. **Not confirmed**: in none, and either one is significantly the other
way round, or every interval excludes a gain of {percent(MARGIN)} % relative. **Cannot tell**: anything else, fewer than
{SEEDS} seeds, trainings that failed, or one control alone. A goal with a number is confirmed where every interval is
beyond it, and not confirmed where one falls short of it. A claim on representations is confirmed where it holds in
every seed, and not confirmed where it holds in none of a recipe's.

Not counted, and grey in figures: test sets where both systems have more than {percent(FLOOR)} % errors, and at equal
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


def judged(stored: Sequence[Mapping[str, Any]]) -> list[tuple[Claim, Finding]]:
    """Every claim, and what the comparisons that are not on dev sets say of it."""
    counted = [summary for summary in stored if not summary.get("dev_sets")]
    return [(claim, claim.judge(counted)) for claim in CLAIMS]


def _beside(summary: Mapping[str, Any]) -> Path:
    """Where the details of a comparison stand, from RESULTS.md."""
    return Path("egs", summary["recipe"], "results", f"{summary['name']}.md")


def _lines(finding: Finding) -> list[str]:
    """At most :data:`SHOWN` lines: all that was measured, or the lowest, the highest, and how many there are."""
    if len(finding.measured) <= SHOWN or finding.picture is None:
        return list(finding.measured)
    counted = [number for number, mark in enumerate(finding.picture.marks) if mark.counts]
    if len(finding.picture.marks) != len(finding.measured) or not counted:
        return list(finding.measured[: SHOWN - 1]) + [f"and {len(finding.measured) - SHOWN + 1} more"]
    ordered = sorted(counted, key=lambda number: finding.picture.marks[number].value if finding.picture else 0.0)
    told = [finding.measured[number] for number in dict.fromkeys((ordered[0], ordered[-1]))]
    many = f"{len(finding.measured)} measurements, {len(counted)} of which count; the lowest and the highest:"
    return [many, *told]


def _claim(claim: Claim, finding: Finding) -> str:
    drawn = f"![{claim.key}]({FIGURES / claim.key}.svg)\n\n" if finding.picture else ""
    lines = "".join(f"- {line}\n" for line in _lines(finding))
    verdict = f"**{finding.verdict.capitalize()}**: {finding.reason}."
    return f"### {claim.key}\n\n{verdict}\n\n" + (f"{lines}\n" if lines else "") + drawn


def document(stored: Sequence[Mapping[str, Any]], recipes: Sequence[Mapping[str, Any]] = ()) -> str:
    """RESULTS.md: verdicts, for each claim a figure and a few lines, and what recipes reach."""
    findings = judged(stored)
    rows = [[f"[{claim.key}](#{claim.key})", claim.says, claim.source, finding.verdict] for claim, finding in findings]
    made = [
        [f"[{s['recipe']}/{s['name']}]({_beside(s)})", ", ".join(s["grid"]["systems"]), len(s["grid"]["seeds"])]
        + [f"{training_hours(s):.1f}", "settings were chosen by it" if s.get("dev_sets") else "it judges claims"]
        for s in stored
    ]
    hours = sum(map(training_hours, stored))
    text = (
        "# Results\n\nMade by `jointst results` from `egs/*/results/*.json`, which `jointst compare --store` writes; "
        f"to be made again, not edited. With all plots: [{PAGE.name}]({PAGE}).\n\n"
        + markdown_table(["", "claim", "of", "verdict"], rows)
    )
    if text_rows(stored):
        text += f"![Error rates with and without text]({FIGURES / OVERVIEW})\n\n"
    for name, (says, _) in pays_figures(stored).items():
        text += f"![{says}]({FIGURES / name})\n\n"
    text += f"{WORDS}\n\n## Claims\n\n" + "".join(_claim(claim, finding) for claim, finding in findings)
    text += "## Comparisons\n\n"
    if made:
        text += markdown_table(["all tables", "systems", "seeds", "hours of training", ""], made)
        text += f"All trainings together took {hours:.0f} h by the clock. {AGAIN}\n\n"
    else:
        text += "No comparison is stored yet.\n\n"
    recipes = [*recipes, *compared(stored, recipes)]
    if recipes:
        text += f"## Recipes\n\n{markdown_table(RECIPE_COLUMNS, recipe_rows(recipes))}{RECIPE_LEGEND}\n\n"
    return f"{text}## How verdicts are reached\n\n{RULES}\n"


def pictures(stored: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The figures of RESULTS.md by their names, as SVG."""
    rows = text_rows(stored)
    found = {OVERVIEW: svg_of(text_figure(rows))} if rows else {}
    for name, (_, drawn) in pays_figures(stored).items():
        found[name] = svg_of(drawn)
    for claim, finding in judged(stored):
        if finding.picture is not None:
            found[f"{claim.key}.svg"] = svg_of(measurements(finding.picture))
    return found


def pays_figures(stored: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, Figure]]:
    """What they say and the figures of when text and the consistency loss pay, as far as that was measured."""
    found = {}
    minutes, shares = over_minutes(stored), over_share(stored)
    if minutes:
        found["minutes.svg"] = "Gain over minutes of paired speech", gains(minutes, "minutes of paired speech")
    if shares:
        axis = "share of an utterance's words that no paired training text holds"
        found["share.svg"] = "Gain over the share of words never heard, equal updates", gains(shares, axis, bin_names())
    return found


def results_page(stored: Sequence[Mapping[str, Any]], drawn: Mapping[str, str]) -> str:
    """Everything in one page: verdicts, figures, all lines of every claim."""
    findings = judged(stored)
    rows = [[finding.verdict, claim.says, claim.source, finding.reason] for claim, finding in findings]
    header = "<h1>Results</h1>" + html_table(["verdict", "claim", "of", "reason"], rows, prose=True)
    if OVERVIEW in drawn:
        svg = inline(drawn[OVERVIEW], "overview", "Error rates with and without text")
        header += figure(svg, f"Equal updates. {DRAWN}")
    for name, (says, _) in pays_figures(stored).items():
        header += figure(inline(drawn[name], name.removesuffix(".svg"), says), f"{says}. {DRAWN}")
    sections = []
    for claim, finding in findings:
        body = paragraph(f"{claim.says} ({claim.source})")
        body += paragraph(f"{finding.verdict.capitalize()}: {finding.reason}.")
        if finding.picture is not None:
            svg = inline(drawn[f"{claim.key}.svg"], claim.key, claim.says)
            body += figure(svg, "Grey: not counted, or counted already.")
        if finding.measured:
            body += folded("all measurements", "\n".join(finding.measured))
        sections.append(Section(key=claim.key, title=claim.key.replace("_", " "), body=body))
    made = [[f"{s['recipe']}/{s['name']}", command_of(s)] for s in stored]
    sections.append(Section(key="made", title="Comparisons", body=html_table(["", "command"], made, prose=True)))
    return page("Results", header, sections)


def run(arguments: list[str]) -> int:
    """Run the command.

    Raises:
        DataError: a stored comparison is damaged.
    """
    parser = argparse.ArgumentParser(
        prog="jointst results",
        description="Write RESULTS.md: each claim of the paper's summary, what was measured, and the verdict; beside "
        f"it {PAGE} with its figures, and egs/RECIPE/results/NAME.md with all tables.",
    )
    parser.add_argument("files", nargs="*", type=Path, help="stored comparisons (egs/*/results/*.json)")
    parser.add_argument("--out", type=Path, default=ROOT / "RESULTS.md", help="%(default)s")
    parser.add_argument(
        "--keep", nargs="+", type=Path, default=[], metavar="EXP", help="first keep scores of a recipe's experiments"
    )
    options = parser.parse_args(arguments)
    for folder in options.keep:
        write_atomically(Path("results") / f"{folder.name}.json", json.dumps(kept(folder), indent=1) + "\n")
    files = options.files or sorted(ROOT.glob("egs/*/results/*.json"))
    stored, recipes, folder = read_stored(files), read_stored(files, RECIPE), options.out.parent
    drawn, findings = pictures(stored), judged(stored)
    for name, svg in drawn.items():
        write_atomically(folder / FIGURES / name, svg)
    for summary in stored:
        write_atomically(folder / _beside(summary), details(summary, findings))
    write_atomically(folder / PAGE, results_page(stored, drawn))
    write_atomically(options.out, document(stored, recipes))
    for claim, finding in findings:
        print(f"{finding.verdict:14s} {claim.key}: {finding.reason}")
    print(f"{len(stored)} comparisons, {len(recipes)} recipes -> {options.out}")
    return 0
