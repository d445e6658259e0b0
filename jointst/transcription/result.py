"""What a recogniser gives for a recording."""

from __future__ import annotations

from dataclasses import dataclass

from jointst.common.errors import DataError
from jointst.common.units import Seconds
from jointst.decoding.transcript import Transcript, Word


@dataclass(frozen=True, kw_only=True)
class Transcription:
    """What was said in one recording.

    Attributes:
        name: of the file, as it was given.
        seconds: its length.
        segments: transcripts of its segments in order; stretches without sound are left out.
    """

    name: str
    seconds: Seconds
    segments: tuple[Transcript, ...]

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words."""
        return tuple(word for segment in self.segments for word in segment.words)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A recording that could not be read.

    Attributes:
        name: of the file, as it was given.
        error: what is wrong with it.
    """

    name: str
    error: DataError
