"""What ``jointst fix`` does to a set: a draft of its files, and one function for each repair.

A repair changes the draft alone, and notes every line that it changes or drops. What it does not understand (a line
that is not UTF-8, a key with two values) it leaves as it is, for a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from jointst.common.errors import DataError
from jointst.common.languages import LANGUAGES
from jointst.data.rules import Everything, Set
from jointst.data.rules.keys import breaks, plain_code
from jointst.data.rules.leaks import Leak, repeated_sentences, shared_audio, shared_sentences
from jointst.data.rules.segments import TOLERANCE, empty_segments, past_end
from jointst.data.rules.transcripts import CONTROL, LETTER, SPACES, normalised
from jointst.kaldi.audio import OVERSHOOT
from jointst.kaldi.directory import Segment, invert
from jointst.kaldi.tables import BOM, sort_keys
from jointst.text.marks import strip_marks


class Change(NamedTuple):
    """One line that was changed or dropped."""

    rule: str
    path: Path
    key: str
    action: Literal["dropped", "changed"]
    content: str


@dataclass
class Draft:
    """A set in repair.

    Attributes:
        item: the set as it was found.
        tables: value of each key, by file.
        kept: lines that only a person can mend, by file.
        changes: what was done so far.
        marks: marks of transcribers of the corpus's own.
        dropped: utterances that are no longer in it, also those that only some of its files had.
    """

    item: Set
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    kept: dict[str, list[bytes]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    marks: tuple[str, ...] = ()
    dropped: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, item: Set, marks: tuple[str, ...] = ()) -> Draft:
        """The draft of a set; lines that are not as they must be are mended, dropped or kept."""
        draft = cls(item, marks=marks)
        for file in item.tables:
            draft.tables[file] = dict(item.entries(file))
            draft.kept[file] = []
            _read_faulty_lines(draft, file)
        return draft

    @property
    def found(self) -> int:
        """Utterances that any of its files had."""
        return len(set().union(*(self.item.entries(file) for file in self.utterance_files)))

    @property
    def utterance_files(self) -> list[str]:
        """The files that are keyed by utterance."""
        audio = (self.item.audio_file,) if self.item.paired else ()
        return [file for file in ("text", "utt2lang", "utt2spk", *audio) if file in self.tables]

    def note(self, rule: str, file: str, key: str, action: Literal["dropped", "changed"], content: str) -> None:
        """Remember what was done to a line, with what it was before."""
        self.changes.append(Change(rule, self.item.path / file, key, action, content))

    def remove(self, rule: str, key: str) -> None:
        """Drop an utterance from every file, unless another line of it is for a person to judge."""
        if key in self.unclear:
            return
        for file in self.utterance_files:
            if key in self.tables[file]:
                self.note(rule, file, key, "dropped", self.tables[file].pop(key))
        self.dropped.add(key)

    def set_text(self, rule: str, key: str, value: str) -> None:
        """Change a transcript."""
        self.note(rule, "text", key, "changed", self.tables["text"][key])
        self.tables["text"][key] = value

    @cached_property
    def unclear(self) -> set[str]:
        """Keys of lines that only a person can mend: they are missing nowhere."""
        return {_key(line).decode(errors="replace") for lines in self.kept.values() for line in lines}

    def content(self, file: str) -> bytes:
        """The file as it should be."""
        table = self.tables[file]
        if not self.kept.get(file):
            return "".join(f"{key} {table[key]}".rstrip(" ") + "\n" for key in sort_keys(table)).encode()
        lines = [f"{key} {value}".rstrip(" ").encode() for key, value in table.items()] + self.kept[file]
        return b"".join(line + b"\n" for line in sorted(lines, key=_key))


def _key(line: bytes) -> bytes:
    return re.split(rb"[ \t]", line, maxsplit=1)[0]


def _read_faulty_lines(draft: Draft, file: str) -> None:
    """Note what is wrong with lines, and find those that are not in the table."""
    path = draft.item.path / file
    wanted = {fault.line: fault for fault in draft.item.tables[file].faults}
    if not wanted:
        return
    with open(path, "rb") as stream:
        for number, raw in enumerate(stream, start=1):
            if number not in wanted:
                continue
            fault = wanted[number]
            line = raw.removeprefix(BOM if number == 1 else b"").rstrip(b"\r\n").lstrip(b" \t")
            shown = line.decode(errors="backslashreplace")
            if fault.rule in ("encoding", "zero-byte", "repeated-key"):
                draft.kept[file].append(line)
            elif fault.rule in ("blank-line", "missing-value", "repeated-line"):
                draft.note(fault.rule, file, fault.utterance or "", "dropped", shown)
            else:
                draft.note(fault.rule, file, "", "changed", shown)


def mend_order(draft: Draft) -> None:
    """Note files out of order or without a last line feed; every file is written sorted and whole."""
    for file, table in draft.item.tables.items():
        if list(table.entries) != sort_keys(table.entries):
            draft.note("sorting", file, "", "changed", "sorted")
        if not table.terminated:
            draft.note("line-feed", file, "", "changed", "a line feed at the end")


def mend_text(draft: Draft) -> None:
    """Write transcripts as the normaliser does, without marks and invisible characters; drop what has no letters."""
    languages = draft.tables.get("utt2lang", {})
    for key, value in list(draft.tables["text"].items()):
        said, marks = strip_marks(value, draft.marks)
        if marks:
            draft.set_text("transcriber-mark", key, value := said)
        visible = CONTROL.sub(" ", value)
        if visible != value:
            draft.set_text("control-character", key, " ".join(visible.split()))
        elif SPACES.search(value):
            draft.set_text("spaces", key, " ".join(value.split()))
        value = draft.tables["text"][key]
        wanted = normalised(value, languages.get(key, ""))
        if wanted != value:
            draft.set_text("not-normalised", key, value := wanted)
        if not value:
            draft.remove("empty-transcript", key)
        elif not LETTER.search(value):
            draft.remove("no-letters", key)


def mend_keys(draft: Draft) -> None:
    """Drop lines without a transcript, and utterances that lack a language, a speaker or audio."""
    unclear = draft.unclear
    for file in draft.utterance_files:
        for key in draft.tables[file].keys() - draft.tables["text"].keys() - unclear:
            draft.note("extra-key", file, key, "dropped", draft.tables[file].pop(key))
            draft.dropped.add(key)
    for key in list(draft.tables["text"]):
        if key not in unclear and any(key not in draft.tables[file] for file in draft.utterance_files):
            draft.remove("missing-key", key)


def mend_segments(draft: Draft) -> None:
    """End segments with their recordings, and drop recordings without segments."""
    if "segments" not in draft.tables:
        return
    segments = draft.tables["segments"]
    for key, value in segments.items():
        try:
            segment = Segment.parse(value)
        except DataError:
            continue
        found = draft.item.recordings.get(segment.recording)
        if found and not found.fault and TOLERANCE < past_end(segment, found.seconds) <= OVERSHOOT:
            draft.note("segment-overshoot", "segments", key, "changed", value)
            # Rounded down: the end must not lie behind the last sample.
            segments[key] = str(Segment(segment.recording, segment.start, int(found.seconds * 10000) / 10000))
    if draft.kept["segments"] or "wav.scp" not in draft.tables:
        return
    used = {part for value in segments.values() for part in value.split()[:1]}
    for key in sorted(draft.tables["wav.scp"].keys() - used):
        draft.note("unused-recording", "wav.scp", key, "dropped", draft.tables["wav.scp"].pop(key))


def mend_speakers(draft: Draft) -> None:
    """Make spk2utt from utt2spk."""
    if "utt2spk" not in draft.tables or draft.kept["utt2spk"]:
        return
    wanted = invert(draft.tables["utt2spk"])
    found = draft.item.entries("spk2utt")
    if found != wanted or draft.kept.get("spk2utt"):
        rule = "spk2utt" if "spk2utt" in draft.item.tables else "missing-spk2utt"
        draft.note(rule, "spk2utt", "", "changed", f"{len(found)} speakers, now {len(wanted)}")
    draft.tables["spk2utt"] = wanted
    draft.kept["spk2utt"] = []


def mend_speaker_names(draft: Draft) -> None:
    """Write _ for spaces in the names of speakers, unless that is another's name."""
    speakers = draft.tables.get("utt2spk", {})
    taken = set(speakers.values())
    for key, speaker in speakers.items():
        name = "_".join(speaker.split())
        if breaks(speaker) and not breaks(name) and name not in taken:
            draft.note("speaker-name", "utt2spk", key, "changed", speaker)
            speakers[key] = name


