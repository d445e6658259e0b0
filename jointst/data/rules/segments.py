"""Rules about parts of recordings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from jointst.common.errors import DataError
from jointst.common.units import Seconds
from jointst.data.rules.frame import Everything, Finding, Set, rule
from jointst.kaldi.audio import OVERSHOOT, is_ark
from jointst.kaldi.directory import Segment

TOLERANCE: Seconds = 0.01
"""Times are often rounded to hundredths of a second."""
OVERLAP: Seconds = 0.5
"""Segments that share more of a recording give a warning."""


class Span(NamedTuple):
    """What an utterance is of a recording.

    Attributes:
        place: the audio, however it is written.
        start: seconds.
        end: seconds; without bound where the recording's end is meant.
        key: of the utterance.
        file: the table that says so.
    """

    place: str
    start: float
    end: float
    key: str
    file: str


def place(entry: str) -> str:
    """What an entry of wav.scp names, however it is written: one file has one place; arks differ in their offsets."""
    if entry.endswith("|"):
        return entry
    if is_ark(entry):
        file, _, offset = entry.rpartition(":")
        return f"{_real(file)}:{offset}"
    return _real(entry)


def _real(file: str) -> str:
    """``os.path.realpath``, which would look at every folder of a path again for every file in it."""
    folder, name = os.path.split(file)
    path = os.path.join(_real_folder(os.getcwd(), folder), name)
    return os.path.realpath(path) if name in ("", ".", "..") or os.path.islink(path) else path


@lru_cache(maxsize=4096)
def _real_folder(start: str, folder: str) -> str:
    return os.path.realpath(os.path.join(start, folder))


def spans(item: Set) -> Iterator[Span]:
    """The audio of every utterance of a set, as far as its tables can be read."""
    entries = item.entries("wav.scp")
    if "segments" not in item.tables:
        for key, entry in entries.items():
            yield Span(place(entry), 0.0, float("inf"), key, "wav.scp")
        return
    places = {key: place(entry) for key, entry in entries.items()}
    for key, segment in _sound(item):
        if segment.recording in places:
            end = float("inf") if segment.end == -1 else segment.end
            yield Span(places[segment.recording], segment.start, end, key, "segments")


def _fields(value: str) -> tuple[str, float, float] | None:
    parts = value.split()
    try:
        recording, start, end = parts[0], float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        return None
    return (recording, start, end) if len(parts) == 3 and start == start and end == end else None


def _sound(item: Set) -> Iterator[tuple[str, Segment]]:
    """The segments that can be read."""
    for key, value in item.entries("segments").items():
        try:
            yield key, Segment.parse(value)
        except DataError:
            continue


@rule("segment-fields", "ERROR")
def segment_fields(everything: Everything) -> Iterator[Finding]:
    """A segment is: utterance recording start end."""
    for item in everything.sets:
        for key, value in item.entries("segments").items():
            if _fields(value) is None:
                yield item.at("segments", key, f"{value!r} is not a segment", "utterance recording start end")


@rule("segment-negative", "ERROR")
def segment_negative(everything: Everything) -> Iterator[Finding]:
    """No segment begins before its recording."""
    for item in everything.sets:
        for key, value in item.entries("segments").items():
            fields = _fields(value)
            if fields and fields[1] < 0:
                yield item.at("segments", key, f"begins at {fields[1]:g} s", "a start is at least 0")


@rule("segment-backwards", "ERROR")
def segment_backwards(everything: Everything) -> Iterator[Finding]:
    """Every segment ends after it begins (-1 is the end of the recording)."""
    for item in everything.sets:
        for key, value in item.entries("segments").items():
            fields = _fields(value)
            if fields and fields[1] > fields[2] != -1:
                yield item.at("segments", key, f"ends at {fields[2]:g} s, begins at {fields[1]:g} s", "correct it")


@rule("segment-empty", "ERROR", mends="removes the utterance from every file")
def segment_empty(everything: Everything) -> Iterator[Finding]:
    """No segment is of no length, as some tools write them for pauses."""
    for item in everything.sets:
        for key in empty_segments(item):
            yield item.at("segments", key, "ends where it begins", "remove the utterance from every file")


def empty_segments(item: Set) -> Iterator[str]:
    """Utterances whose segments have no length."""
    for key, value in item.entries("segments").items():
        fields = _fields(value)
        if fields and fields[1] == fields[2]:
            yield key


@rule("segment-recording", "ERROR")
def segment_recording(everything: Everything) -> Iterator[Finding]:
    """Every segment is of a recording in wav.scp."""
    for item in everything.sets:
        for key, segment in _sound(item):
            if segment.recording not in item.entries("wav.scp"):
                yield item.at("segments", key, f"recording {segment.recording} is not in wav.scp", "add it there")


@rule("segment-outside", "ERROR")
def segment_outside(everything: Everything) -> Iterator[Finding]:
    """Every segment lies inside its recording, but for half a second."""
    for item in everything.sets:
        for key, segment in _sound(item):
            found = item.recordings.get(segment.recording)
            if found and not found.fault and past_end(segment, found.seconds) > OVERSHOOT:
                value = item.entries("segments")[key]
                message = f"{value} lies outside its recording of {found.seconds:.2f} s"
                yield item.at("segments", key, message, "correct start and end")


@rule("segment-overshoot", "WARNING", mends="ends it with its recording")
def segment_overshoot(everything: Everything) -> Iterator[Finding]:
    """A segment ends with its recording, not a little later."""
    for item in everything.sets:
        for key, segment in _sound(item):
            found = item.recordings.get(segment.recording)
            if found and not found.fault and TOLERANCE < past_end(segment, found.seconds) <= OVERSHOOT:
                message = f"ends at {segment.end:g} s, its recording at {found.seconds:.2f} s"
                yield item.at("segments", key, message, "correct its end")


def past_end(segment: Segment, seconds: Seconds) -> Seconds:
    """How far a segment reaches past the end of its recording; without bound if it begins there."""
    return float("inf") if segment.start >= seconds else segment.end - seconds


@rule("segment-overlap", "WARNING")
def segment_overlap(everything: Everything) -> Iterator[Finding]:
    """Segments of one recording do not overlap: the same speech would have two transcripts."""
    for item in everything.sets:
        if "segments" in item.tables:
            for span, other, shared in _overlapping(item):
                message = f"shares {shared:.2f} s of its recording with {other.key}"
                yield item.at("segments", span.key, message, "correct their times, or remove one")


@rule("audio-twice", "WARNING")
def audio_twice(everything: Everything) -> Iterator[Finding]:
    """No audio stands under two ids of a set: one of their transcripts is most likely wrong."""
    for item in everything.sets:
        seen: dict[str, str] = {}
        for key, entry in item.entries("wav.scp").items() if "segments" not in item.tables else ():
            first = seen.setdefault(place(entry), key)
            if first != key:
                yield item.at("wav.scp", key, f"the same audio as {first}: {entry}", "keep one of them")


def _overlapping(item: Set) -> Iterator[tuple[Span, Span, Seconds]]:
    """Utterances of a set that share audio with one that begins earlier in it, and how much of it; in C order."""
    for parts in by_place(spans(item)).values():
        latest: Span | None = None
        for span in parts:
            if latest is not None:
                shared = min(latest.end, span.end) - span.start
                if shared > OVERLAP:
                    yield span, latest, shared
            if latest is None or span.end > latest.end:
                latest = span


def by_place(parts: Iterable[Span]) -> dict[str, list[Span]]:
    """The parts of each recording, by their beginnings."""
    places: dict[str, list[Span]] = {}
    for span in parts:
        places.setdefault(span.place, []).append(span)
    return {where: sorted(own, key=lambda span: (span.start, span.end, span.key)) for where, own in places.items()}


@rule("unused-recording", "WARNING", mends="removes the line")
def unused_recording(everything: Everything) -> Iterator[Finding]:
    """Every recording has a segment, where there are segments."""
    for item in everything.sets:
        if "segments" in item.tables:
            used = used_recordings(item)
            unused = [key for key in item.entries("wav.scp") if key not in used]
            if unused:
                more = f", nor of {len(unused) - 1} others" if len(unused) > 1 else ""
                fix = "nothing reads it: it may stay, or be removed"
                yield item.at("wav.scp", unused[0], f"no segment is of this recording{more}", fix)


def used_recordings(item: Set) -> set[str]:
    """Recordings that segments are of."""
    return {part for value in item.entries("segments").values() for part in value.split()[:1]}
