"""``jointst validate DIR ...``: data directories anywhere, as Kaldi's ``utils/validate_data_dir.sh`` takes them.

No settings are needed, and nothing is written into the directories.
"""

from __future__ import annotations

import argparse
import dataclasses
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from jointst.common.errors import ConfigError, JointstError
from jointst.common.languages import LANGUAGES
from jointst.config import Config
from jointst.data.rules import Everything, Finding, Part, Rule, Set
from jointst.data.validate import check, judge, read_set, remark_on_paths
from jointst.kaldi.tables import Table

ROLES: tuple[Part, ...] = ("train", "dev", "test", "unpaired")
Role = tuple[Path, tuple[Part, ...]]
"""A directory and what it is used for."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise JointstError(f"{message} (jointst validate DIR --help shows all options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jointst validate",
        description="Check data directories in Kaldi's format, wherever they are. Each is checked by itself; what sets "
        "have in common (sentences, audio, speakers) is looked at where their roles are stated: "
        "jointst validate --train data/train --test data/test. Without a directory, those of --conf are checked.",
        epilog="Paths in wav.scp start from where the command is run, as in Kaldi. Nothing is written into the "
        "directories. Exit status: 0 no errors, 1 errors.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("folders", nargs="*", metavar="DIR", help="a data directory")
    for role in ROLES:
        what = "text without speech" if role == "unpaired" else f"{role} sets"
        add(f"--{role}", nargs="+", action="extend", default=[], metavar="DIR", help=what)
    add("--lang", metavar="CODE", help="language of directories without utt2lang, as en")
    add("--no-wav", action="store_true", help="leave the audio alone; wav.scp may be missing")
    add("--no-text", action="store_true", help="text may be missing, as of speech that nobody has transcribed")
    add("--nj", type=int, default=2, help="processes for the audio (%(default)s)")
    add("--report", metavar="FILE", help="write all findings there, as a table")
    return parser


def run(arguments: list[str]) -> int:
    """Check the directories; 0, or 1 where there is an error.

    Raises:
        JointstError: options that do not fit.
    """
    options = _parser().parse_args(arguments)
    roles: dict[Part, list[str]] = {role: getattr(options, role) for role in ROLES}
    if not options.folders and not any(roles.values()):
        raise JointstError("nothing to check: name data directories")
    if options.lang is not None and options.lang not in LANGUAGES:
        raise ConfigError("--lang", f"is {options.lang!r}", f"one of: {' '.join(sorted(LANGUAGES))}")
    if options.nj < 1:
        raise ConfigError("--nj", f"is {options.nj}", "at least 1")
    groups: list[list[Role]] = [[(Path(name), ("train",))] for name in options.folders]
    groups.append(_with_roles(roles))
    checked = [_everything(group, options) for group in groups if group]
    found = (item for everything in checked for item in _findings(everything, options))
    counts = judge(found, None if options.report is None else Path(options.report), fixable=False)
    for item in (item for everything in checked for item in everything.sets):
        remark_on_paths(item)
    return _verdict(checked, counts)


def _with_roles(roles: dict[Part, list[str]]) -> list[Role]:
    """Every directory whose role is stated, once."""
    names = dict.fromkeys(name for named in roles.values() for name in named)
    return [(Path(name), tuple(role for role in ROLES if name in roles[role])) for name in names]


def _everything(group: Sequence[Role], options: argparse.Namespace) -> Everything:
    sets = [read_set(path, parts, nj=options.nj, audio=not options.no_wav) for path, parts in group]
    return Everything(settings=Config(), sets=tuple(_in_language(item, options.lang) for item in sets))


def _in_language(item: Set, lang: str | None) -> Set:
    """The set with a language for all its utterances, where it states none."""
    if lang is None or "utt2lang" in item.tables or "utt2lang" in item.unreadable:
        return item
    keys = item.entries("text") or item.entries(item.audio_file)
    made = Table(dict.fromkeys(keys, lang), array("Q", [0] * len(keys)), [], True)
    return dataclasses.replace(item, tables={**item.tables, "utt2lang": made})


def _findings(everything: Everything, options: argparse.Namespace) -> Iterator[tuple[Rule, Finding]]:
    """What the rules find, with advice for those who have no recipe."""
    waived = {"wav.scp"} if options.no_wav else set()
    waived |= {"text"} if options.no_text else set()
    fixes = {
        "utt2lang": """awk '{print $1, "en"}' text > utt2lang; to check without it: --lang en""",
        "utt2spk": "make it: an utterance and its speaker on each line",
        "wav.scp": "make it; or --no-wav where there is no audio, --unpaired DIR for text alone",
        "text": "make it; or --no-text where nobody has transcribed the speech",
    }
    for rule, found in check(everything):
        if rule.name == "missing-file":
            if found.path.name in waived:
                continue
            found = dataclasses.replace(found, fix=fixes.get(found.path.name, found.fix))
        elif rule.name == "missing-folder":
            found = dataclasses.replace(found, fix=f"correct its path; this is run in {Path.cwd()}")
        yield rule, found


def _verdict(checked: Sequence[Everything], counts: Counter[Rule]) -> int:
    sets = [item for everything in checked for item in everything.sets]
    utterances = sum(len(item.entries("text") or item.entries(item.audio_file)) for item in sets)
    errors = sum(count for rule, count in counts.items() if rule.level == "ERROR")
    warnings = sum(counts.values()) - errors
    said = f"{len(sets)} data directories" if len(sets) > 1 else str(sets[0].path)
    print(f"{said}: {utterances} utterances, {errors} errors, {warnings} warnings", flush=True)
    return 1 if errors else 0
