"""Recordings of test utterances for the report, as players that hold their sound: the page stays one file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from jointst.common.errors import JointstError
from jointst.common.units import Hertz, Seconds
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory

RATE: Hertz = 16000
LONGEST: Seconds = 30.0
"""Longer ones are cut there: the page is to stay small."""


class Recordings:
    """The recordings of sets.

    Args:
        data: folder of the data directories.

    Attributes:
        silent: why players were left out, by utterance.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._sets: dict[str, DataDirectory | None] = {}
        self.silent: dict[str, str] = {}

    def player(self, name: str, utterance: str) -> str:
        """HTML that plays an utterance of a set; nothing where its audio cannot be had.

        The sound is 16 kHz Opus, about 3 kB a second.
        """
        import soundfile

        try:
            directory = self._directory(name)
            if directory is None or utterance not in directory.text or not directory.has_audio:
                return ""
            segment = directory.segments.get(utterance)
            samples = load_audio(directory.wav_scp[directory.recording(utterance)], segment, RATE, utterance=utterance)
        except JointstError as error:  # a report does without: data may be damaged, elsewhere, or behind a network
            self.silent[utterance] = str(error)
            return ""
        sound = io.BytesIO()
        soundfile.write(sound, samples[: int(LONGEST * RATE)], RATE, format="OGG", subtype="OPUS")
        encoded = base64.b64encode(sound.getvalue()).decode("ascii")
        return f'<audio controls preload="none" src="data:audio/ogg;base64,{encoded}"></audio>'

    def _directory(self, name: str) -> DataDirectory | None:
        if name not in self._sets:
            folder = self._data / name
            self._sets[name] = DataDirectory.read(folder) if (folder / "text").is_file() else None
        return self._sets[name]