def mend_languages(draft: Draft) -> None:
    """Write the codes of languages that are written with capitals or regions."""
    languages = draft.tables.get("utt2lang", {})
    for key, lang in languages.items():
        if lang not in LANGUAGES and plain_code(lang):
            draft.note("language-code", "utt2lang", key, "changed", lang)
            languages[key] = plain_code(lang)


def mend_empty_segments(draft: Draft) -> None:
    """Drop utterances whose segments have no length."""
    for key in empty_segments(draft.item):
        draft.remove("segment-empty", key)


IN_SET: tuple[Callable[[Draft], None], ...] = (
    mend_order,
    mend_text,
    mend_keys,
    mend_speaker_names,
    mend_languages,
    mend_empty_segments,
)
"""Repairs within a set, before what sets share is looked at."""
AT_LAST: tuple[Callable[[Draft], None], ...] = (mend_keys, mend_segments, mend_speakers)
"""Repairs that depend on which utterances are left."""


def mend_leaks(drafts: dict[Path, Draft], everything: Everything) -> None:
    """Drop from training what development and test sets have, and sentences that occur twice in unpaired text.

    Args:
        drafts: by folder.
        everything: the sets as the drafts have them.
    """
    found: list[tuple[str, Leak]] = [
        *(("audio-overlap", Leak(item, span.key, where)) for item, span, where in shared_audio(everything)),
        *(("sentence-overlap", leak) for leak in shared_sentences(everything, "train")),
        *(("unpaired-leak", leak) for leak in shared_sentences(everything, "unpaired")),
        *(("repeated-sentence", leak) for leak in repeated_sentences(everything)),
    ]
    for rule, leak in found:
        draft = drafts[leak.item.path]
        if leak.key in draft.tables["text"]:
            draft.remove(rule, leak.key)
