"""Readers of data directories: every table, what stage 2 says of it, and what ``jointst fix`` makes of it."""

from __future__ import annotations

import contextlib
import io
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from fuzz.target import HARD, Target
from jointst.config import Config, CorpusConfig, DataConfig
from jointst.config.context import Context
from jointst.data.fix import fix
from jointst.data.rules import Everything
from jointst.data.validate import check, judge, read_set
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.durations import read_durations
from jointst.kaldi.phone_times import read_phone_times

TABLES = {
    "text": b"a-1 open the door\na-2 close it now\n",
    "utt2spk": b"a-1 a\na-2 a\n",
    "spk2utt": b"a a-1 a-2\n",
    "utt2lang": b"a-1 en\na-2 en\n",
    "wav.scp": b"a-1 clip.wav\na-2 clip.wav\n",
    "segments": b"a-1 r 0 1.5\na-2 r 1.5 -1\n",
    "feats.scp": b"a-1 feats.ark:4\na-2 feats.ark:99\n",
    "utt2num_frames": b"a-1 100\na-2 90\n",
    "phones": b"a-1 o p\na-2 k l\n",
}
WITH_SEGMENTS = {"wav.scp": b"r clip.wav\n"}
PIECES = (*HARD, b"a-1 ", b"\na-1 x\n", b"a-3", b" r ", b"clip.wav:0", b"true |", b"en", b"xx", b"~", b":4", b"e9")


def _set(file: str, content: bytes) -> Path:
    folder = Path("data/s")
    folder.mkdir(parents=True)
    files = dict(TABLES)
    if file == "segments":
        files |= WITH_SEGMENTS
    else:
        del files["segments"]
    for name, usual in (files | {file: content}).items():
        (folder / name).write_bytes(usual)
    soundfile.write("clip.wav", np.full(16000, 0.1), 16000)
    return folder


def _read(file: str, content: bytes) -> None:
    DataDirectory.read(_set(file, content))


def _judge(file: str, content: bytes) -> None:
    """Neither stage 2 nor ``fix`` may refuse to look at a set."""
    folder = _set(file, content)
    other = DataDirectory(Path("data/d"), {"b-1": "the window"}, {"b-1": "b"}, {"b-1": "en"}, {"b-1": "other.wav"})
    other.write(other.path)
    soundfile.write("other.wav", np.full(16000, 0.2), 16000)
    data = DataConfig(train=("s",), dev=("d",), test=("d",), unpaired=())
    config = Config(corpus=CorpusConfig(sources=(), languages=("en",)), data=data)
    with contextlib.redirect_stdout(io.StringIO()):
        item = read_set(folder, ("train",), remembered=Path("audio.json"))
        judge(check(Everything(settings=config, sets=(item,))), Path("validate.tsv"))
        fix(Context(config=config, name="t", nj=1), max_dropped=1.0)


def _phone_times(content: bytes) -> None:
    Path("phone_times").write_bytes(content)
    read_phone_times(Path())


def _durations(content: bytes) -> None:
    Path("s").write_bytes(content)
    read_durations(Path(), DataDirectory(Path("data/s"), {"a-1": "x"}))


TARGETS = [
    *(
        Target(
            name=f"directory_{file}",
            seeds=partial(lambda seed: (seed,), seed),
            read=partial(_read, file),
            names="data/s",
            pieces=PIECES,
        )
        for file, seed in TABLES.items()
        if file != "spk2utt"
    ),
    *(
        Target(
            name=f"validate_{file}",
            seeds=partial(lambda seed: (seed,), seed),
            read=partial(_judge, file),
            names="no error is expected",
            pieces=PIECES,
            slow=True,
        )
        for file, seed in TABLES.items()
        if file not in ("feats.scp", "utt2num_frames", "phones")
    ),
    Target(
        name="phone_times",
        seeds=lambda: (b"a-1 0.00:0.10:sil 0.10:0.25:a\na-2 0:1:b\n",),
        read=_phone_times,
        names="phone_times",
    ),
    Target(name="durations", seeds=lambda: (b"a-1 1 2 3\na-2 0 4\n",), read=_durations, names="s"),
]
