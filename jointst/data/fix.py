"""``jointst fix``: mend the data directories of a recipe where a machine can, and say what is left for a person."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import shutil
import time
from array import array
from collections import Counter
from pathlib import Path

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.lock import Claim, hold
from jointst.common.progress import progress
from jointst.config.context import Context
from jointst.config.load import parse
from jointst.data.repairs import AT_LAST, IN_SET, Draft, mend_leaks
from jointst.data.rules import RULES, Everything, Set
from jointst.data.validate import check, judge, read_all
from jointst.kaldi.tables import Table

HELP = "mend data directories (order, line ends, keys, empty and leaked sentences) and keep a backup"
MAX_DROPPED = 0.2
"""A set that would lose a larger share of its utterances is left as it is: most likely one file is wrong, not all."""


def run(arguments: list[str]) -> int:
    """Mend the sets of a configuration; 0 where no error is left, 1 otherwise.

    Args:
        arguments: those of a stage, and ``--max-dropped SHARE``, ``--dry-run``, ``--rules``.

    Raises:
        JointstError: the settings cannot be read.
    """
    parser = argparse.ArgumentParser(prog="jointst fix", description=HELP, add_help=False, allow_abbrev=False)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--rules", action="store_true")
    parser.add_argument("--max-dropped", default=str(MAX_DROPPED))
    own, rest = parser.parse_known_args(arguments)
    if own.rules:
        print(table_of_rules())
        return 0
    help_text = f"{HELP}. Also: --dry-run (change nothing), --rules (list all rules), --max-dropped SHARE (0.2)"
    context = parse("fix", help_text, rest)
    claims = [Claim.inside(context.data, shared=own.dry_run)]
    with hold(claims, "fix", shlex.join(["jointst", "fix", *arguments])):
        return fix(context, max_dropped=_share(own.max_dropped), dry_run=own.dry_run)


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError("--max-dropped", f"is {value}", "a share from 0 to 1")
    return share


def fix(context: Context, *, max_dropped: float = MAX_DROPPED, dry_run: bool = False) -> int:
    """Mend all sets, print what was done, and judge them anew.

    Args:
        context: its configuration names the sets.
        max_dropped: share of a set's utterances that may be dropped; a set that would lose more is left as it is.
        dry_run: whether to say what would be done, and do nothing.

    Returns:
        0 where no error is left, 1 otherwise.
    """
    drafts = make_drafts(read_all(context))
    for draft in drafts:
        before = draft.found
        if len(draft.dropped) > max_dropped * before:
            print(
                f"{draft.item.path}: left as it is: {len(draft.dropped)} of {before} utterances would be dropped "
                f"(look at validate.tsv, or allow it: --max-dropped {len(draft.dropped) / before:.2f})",
                flush=True,
            )
    drafts = [draft for draft in drafts if len(draft.dropped) <= max_dropped * draft.found]
    changed = {
        path: content
        for draft in drafts
        for path, content in ((draft.item.path / file, draft.content(file)) for file in draft.tables)
        if not path.is_file() or path.read_bytes() != content
    }
    _print(drafts)
    if dry_run:
        print(f"{len(changed)} files would be changed", flush=True)
        return 0
    if changed:
        backup = _keep(context.data, drafts, list(changed))
        print(f"{backup}: the files as they were, and a list of every line", flush=True)  # also where it is broken off
        for path, content in progress(changed.items(), desc="writing", unit="file"):
            write_atomically(path, content)
        print(f"{len(changed)} files changed", flush=True)
    else:
        print("nothing to mend", flush=True)
    left = judge(check(read_all(context)), context.data / "validate.tsv")
    errors = sum(count for rule, count in left.items() if rule.level == "ERROR")
    print(f"{errors} errors and {sum(left.values()) - errors} warnings are left", flush=True)
    return 1 if errors else 0


def make_drafts(everything: Everything) -> list[Draft]:
    """Every set that has a readable text, mended in memory."""
    marks = everything.settings.corpus.transcriber_marks
    drafts = {item.path: Draft.of(item, marks) for item in everything.sets if "text" in item.tables}
    for draft in drafts.values():
        for mend in IN_SET:
            mend(draft)
    mended = [_as_set(draft) for draft in drafts.values()]
    mend_leaks(drafts, dataclasses.replace(everything, sets=tuple(mended)))
    for draft in drafts.values():
        for mend in AT_LAST:
            mend(draft)
    return list(drafts.values())


def _as_set(draft: Draft) -> Set:
    tables = {file: Table(entries, array("Q"), [], True) for file, entries in draft.tables.items()}
    return dataclasses.replace(draft.item, tables=tables)


def _keep(data: Path, drafts: list[Draft], changed: list[Path]) -> Path:
    """Copy files that are to be changed to a new folder of ``data/backup``, with a list of all changes."""
    name = time.strftime("%Y%m%d-%H%M%S")
    taken = sum(path.name.startswith(name) for path in data.glob("backup/*"))
    backup = data / "backup" / (f"{name}-{taken}" if taken else name)
    for path in changed:
        if path.is_file():
            copy = backup / _name_in_backup(path, data)
            if copy.exists():
                raise DataError(
                    "two sets have one place in the backup; nothing was changed", path=path, fix="rename one"
                )
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    rows = ["\t".join(("rule", "file", "key", "action", "before"))]
    for draft in drafts:
        for change in draft.changes:
            cells = (change.rule, str(change.path), change.key, change.action, change.content)
            rows.append("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells))
    write_atomically(backup / "changes.tsv", "\n".join(rows) + "\n")
    return backup


def _name_in_backup(path: Path, data: Path) -> Path:
    """Where a file is kept: below its set's name, which may be several folders, also outside of ``data``."""
    name = path.relative_to(data) if path.is_relative_to(data) else path
    return Path(*(part for part in name.parts if part not in ("..", name.anchor)))


def _print(drafts: list[Draft]) -> None:
    for draft in drafts:
        counts = Counter((change.path.name, change.rule, change.action) for change in draft.changes)
        for (file, rule, action), count in counts.items():
            print(f"{draft.item.path / file}: {rule}: {count} {action}", flush=True)
        if draft.dropped:
            kind = "utterances" if draft.item.paired else "sentences"
            print(
                f"{draft.item.path}: {len(draft.dropped)} of {draft.found} {kind} dropped",
                flush=True,
            )


def table_of_rules() -> str:
    """Every rule: its id, its level, what it demands, and what ``jointst fix`` does about it."""
    rows = []
    for rule in RULES.values():
        rows.append(f"{rule.level:8s}{rule.name:24s}{rule.sentence}")
        rows.append(f"{'':32s}fix: {rule.mends}" if rule.mends else f"{'':32s}mended by hand")
    return "\n".join(rows)
