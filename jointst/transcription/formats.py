"""Transcripts as text, JSON lines, subtitles (SubRip, WebVTT), or NIST's CTM."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from jointst.common.units import Seconds
from jointst.decoding.transcript import Transcript, Word, join
from jointst.transcription.result import Transcription

Format: TypeAlias = Literal["text", "jsonl", "srt", "vtt", "ctm"]
FORMATS: tuple[Format, ...] = ("text", "jsonl", "srt", "vtt", "ctm")
SUBTITLES: tuple[Format, ...] = ("srt", "vtt")
"""Those whose files hold one recording."""

WEBVTT = "WEBVTT\n\n"
"""What a file of WebVTT begins with."""

CUE_SECONDS: Seconds = 6.0
"""The longest subtitle."""
CUE_CHARACTERS = 84
"""The most characters of a subtitle: two lines of 42."""
CUE_SHORTEST: Seconds = 1.0
"""A subtitle stays so long, unless the next one comes."""


class Writer:
    """Text of transcripts in one format.

    Args:
        kind: the format.
        recording: what a CTM calls the recording; spaces become ``_``.
        named: whether a line of text begins with the file's name and a tab.
    """

    def __init__(self, kind: Format, recording: str, *, named: bool = False) -> None:
        self._kind = kind
        self._recording = "_".join(recording.split()) or "_"
        self._named = named
        self._cues = 0

    def whole(self, transcription: Transcription) -> str:
        """A whole recording."""
        if self._kind == "text":
            return (f"{transcription.name}\t" if self._named else "") + f"{transcription.text}\n"
        if self._kind == "jsonl":
            segments = [_record(segment) for segment in transcription.segments]
            record = {"file": transcription.name, "seconds": transcription.seconds, "text": transcription.text}
            return _json({**record, "segments": segments})
        text = "".join(self.segment(segment) for segment in transcription.segments)
        return WEBVTT if self._kind == "vtt" and not text else text

    def segment(self, transcript: Transcript) -> str:
        """One segment of a stream; a partial one has a form in JSON lines only."""
        if self._kind == "jsonl":
            return _json({"final": transcript.final, **_record(transcript)})
        if not transcript.final or not transcript.words:
            return ""
        if self._kind == "text":
            return f"{transcript.text}\n"
        if self._kind == "ctm":
            return "".join(self._ctm(word) for word in transcript.words)
        return self._subtitles(transcript)

    def _ctm(self, word: Word) -> str:
        # A field may hold no space, and ;; begins a comment.
        text = "_".join(word.text.split())
        return f"{self._recording} 1 {word.start:.2f} {word.end - word.start:.2f} {text} {word.confidence:.4f}\n"

    def _subtitles(self, transcript: Transcript) -> str:
        vtt = self._kind == "vtt"
        lines = [WEBVTT] if vtt and not self._cues else []
        cues = cues_of(transcript.words)
        for index, cue in enumerate(cues):
            following = cues[index + 1][0].start if index + 1 < len(cues) else transcript.end
            end = max(cue[-1].end, min(cue[0].start + CUE_SHORTEST, following))
            if cue[0].start < following:  # labels of both may share a position, whose end is then beyond the start
                end = min(end, following)
            self._cues += 1
            mark, text = ("." if vtt else ","), join(cue)
            if vtt:
                text = html.escape(text, quote=False)
            lines.append(f"{self._cues}\n{_clock(cue[0].start, mark)} --> {_clock(end, mark)}\n{text}\n\n")
        return "".join(lines)


def recording_names(files: Sequence[str]) -> list[str]:
    """What a CTM and subtitles call each file: its name without ending, or its path where names would be the same."""
    stems = [Path(file).stem for file in files]
    return [file if stems.count(stem) > 1 else stem for file, stem in zip(files, stems, strict=True)]


def cues_of(words: Sequence[Word]) -> list[list[Word]]:
    """Words grouped into subtitles that are not too long to read."""
    cues: list[list[Word]] = []
    for word in words:
        if cues and word.end - cues[-1][0].start <= CUE_SECONDS and len(join([*cues[-1], word])) <= CUE_CHARACTERS:
            cues[-1].append(word)
        else:
            cues.append([word])
    return cues


def _clock(seconds: Seconds, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def _record(transcript: Transcript) -> dict[str, Any]:
    words = [
        {"word": word.text, "start": word.start, "end": word.end, "confidence": round(word.confidence, 4)}
        for word in transcript.words
    ]
    return {"start": transcript.start, "end": transcript.end, "text": transcript.text, "words": words}


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
