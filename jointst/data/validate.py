"""Stage 2: a verdict on every data directory; the rules are in jointst/data/rules."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.config.context import Context, Made
from jointst.data.rules import RULES, Everything, Finding, Part, Rule, Set
from jointst.data.rules.segments import used_recordings
from jointst.kaldi.directory import FILES
from jointst.kaldi.recordings import examine
from jointst.kaldi.tables import MAY_BE_EMPTY, Table, scan_table

FIXED = " [fix]"
"""Mark of what ``jointst fix`` mends."""
SHOWN = 20
"""Findings of one rule that are printed; all of them are in the report."""
MADE_LATER = ("feats.scp", "utt2num_frames", "phones")
"""Files of later stages, which check them."""
CHECKED = tuple(file for file in (*FILES.values(), "spk2utt") if file not in MADE_LATER)


def read_set(
    path: Path, parts: tuple[Part, ...], *, nj: int = 1, remembered: Path | None = None, audio: bool = True
) -> Set:
    """Read a data directory as it is, and look into its audio.

    Args:
        path: the folder.
        parts: what it is used for.
        nj: processes for the audio.
        remembered: file that keeps what was found in the audio.
        audio: whether to look into it.
    """
    tables: dict[str, Table] = {}
    unreadable: dict[str, str] = {}
    for file in CHECKED:
        if (path / file).exists() or (path / file).is_symlink():
            try:
                tables[file] = scan_table(path / file, allow_empty=file in MAY_BE_EMPTY)
            except (DataError, OSError) as error:
                unreadable[file] = "is not a file" if isinstance(error, DataError) else str(error.strerror)
    item = Set(path=path, parts=parts, tables=tables, unreadable=unreadable)
    entries = item.entries("wav.scp")
    if "segments" in tables:  # a recording that no segment is of is read by nobody, whatever is in it
        used = used_recordings(item)
        entries = {key: entry for key, entry in entries.items() if key in used}
    if audio and entries:
        found = examine(entries, nj, remembered, f"audio of {path.name}")
        item.recordings.update(found)
    return item


def read_all(context: Context) -> Everything:
    """Read all sets of a configuration."""
    config = context.config.data
    roles: dict[Part, tuple[str, ...]] = {
        "train": config.train,
        "pseudo": config.pseudo,
        "dev": config.dev,
        "test": config.test,
        "unpaired": config.unpaired,
    }
    sets = []
    for name in progress(context.all_sets, desc="reading data directories", unit="set"):
        parts = tuple(part for part, members in roles.items() if name in members)
        remembered = context.data / ".stages" / f"audio_{name}.json"
        sets.append(read_set(context.data / name, parts, nj=context.nj, remembered=remembered))
    return Everything(settings=context.config, sets=tuple(sets))


def check(everything: Everything) -> Iterator[tuple[Rule, Finding]]:
    """Apply every rule."""
    for rule in progress(RULES.values(), desc="rules", unit="rule"):
        for finding in rule.check(everything):
            yield rule, finding


def run(context: Context) -> Made:
    """Check every set, print the findings and write ``validate.tsv``.

    Raises:
        DataError: there was at least one error, or there are no data here at all.
    """
    if not any((context.data / name).is_dir() for name in context.all_sets):
        fix = "run it in the recipe's folder, which paths in settings start from; or run stage 1, corpus"
        names = ", ".join(context.all_sets)
        raise DataError(f"there is none of the data directories {names} (in {Path.cwd()})", path=context.data, fix=fix)
    everything = read_all(context)
    report = context.data / "validate.tsv"
    counts = judge(check(everything), report)
    for item in everything.sets:
        remark_on_paths(item)
    errors = {rule.name: count for rule, count in counts.items() if rule.level == "ERROR"}
    if errors:
        kinds = ", ".join(f"{name} {count}" for name, count in errors.items())
        fix = "mend them, run this stage again"
        if any(rule.mends for rule in counts if rule.level == "ERROR"):
            fix = "jointst fix mends those marked [fix]; run this stage again"
        raise DataError(f"{sum(errors.values())} errors ({kinds})", path=report, fix=fix)
    utterances = sum(len(item.entries("text")) for item in everything.sets)
    what = f"{len(everything.sets)} sets, {utterances} utterances, 0 errors, {sum(counts.values())} warnings"
    return Made(what=what, where=report)


def judge(found: Iterable[tuple[Rule, Finding]], report: Path | None, *, fixable: bool = True) -> Counter[Rule]:
    """Print what rules find, and write all of it to ``report``, if there is to be one.

    Args:
        found: each rule with what breaks it.
        report: the file.
        fixable: whether to mark what ``jointst fix``, which needs settings, would mend.

    Returns:
        The number of findings of each rule that has any.
    """
    rows = ["\t".join(("level", "rule", "file", "line", "utterance", "message", "fix", "jointst fix"))]
    counts: Counter[Rule] = Counter()
    for rule, item in found:
        cells = (rule.level, rule.name, str(item.path), str(item.line), item.utterance, item.message, item.fix)
        rows.append("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in (*cells, rule.mends)))
        counts[rule] += 1
        if counts[rule] <= SHOWN:
            print(describe(rule, item).removesuffix("" if fixable else FIXED), flush=True)
    for rule, count in counts.items():
        if count > SHOWN:
            where = "--report FILE has all" if report is None else f"see {report.name}"
            print(f"{rule.level} {rule.name}: {count - SHOWN} more, {where}", flush=True)
    if report is not None:
        write_atomically(report, "\n".join(rows) + "\n")
    return counts


def remark_on_paths(item: Set) -> None:
    """Say where audio would be found whose path starts from another folder than the one this is run in."""
    missing = [key for key, found in item.recordings.items() if found.fault == "audio-missing"]
    entries = [entry for entry in (item.entries("wav.scp")[key] for key in missing) if not os.path.isabs(entry)]
    if not entries:
        return
    for folder in (item.path.resolve(), *item.path.resolve().parents):
        if folder != Path.cwd() and (folder / entries[0]).is_file():
            number = sum((folder / entry).is_file() for entry in entries)
            print(
                f"{item.path / 'wav.scp'}: {number} of the {len(missing)} missing files are there if paths start from "
                f"{folder}: run it there (they start from where a command is run, now {Path.cwd()}), or write whole "
                "paths",
                flush=True,
            )
            return


def describe(rule: Rule, item: Finding) -> str:
    """One line about a finding: level, rule, place, what is wrong, how to mend it."""
    where = f"{item.path}:{item.line}" if item.line else str(item.path)
    subject = f"{where} {item.utterance}" if item.utterance else where
    fix = f" ({item.fix})" if item.fix else ""
    return f"{rule.level} {rule.name} {subject}: {item.message}{fix}" + (FIXED if rule.mends else "")
