"""Which utterances of a new data directory can be used: every corpus asks here; stage 2 need not read audio again."""

from __future__ import annotations

import dataclasses
import json
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.config import Config, CorpusConfig
from jointst.data.corpora.left_out import LeftOut, Losses
from jointst.data.rules import RULES, Everything, Set
from jointst.data.rules.segments import TOLERANCE
from jointst.kaldi.audio import OVERSHOOT
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.recordings import VERSION, Recording, examine
from jointst.kaldi.tables import Table

RULES_OF_ONE = {
    "audio-missing": "audio-missing",
    "audio-unreadable": "audio-unreadable",
    "audio-empty": "audio-unreadable",
    "audio-not-finite": "audio-unreadable",
    "audio-silent": "audio-silent",
    "audio-scale": "audio-scale",
    "segment-outside": "times",
    "no-letters": "words",
    "control-character": "words",
    "damaged-character": "words",
}
"""Rules of stage 2 about one utterance, whose errors would refuse the whole corpus there, and the reason to give."""


def remembered(data: Path, name: str) -> Path:
    """Where stage 2 looks for what is known of the audio of the set ``name``."""
    return data / ".stages" / f"audio_{name}.json"


def join_remembered(parts: Iterable[Path], into: Path) -> None:
    """Put what is known of the audio of several parts together."""
    files = {}
    for part in parts:
        if part.is_file():
            files.update(json.loads(part.read_bytes())["files"])
    write_atomically(into, json.dumps({"version": VERSION, "files": files}, ensure_ascii=False) + "\n")


def is_plain(path: str) -> bool:
    """Whether a path can stand in ``wav.scp`` and be nothing else there: no line breaks, no pipe, UTF-8."""
    if not path or path != path.strip() or path.endswith("|") or "\n" in path or "\r" in path or "\0" in path:
        return False
    return "\\ud" not in ascii(path)


def drop_unusable(
    made: DataDirectory, places: Mapping[str, tuple[Path, int]], losses: Losses, nj: int, known: Path
) -> None:
    """Read all audio of a set, and take out of its tables the utterances whose audio cannot be used.

    Segments that end a little after their recordings end with them.

    Args:
        made: the set; its tables are changed.
        places: file and line of each utterance, for messages; line 0 where it has none.
        losses: gets what is taken out.
        nj: processes.
        known: file that keeps what is found of the audio.
    """
    found = examine(made.wav_scp, nj, known, f"audio of {losses.part}")
    for utterance, segment in made.segments.items():
        seconds = found[segment.recording].seconds
        if segment.start < seconds and seconds + TOLERANCE < segment.end <= seconds + OVERSHOOT:
            made.segments[utterance] = dataclasses.replace(segment, end=seconds)
    for utterance, (reason, problem, fix) in _faults(made, found).items():
        path, line = places.get(utterance, (losses.source, 0))
        losses.add(reason, DataError(problem, path=path, line=line or None, utterance=utterance, fix=fix))
        drop(made, utterance)
    _drop_unused_recordings(made)


def _faults(made: DataDirectory, found: dict[str, Recording]) -> dict[str, tuple[str, str, str]]:
    """Utterances that stage 2 would refuse: one of the reasons of :mod:`.left_out`, what is wrong, and the fix."""
    files = {"text": made.text, "wav.scp": made.wav_scp}
    if made.segments:
        files["segments"] = {key: str(segment) for key, segment in made.segments.items()}
    tables = {file: Table(table, array("Q", bytes(8 * len(table))), [], True) for file, table in files.items()}
    item = Set(path=made.path, parts=("train",), tables=tables, recordings=found)
    spoken: dict[str, list[str]] = {}
    for utterance in made.text:
        spoken.setdefault(made.recording(utterance), []).append(utterance)
    faults: dict[str, tuple[str, str, str]] = {}
    for name, reason in RULES_OF_ONE.items():
        for finding in RULES[name].check(Everything(settings=Config(), sets=(item,))):
            key, problem = finding.utterance, finding.message
            if finding.path.name == "wav.scp" and made.wav_scp[key] not in problem:
                problem = f"{made.wav_scp[key]}: {problem}"
            for utterance in spoken[key] if finding.path.name == "wav.scp" else [key]:
                faults.setdefault(utterance, (reason, problem, finding.fix))
    return faults


def keep_usable(
    corpus: str, sets: Iterable[DataDirectory], config: CorpusConfig, data: Path, nj: int, losses: Losses
) -> None:
    """Take what cannot be used out of all sets of a corpus that is one part, and say what was lost.

    Raises:
        DataError: more is lost than ``config.most_left_out``.
    """
    left_out = LeftOut(corpus, data, config.most_left_out)
    sets = list(sets)
    for item in sets:
        drop_unusable(item, {}, losses, nj, remembered(data, item.path.name))
    left_out.close(losses, sum(len(item.text) for item in sets))


def drop(made: DataDirectory, utterance: str) -> None:
    """Take an utterance out of every table that is keyed by utterances."""
    tables: list[dict[str, str] | dict[str, Segment]] = [made.text, made.utt2spk, made.utt2lang, made.segments]
    if not made.segments:
        tables.append(made.wav_scp)
    for table in tables:
        table.pop(utterance, None)


def drop_all(made: DataDirectory, utterances: Iterable[str]) -> None:
    """Take utterances out of every table, and the recordings that no other utterance is a part of."""
    for utterance in utterances:
        drop(made, utterance)
    _drop_unused_recordings(made)


def _drop_unused_recordings(made: DataDirectory) -> None:
    if made.segments or not made.text:
        used = {segment.recording for segment in made.segments.values()}
        for key in [key for key in made.wav_scp if key not in used]:
            del made.wav_scp[key]
