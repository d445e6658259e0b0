"""Rules about parts of recordings."""

from __future__ import annotations

from collections.abc import Iterator

from jointst.data.audio import OVERSHOOT
from jointst.data.directory import Segment
from jointst.data.rules.frame import Everything, Finding, Set, rule
from jointst.errors import DataError
from jointst.units import Seconds

TOLERANCE: Seconds = 0.01
"""Times are often rounded to hundredths of a second."""
OVERLAP: Seconds = 0.5
"""Segments that share more of a recording give a warning."""


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
            if fields and fields[1] >= fields[2] != -1:
                yield item.at("segments", key, f"ends at {fields[2]:g} s, begins at {fields[1]:g} s", "correct it")


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
        recordings: dict[str, list[tuple[float, float, str]]] = {}
        for key, segment in _sound(item):
            end = float("inf") if segment.end == -1 else segment.end
            recordings.setdefault(segment.recording, []).append((segment.start, end, key))
        for parts in recordings.values():
            latest, owner = 0.0, ""
            for start, end, key in sorted(parts):
                if owner and min(latest, end) - start > OVERLAP:
                    message = f"shares {min(latest, end) - start:.2f} s of its recording with {owner}"
                    yield item.at("segments", key, message, "correct their times, or remove one")
                if end > latest:
                    latest, owner = end, key


@rule("unused-recording", "WARNING", mends="removes the line")
def unused_recording(everything: Everything) -> Iterator[Finding]:
    """Every recording has a segment, where there are segments."""
    for item in everything.sets:
        if "segments" in item.tables:
            used = {part for value in item.entries("segments").values() for part in value.split()[:1]}
            for key in item.entries("wav.scp"):
                if key not in used:
                    yield item.at("wav.scp", key, "no segment is of this recording", "remove it")
