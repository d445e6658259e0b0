"""Which audio of a new data directory can be used: every corpus asks here, and stage 2 need not read it again."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from jointst.config import CorpusConfig
from jointst.data.audio import OVERSHOOT
from jointst.data.corpora.left_out import LeftOut, Losses
from jointst.data.directory import DataDirectory, Segment
from jointst.data.recordings import VERSION, Recording, examine
from jointst.data.rules.segments import TOLERANCE
from jointst.errors import DataError
from jointst.stage import write_atomically


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


def unusable(recording: Recording) -> str:
    """What is wrong with a recording as a whole, or an empty string."""
    if recording.fault:
        return recording.problem
    return "" if math.isfinite(recording.peak) else "holds samples that are not finite numbers"


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
    for utterance in list(made.text):
        key = made.recording(utterance)
        recording, entry = found[key], made.wav_scp[key]
        reason, problem, segment = "", unusable(recording), made.segments.get(utterance)
        if problem:
            # A folder that may not be entered, and a name that is too long, are missing files to most.
            missing = recording.fault == "audio-missing" or not os.path.exists(entry)
            reason, problem = "audio-missing" if missing else "audio-unreadable", f"{entry}: {problem}"
        elif segment and (segment.start >= recording.seconds or segment.end > recording.seconds + OVERSHOOT):
            reason = "times"
            problem = f"{segment} lies outside its recording of {recording.seconds:.2f} s: {entry}"
        elif segment and segment.end > recording.seconds + TOLERANCE:
            made.segments[utterance] = dataclasses.replace(segment, end=recording.seconds)
        if reason:
            path, line = places.get(utterance, (losses.source, 0))
            losses.add(reason, DataError(problem, path=path, line=line or None, utterance=utterance))
            drop(made, utterance)
    if made.segments or not made.text:
        used = {segment.recording for segment in made.segments.values()}
        for key in [key for key in made.wav_scp if key not in used]:
            del made.wav_scp[key]


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
