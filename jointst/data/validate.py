"""Stage 2: a verdict on every data directory; the rules are in jointst/data/rules.py."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from jointst.data.audio import is_ark, load_audio
from jointst.data.directory import FILES, MAY_BE_EMPTY, scan_table
from jointst.data.rules import RULES, Everything, Finding, Part, Set
from jointst.errors import DataError
from jointst.progress import progress
from jointst.stage import Context, Made, write_atomically
from jointst.units import Seconds

SHOWN = 20
"""Findings of one rule that are printed; all of them are in the report."""


def read_set(path: Path, parts: tuple[Part, ...]) -> Set:
    """Read a data directory as it is, with the durations that its audio files' headers state."""
    files = [file for file in (*FILES.values(), "spk2utt") if (path / file).exists()]
    tables = {}
    for file in files:
        if file in ("feats.scp", "utt2num_frames", "phones"):
            continue  # made by later stages, which check them
        tables[file] = scan_table(path / file, allow_empty=file in MAY_BE_EMPTY)
    entries = tables["wav.scp"].entries if "wav.scp" in tables else {}
    bar = progress(entries.items(), desc=f"audio of {path.name}", unit="file")
    return Set(path=path, parts=parts, tables=tables, durations={key: _duration(entry) for key, entry in bar})


def _duration(entry: str) -> Seconds | str:
    """Seconds of an audio file, from its header; or what is wrong with it."""
    import soundfile

    try:
        if entry.endswith("|") or is_ark(entry):  # no header to look at
            return len(load_audio(entry, None, 16000)) / 16000
        if not Path(entry).is_file():
            return "there is no such file"
        found = soundfile.info(entry)
    except DataError as fault:
        return fault.problem
    except (soundfile.SoundFileError, RuntimeError) as error:
        return f"cannot be read as audio: {error}"
    return float(found.frames) / float(found.samplerate) if found.frames > 0 else "holds no samples"


def check(everything: Everything) -> list[tuple[str, Finding]]:
    """Apply every rule; findings with the id of their rule."""
    return [(name, finding) for name, function in RULES.items() for finding in function(everything)]


def run(context: Context) -> Made:
    """Check every set, print the findings and write ``validate.tsv``.

    Raises:
        DataError: there was at least one error.
    """
    config = context.config.data
    roles: dict[Part, tuple[str, ...]] = {
        "train": config.train,
        "dev": config.dev,
        "test": config.test,
        "unpaired": config.unpaired,
    }
    names = {name: tuple(part for part, members in roles.items() if name in members) for name in context.all_sets}
    sets = tuple(read_set(context.data / name, parts) for name, parts in names.items())
    findings = check(Everything(config=config, sets=sets))
    report = context.data / "validate.tsv"
    rows = ["\t".join(("level", "rule", "file", "line", "utterance", "message", "fix"))]
    for name, item in findings:
        cells = (item.level, name, str(item.path), str(item.line), item.utterance, item.message, item.fix)
        rows.append("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells))
    write_atomically(report, "\n".join(rows) + "\n")
    _print(findings)
    errors = Counter(name for name, item in findings if item.level == "ERROR")
    if errors:
        kinds = ", ".join(f"{name} {count}" for name, count in errors.items())
        raise DataError(f"{sum(errors.values())} errors ({kinds})", path=report, fix="mend them, run this stage again")
    utterances = sum(len(item.entries("text")) for item in sets)
    return Made(what=f"{len(sets)} sets, {utterances} utterances, 0 errors, {len(findings)} warnings", where=report)


def _print(findings: list[tuple[str, Finding]]) -> None:
    printed: Counter[tuple[str, str]] = Counter()
    for name, item in findings:
        printed[name, item.level] += 1
        if printed[name, item.level] <= SHOWN:
            where = f"{item.path}:{item.line}" if item.line else str(item.path)
            subject = f"{where} {item.utterance}" if item.utterance else where
            print(f"{item.level} {name} {subject}: {item.message}" + (f" ({item.fix})" if item.fix else ""), flush=True)
    for (name, level), count in printed.items():
        if count > SHOWN:
            print(f"{level} {name}: {count - SHOWN} more, see validate.tsv", flush=True)
