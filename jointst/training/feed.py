"""How well the training is fed: how much of its batches is padding, and how fast audio goes through."""

from __future__ import annotations

from typing import Any

from jointst.common.units import Milliseconds, Seconds, frames_to_seconds
from jointst.config import SpeechBatchConfig
from jointst.data.batch import JointBatch


class Feed:
    """Counts what goes through, on the host.

    Args:
        hop: of a frame of speech.
    """

    def __init__(self, hop: Milliseconds) -> None:
        self._hop = hop
        self._max_seconds: Seconds | None = None
        self._begin(0.0)

    def bound(self, bounds: SpeechBatchConfig) -> None:
        """Log the bound on seconds of a batch with the rest, if there is one."""
        assert bounds.max_seconds != "auto", "which the training finds out"
        self._max_seconds = bounds.max_seconds

    def _begin(self, since: Seconds) -> None:
        self._since = since
        self._counts = {"frames": 0, "padded_frames": 0, "phones": 0, "padded_phones": 0}

    def add(self, batch: JointBatch) -> None:
        """Count a batch."""
        frames = batch.paired.frame_counts
        self._counts["frames"] += sum(frames)
        self._counts["padded_frames"] += len(frames) * max(frames)
        for text in batch.texts:
            self._counts["phones"] += sum(text.phone_counts)
            self._counts["padded_phones"] += len(text.phone_counts) * max(text.phone_counts)

    def take(self, seconds: Seconds, processes: int) -> dict[str, float]:
        """What the log says of all since it was asked before.

        Args:
            seconds: of training so far.
            processes: that each train on as much.

        Returns:
            ``padding``, the share of frames that is padding; ``padding_text``, the same of phones, if there are texts;
            ``audio_per_hour``, hours of audio that an hour of training goes through, validations included; and
            ``max_seconds``, if there is such a bound.
        """
        counts = self._counts
        audio = frames_to_seconds(counts["frames"], self._hop) * processes
        values = {"padding": 1 - counts["frames"] / counts["padded_frames"]}
        if counts["padded_phones"]:
            values["padding_text"] = 1 - counts["phones"] / counts["padded_phones"]
        values["audio_per_hour"] = audio / max(seconds - self._since, 1e-3)
        if self._max_seconds:
            values["max_seconds"] = self._max_seconds
        self._begin(seconds)
        return {name: round(value, 4) for name, value in values.items()}

    def state_dict(self) -> dict[str, float]:
        """What is counted: a continued training logs what an unbroken one would."""
        return {"since": self._since, **self._counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting; ``since`` alone begins anew from there."""
        self._begin(state["since"])
        self._counts.update({name: count for name, count in state.items() if name != "since"})
