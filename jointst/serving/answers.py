"""The text of a file in the forms that OpenAI's clients know."""

from __future__ import annotations

import math
import zlib
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from jointst.common.languages import LANGUAGES
from jointst.decoding.transcript import Transcript, Word
from jointst.serving.wishes import Form
from jointst.transcription.formats import Writer
from jointst.transcription.result import Transcription

SURE_ENOUGH = 1e-4
"""The smallest confidence whose logarithm is still a figure to look at."""
_MEDIA = {"srt": "application/x-subrip", "vtt": "text/vtt", "text": "text/plain"}


def answer(found: Transcription, form: Form, language: str) -> Response:
    """The answer to a request.

    Args:
        found: what was said.
        form: that the client asked for.
        language: ISO 639-1 code, empty where it is not known.
    """
    if form.format in _MEDIA:
        text = Writer(form.format, "file").whole(found)  # type: ignore[arg-type]
        return PlainTextResponse(text, media_type=_MEDIA[form.format])
    body: dict[str, Any] = {"text": found.text}
    if form.format == "verbose_json":
        name = LANGUAGES[language].name.lower() if language else "unknown"
        body = {"task": "transcribe", "language": name, "duration": found.seconds, **body}
        if "segment" in form.granularities:
            body["segments"] = [_segment(number, segment) for number, segment in enumerate(found.segments)]
        if "word" in form.granularities:
            body["words"] = [_word(word) for word in found.words]
    return JSONResponse({**body, "usage": {"type": "duration", "seconds": math.ceil(found.seconds)}})


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": word.start,
        "end": word.end,
        "confidence": round(word.confidence, 4),
        "spaced": word.spaced,
    }


def _segment(number: int, segment: Transcript) -> dict[str, Any]:
    """A segment with all that OpenAI's have; what our search does not know is what it would be for speech."""
    text = segment.text.encode()
    sure = [math.log(max(SURE_ENOUGH, word.confidence)) for word in segment.words]
    return {
        "id": number,
        "seek": round(100 * segment.start),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(sure) / len(sure), 4) if sure else 0.0,
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 3),
        "no_speech_prob": 0.0,
    }


def live(transcript: Transcript) -> dict[str, Any]:
    """A transcript of a live stream."""
    return {
        "type": "final" if transcript.final else "partial",
        "text": transcript.text,
        "start": transcript.start,
        "end": transcript.end,
        "words": [_word(word) for word in transcript.words],
    }
