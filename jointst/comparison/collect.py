"""What finished cells have left: errors of every utterance, words never heard, speed, updates, training time."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jointst.common.errors import DataError
from jointst.common.languages import language
from jointst.common.units import Seconds
from jointst.comparison.grid import Cell
from jointst.scoring.significance import Array, Errors
from jointst.training.log import read_log

ALL = ""
"""The part of a test set that is all of it; the others are voices ``seen`` and ``unseen`` in training, and the next."""
TEXT_ONLY = "text_only"
"""The part in languages that some system had no training speech in (``data.text_only_languages``)."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One utterance as one decoder recognised it.

    Attributes:
        lang: ISO 639-1 code.
        voice: seen or unseen; None where that is not known.
        errors: in the unit of the language.
        length: reference tokens.
        words: of the reference, also where characters are counted.
        recognised: words never heard in training that were recognised.
        occurrences: how many there were.
    """

    lang: str
    voice: str | None
    errors: int
    length: int
    words: int
    recognised: int
    occurrences: int


@dataclass(frozen=True, kw_only=True)
class CellScores:
    """Scores of one cell.

    Attributes:
        lines: test set and decoder to utterances.
        rtfx: test set and decoder to seconds of audio for each second of decoding.
        updates: of the training.
        seconds: of the training.
        dev_losses: at the last update, a label, by decoder: ``streaming``, ``full_context``.
        versions: ``versions.json``.
    """

    lines: dict[tuple[str, str], dict[str, Line]]
    rtfx: dict[tuple[str, str], float]
    updates: int
    seconds: Seconds
    dev_losses: dict[str, float]
    versions: dict[str, Any]


def read_cell(cell: Cell) -> CellScores:
    """Scores of a finished cell.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = cell.context.exp
    lines: dict[tuple[str, str], dict[str, Line]] = {}
    path, command = folder / "score" / "utterances.jsonl", "score"
    try:
        for text in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(text)
            lines.setdefault((record["set"], record["decoder"]), {})[record["utterance"]] = _line(record)
        path = folder / "score" / "scores.json"
        sets = json.loads(path.read_text(encoding="utf-8"))["sets"]
        rtfx = {
            (name, key.removeprefix("rtfx_")): float(value)
            for name, record in sets.items()
            for key, value in (record["speed"] or {}).items()
            if key.startswith("rtfx_")
        }
        path, command = folder / "versions.json", "train"
        versions = json.loads(path.read_text(encoding="utf-8"))
        path = folder / "log.jsonl"
        log = read_log(path)
        updates, seconds = int(log[-1]["update"]), float(log[-1]["seconds"])
        dev_losses = _dev_losses(log)
    except (OSError, ValueError, LookupError, StopIteration) as error:
        raise _damaged(path, error, cell, command) from None
    return CellScores(
        lines=lines, rtfx=rtfx, updates=updates, seconds=seconds, dev_losses=dev_losses, versions=versions
    )


def read_json(path: Path, cell: Cell, command: str) -> Any:
    """What a command left in a finished cell.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error, cell, command) from None


def _damaged(path: Path, error: Exception, cell: Cell, command: str) -> DataError:
    fix = f"make it again: jointst {command} --force {' '.join(cell.arguments)}"
    return DataError(f"is missing or damaged: {error!r}", path=path, fix=fix)


def _dev_losses(log: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Of the last validation in a log, by decoder."""
    last = next(line for line in reversed(log) if "dev_loss" in line)
    prefix = "dev_"
    return {key.removeprefix(prefix): last[key] for key in last if key.startswith(prefix) and key != "dev_loss"}


def _line(record: dict[str, Any]) -> Line:
    counts = record["words" if language(record["language"]).scoring_unit == "word" else "characters"]
    unheard = record["unheard_words"]
    return Line(
        lang=record["language"],
        voice=record["voice"],
        errors=counts["substitutions"] + counts["deletions"] + counts["insertions"],
        length=counts["length"],
        words=record["words"]["length"],
        recognised=unheard["recognised"],
        occurrences=unheard["occurrences"],
    )


def utterances_of(
    seeds: Sequence[dict[str, Line]], part: str = ALL, text_only_languages: Collection[str] = ()
) -> list[str]:
    """Ids of the utterances of a part of a test set, sorted; text_only: those in languages without training speech."""
    if part == TEXT_ONLY:
        return sorted(key for key, line in seeds[0].items() if line.lang in text_only_languages)
    return sorted(key for key, line in seeds[0].items() if part in (ALL, line.voice))


def errors_of(seeds: Sequence[dict[str, Line]], utterances: Sequence[str], path: Path) -> Errors:
    """Errors of the seeds of a system.

    Raises:
        DataError: the seeds were scored on different utterances.
    """
    for lines in seeds:
        if lines.keys() != seeds[0].keys() or not set(utterances) <= lines.keys():
            raise DataError("cells were scored on different utterances", path=path, fix="decode and score them again")
    first = [seeds[0][key] for key in utterances]
    return Errors(
        errors=np.array([[lines[key].errors for key in utterances] for lines in seeds], np.float64),
        lengths=np.array([line.length for line in first], np.float64),
        languages=np.array([line.lang for line in first], np.str_),
    )


def recall_of(seeds: Sequence[dict[str, Line]], utterances: Sequence[str]) -> tuple[Array, Array]:
    """Words never heard in training: recognised (K, U), and how many there were (U,)."""
    hits = np.array([[lines[key].recognised for key in utterances] for lines in seeds], np.float64)
    return hits, np.array([seeds[0][key].occurrences for key in utterances], np.float64)
