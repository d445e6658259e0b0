"""What a corpus lists and cannot be used: left out, counted and named, up to a share; one way for every corpus.

A few bad recordings or lines are in every large corpus and must not cost the rest of it; many of them mean a broken
download, a wrong table or wrong settings, and preparing what is left would hide that.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from jointst.common.errors import DataError
from jointst.common.files import write_atomically

REASONS = {
    "audio-missing": "correct the paths, or bring the files back: unpack the corpus again",
    "audio-unreadable": "fetch these files again: a download that broke off leaves empty files, halves and web pages",
    "audio-silent": "listen to them: a microphone was dead, or the channels cancel each other",
    "audio-scale": "divide the samples by full scale: sox --norm=-1 IN OUT.wav",
    "audio-path": "rename these files",
    "fields": "look at these lines: one line for each recording, as many fields as the heading",
    "encoding": "the file is damaged or not UTF-8: unpack it again, or save it as UTF-8",
    "language": "correct the languages, or name them in corpus.languages",
    "speaker": "correct the speakers",
    "split": "correct the splits",
    "times": "the times are not those of this audio: look whether it is another release",
    "twice": "list each recording once",
    "words": "look at the transcripts, and whether they are in the language that is stated",
}
"""Why a line is left out, and what to do where there are many of the kind."""
SHOWN = 10
"""Lines in a message of an error; all are in the list."""
NAMED = 3
"""Lines that are named where few enough are left out."""


class Loss(NamedTuple):
    """A line that is left out: where it belongs, one of :data:`REASONS`, and what is wrong with it."""

    part: str
    reason: str
    fault: DataError


class Losses:
    """What one part of a corpus loses.

    Attributes:
        part: what it is called in messages.
        source: the file or folder that it is read from.
        lost: the lines, in the order in which they were found.
    """

    def __init__(self, part: str, source: Path) -> None:
        self.part = part
        self.source = source
        self.lost: list[Loss] = []

    def add(self, reason: str, fault: DataError) -> None:
        """Leave a line out."""
        assert reason in REASONS, reason
        self.lost.append(Loss(self.part, reason, fault))

    @property
    def reasons(self) -> str:
        """The counts in words, most frequent first."""
        counts = Counter(loss.reason for loss in self.lost)
        return ", ".join(f"{reason} {count}" for reason, count in counts.most_common())


class LeftOut:
    """What a corpus loses, part by part.

    Args:
        corpus: its name.
        data: folder of the data directories; the list of lines is written there.
        most: share of a part's lines that may be lost.
    """

    def __init__(self, corpus: str, data: Path, most: float) -> None:
        self.corpus = corpus
        self.most = most
        self.path = data / f"left_out_{corpus}.tsv"
        self._lost: list[Loss] = []
        self.path.unlink(missing_ok=True)

    def close(self, losses: Losses, kept: int) -> None:
        """Say what a part lost, and put it on the list.

        Raises:
            DataError: nothing is left of the part, or more is lost than may be.
        """
        lost = len(losses.lost)
        if not lost:
            return
        self._lost += losses.lost
        self._write()
        listed = lost + kept
        said = f"{lost} of {listed} transcripts of {losses.part} cannot be used ({losses.reasons})"
        if kept and lost <= self.most * listed:
            named = [f"  {loss.fault}" for loss in losses.lost[:NAMED]]
            more = [f"  and {lost - NAMED} more"] if lost > NAMED else []
            again = "once they are mended, run stage 1 with --force"
            head = f"corpus {self.corpus}: {said}: left out, listed in {self.path} ({again})"
            print("\n".join([head, *named, *more]), file=sys.stderr)
            return
        shown = [str(loss.fault) for loss in losses.lost[:SHOWN]]
        shown += [f"and {lost - SHOWN} more, all in {self.path}" if lost > SHOWN else f"listed in {self.path}"]
        reason = Counter(loss.reason for loss in losses.lost).most_common(1)[0][0]
        fix = REASONS[reason]
        if kept:
            said += f"; corpus.most_left_out allows {100 * self.most:g} %"
            share = -(-100 * lost // listed) / 100  # rounded up
            fix += f"; to train on the {kept} others all the same, set corpus.most_left_out to {share:g}"
        raise DataError("\n".join([f"{said}:", *shown, ""]), path=losses.source, fix=fix)

    def _write(self) -> None:
        rows = ["part\treason\tfile\tline\tutterance\tproblem\tfix\n"]
        for part, reason, fault in self._lost:
            where = "" if fault.path is None else str(fault.path)
            cells = (part, reason, where, str(fault.line or ""), fault.utterance or "", fault.problem, fault.fix)
            rows.append("\t".join(" ".join(cell.split()) for cell in cells) + "\n")
        # A path that is not UTF-8 is written as it can be.
        write_atomically(self.path, "".join(rows).encode(errors="backslashreplace"))
