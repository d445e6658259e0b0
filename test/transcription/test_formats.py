"""Text, JSON lines, SubRip and CTM."""

from __future__ import annotations

import json

import pytest

from jointst.decoding.transcript import Transcript, Word
from jointst.transcription.formats import Format, Writer, cues_of, recording_names
from jointst.transcription.result import Transcription


def word(text: str, start: float, end: float, spaced: bool = True) -> Word:
    return Word(text=text, start=start, end=end, confidence=0.87654, spaced=spaced)


FIRST = Transcript(
    text="open the door", words=(word("open", 0.12, 0.5, False), word("the", 0.6, 0.7), word("door", 0.8, 1.0)),
    start=0.0, end=2.0,
)  # fmt: skip
SECOND = Transcript(
    text="今天",
    words=(word("今", 3725.5, 3725.54, False), word("天", 3726.0, 3726.04, False)),
    start=3725.0,
    end=3726.5,
)
EMPTY = Transcript(text="", words=(), start=4000.0, end=4001.0)
WHOLE = Transcription(name="dir/a b.wav", seconds=4001.0, segments=(FIRST, SECOND, EMPTY))
NOTHING = Transcription(name="b.wav", seconds=1.0, segments=())


def whole(kind: Format, transcription: Transcription = WHOLE, *, named: bool = False) -> str:
    return Writer(kind, "a b", named=named).whole(transcription)


def test_text() -> None:
    assert whole("text") == "open the door 今天\n"
    assert whole("text", named=True) == "dir/a b.wav\topen the door 今天\n"
    assert whole("text", NOTHING) == "\n"


def test_json_lines() -> None:
    record = json.loads(whole("jsonl"))
    assert (record["file"], record["seconds"], record["text"]) == ("dir/a b.wav", 4001.0, "open the door 今天")
    assert [segment["text"] for segment in record["segments"]] == ["open the door", "今天", ""]
    assert record["segments"][0]["words"][2] == {"word": "door", "start": 0.8, "end": 1.0, "confidence": 0.8765}


def test_ctm() -> None:
    assert whole("ctm").splitlines() == [
        "a_b 1 0.12 0.38 open 0.8765",
        "a_b 1 0.60 0.10 the 0.8765",
        "a_b 1 0.80 0.20 door 0.8765",
        "a_b 1 3725.50 0.04 今 0.8765",
        "a_b 1 3726.00 0.04 天 0.8765",
    ]
    assert whole("ctm", NOTHING) == ""


def test_subtitles() -> None:
    assert whole("srt") == (
        "1\n00:00:00,120 --> 00:00:01,120\nopen the door\n\n"
        "2\n01:02:05,500 --> 01:02:06,500\n今天\n\n"
    )  # fmt: skip


def test_webvtt() -> None:
    assert whole("vtt") == (
        "WEBVTT\n\n1\n00:00:00.120 --> 00:00:01.120\nopen the door\n\n"
        "2\n01:02:05.500 --> 01:02:06.500\n今天\n\n"
    )  # fmt: skip
    assert whole("vtt", NOTHING) == "WEBVTT\n\n"
    marked = (word("a<b>&c", 0.0, 1.0, False),)
    shown = Writer("vtt", "a").segment(Transcript(text="", words=marked, start=0.0, end=1.0))
    assert "\na&lt;b&gt;&amp;c\n" in shown


def test_subtitles_are_not_too_long() -> None:
    words = [word(f"word{i}", 0.5 * i, 0.5 * i + 0.4) for i in range(40)]
    cues = cues_of(words)
    assert [item for cue in cues for item in cue] == words
    assert len(cues) == 4
    assert all(cue[-1].end - cue[0].start <= 6 for cue in cues)
    dense = [word("aaaaaaaaaa", 0.01 * i, 0.01 * i + 0.01) for i in range(20)]
    assert [len(cue) for cue in cues_of(dense)] == [7, 7, 6]


def test_subtitles_do_not_overlap_where_words_share_a_position() -> None:
    words = (word("a" * 60, 1.0, 1.44, False), word("b" * 60, 1.4, 1.48))
    shown = Writer("srt", "a").segment(Transcript(text="", words=words, start=0.0, end=3.0)).splitlines()
    assert [line for line in shown if "-->" in line] == [
        "00:00:01,000 --> 00:00:01,400",
        "00:00:01,400 --> 00:00:02,400",
    ]


@pytest.mark.parametrize(("kind", "said"), [("text", ""), ("srt", ""), ("vtt", ""), ("ctm", "")])
def test_partial_text_is_in_json_lines_only(kind: Format, said: str) -> None:
    partial = Transcript(text="open", words=FIRST.words[:1], start=0.0, end=0.6, final=False)
    assert Writer(kind, "a").segment(partial) == said
    assert json.loads(Writer("jsonl", "a").segment(partial))["final"] is False


def test_recordings_have_different_names() -> None:
    assert recording_names(["x/a.wav", "y/b.flac"]) == ["a", "b"]
    assert recording_names(["x/a.wav", "y/a.wav", "b.wav"]) == ["x/a.wav", "y/a.wav", "b"]
