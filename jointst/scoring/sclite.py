"""NIST sclite, from Debian's package ``sctk``: its own tables beside ours."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from jointst.common.errors import EnvironmentFault
from jointst.common.files import write_atomically
from jointst.scoring.counts import Counts, Scored

# What sclite reads as alternatives, optional words, nulls, comments or ids; the full-width twins mean nothing to it.
_SPECIAL = '(){}/@*;<>[]^"%\\&#'
_ESCAPES = {ord(mark): ord(mark) + 0xFEE0 for mark in _SPECIAL}

_SPEAKER_ROW = re.compile(r"^\s*\|\s*(\S+)\s*\|((?:\s+\d+){2})\s*\|((?:\s+\d+){6})\s*\|\s*$", re.MULTILINE)


def executable() -> list[str] | None:
    """The command that runs sclite, if it is installed."""
    if shutil.which("sclite"):
        return ["sclite"]
    return ["sctk", "sclite"] if shutil.which("sctk") else None


def escape(text: str) -> str:
    """Text without the marks that sclite gives a meaning to: they become their full-width forms."""
    return text.translate(_ESCAPES)


def write_trn(path: Path, lines: Iterable[tuple[str, str, list[str]]]) -> None:
    """Write sclite's transcript format: ``tokens (language-utterance)``.

    Args:
        path: the file.
        lines: language, utterance id and tokens. sclite takes the language for the speaker and so makes a row of it.
    """
    content = [f"{escape(' '.join(tokens))} ({lang}-{escape(utterance)})\n" for lang, utterance, tokens in lines]
    write_atomically(path, "".join(content))


def run_sclite(scored: list[Scored], folder: Path) -> dict[str, Counts]:
    """Score with sclite in each language's main unit; its reports are written into ``folder``.

    Writes ``ref.trn``, ``hyp.trn``, ``summary.txt`` (rates), ``counts.txt`` (counts) and ``alignments.txt``.

    Args:
        scored: utterances; their words or characters become sclite's words.
        folder: is made.

    Returns:
        Language to sclite's own counts.

    Raises:
        EnvironmentFault: sclite is not installed, or fails on these files.
    """
    command = executable()
    if command is None:
        raise EnvironmentFault("sclite is not installed (apt-get install sctk, or set scoring.sclite to auto or no)")
    reference, hypothesis = folder / "ref.trn", folder / "hyp.trn"
    write_trn(reference, ((item.lang, item.utterance, item.main_tokens[0]) for item in scored))
    write_trn(hypothesis, ((item.lang, item.utterance, item.main_tokens[1]) for item in scored))
    # -s: case is kept (texts are normalised already); spu_id: the speaker is what stands before the first dash.
    options = ["-s", "-e", "utf-8", "-i", "spu_id", "-r", reference.name, "trn", "-h", hypothesis.name, "trn"]
    reports = {}
    for report, name in (("sum", "summary.txt"), ("rsum", "counts.txt"), ("pralign", "alignments.txt")):
        words = [*command, *options, "-o", report, "stdout"]
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False)  # its tables hold the files' names
        output = done.stdout.decode("utf-8", errors="replace")
        if done.returncode:
            problem = done.stderr.decode("utf-8", errors="replace").strip()[-500:]
            raise EnvironmentFault(f"sclite failed on {folder} with status {done.returncode}: {problem}")
        write_atomically(folder / name, output.strip("\n") + "\n")
        reports[report] = output
    return parse_counts(reports["rsum"])


def parse_counts(report: str) -> dict[str, Counts]:
    """Counts of each speaker (here: language) in sclite's raw summary."""
    found = {}
    for speaker, _, numbers in _SPEAKER_ROW.findall(report):
        hits, substitutions, deletions, insertions, _, _ = (int(number) for number in numbers.split())
        if not speaker.startswith("Sum"):
            found[speaker] = Counts(hits=hits, substitutions=substitutions, deletions=deletions, insertions=insertions)
    return found
