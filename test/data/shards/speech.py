"""A Kaldi directory of noise for tests of shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from jointst.kaldi.directory import DataDirectory, Segment

ODD = ("s-a.b", "s-ü/x", "s-plain", "s-q%", "s-z.z.z")
"""Ids that webdataset would take apart."""


def make_directory(name: str = "x_train", ids: tuple[str, ...] = ODD, *, rate: int = 16000, segments: bool = False):
    """``data/<name>`` with half a second of noise for each id."""
    generator = np.random.default_rng(len(ids))
    Path("audio").mkdir(exist_ok=True)
    audio = {}
    for number, key in enumerate(ids):
        audio[key] = f"audio/{name}_{number}.wav"
        soundfile.write(audio[key], 0.1 * generator.standard_normal(rate // 2 + 10 * number), rate)
    parts = {key: Segment(key, 0.1, 0.3) for key in ids} if segments else {}
    text = {key: f"words of {number}" for number, key in enumerate(ids)}
    speakers, langs = dict.fromkeys(ids, "s"), dict.fromkeys(ids, "en")
    made = DataDirectory(Path(name), text, speakers, langs, audio, parts, phones=dict.fromkeys(ids, "p"))
    return made.write(Path("data") / name)
