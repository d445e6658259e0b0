"""Shards of lhotse's cuts: the same sounds, names and languages as ours, and what is no set of transcribed cuts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import DataError
from jointst.data.shards.command import run
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory

lhotse = pytest.importorskip("lhotse")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cuts(count: int = 3, *, language: str | None = "English", rate: int = 16000) -> list[object]:
    generator = np.random.default_rng(0)
    made = []
    for number in range(count):
        soundfile.write(f"{number}.wav", 0.1 * generator.standard_normal(rate), rate)
        recording = lhotse.Recording.from_file(f"{number}.wav", recording_id=f"rec {number}")
        said = lhotse.SupervisionSegment(
            id=f"sup{number}",
            recording_id=recording.id,
            start=0.25,
            duration=0.5,
            text=f"Say, it's {number}!",
            speaker=f"ann {number % 2}",
            language=language,
        )
        cut = lhotse.MonoCut(
            id=f"cut-{number}", start=0.0, duration=1.0, channel=0, recording=recording, supervisions=[said]
        )
        made.append(cut.trim_to_supervisions()[0].with_id(f"cut-{number}"))
    return made


def write(made: list[object], name: str = "cuts.jsonl.gz") -> str:
    lhotse.CutSet.from_cuts(made).to_file(name)
    return name


def shard(source: str, *more: str) -> DataDirectory:
    run([source, "--shards", "shards", "--out", "data/packed", "--utterances", "2", "--nj", "1", *more])
    return DataDirectory.read(Path("data/packed"))


@pytest.mark.parametrize("rate", [16000, 8000])
def test_cuts_become_a_data_directory(rate: int) -> None:
    made = shard(write(cuts(rate=rate)))
    assert made.text["ann_0-cut-0"] == "say it's zero"
    assert made.utt2lang == dict.fromkeys(made.text, "en")
    assert made.utt2spk == {name: name[:5] for name in made.text}
    for name in made.text:
        found = load_audio(made.wav_scp[name], None, 16000)
        assert len(found) == 8000
        if rate == 16000:
            expected, _ = soundfile.read(f"{name[-1]}.wav", start=4000, stop=12000, dtype="float32")
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_language_that_is_not_stated_can_be_given() -> None:
    source = write(cuts(language=None))
    with pytest.raises(DataError, match=r"cuts\.jsonl\.gz utterance cut-0: states no language.*--language CODE"):
        shard(source)
    assert set(shard(source, "--language", "de").utt2lang.values()) == {"de"}


def no_supervision(made: list[object]) -> str:
    return write([cut.drop_supervisions() for cut in made])  # type: ignore[attr-defined]


def twice(made: list[object]) -> str:
    Path("cuts.jsonl").write_text("".join(f"{line}\n" for line in _lines(made) * 2))
    return "cuts.jsonl"


def half(made: list[object]) -> str:
    Path("cuts.jsonl").write_text("\n".join(_lines(made))[:-40])
    return "cuts.jsonl"


def _lines(made: list[object]) -> list[str]:
    write(made, "whole.jsonl")
    return Path("whole.jsonl").read_text().splitlines()


def recordings(made: list[object]) -> str:
    lhotse.RecordingSet.from_recordings(cut.recording for cut in made).to_file("r.jsonl")  # type: ignore[attr-defined]
    return "r.jsonl"


def text(made: list[object]) -> str:
    Path("cuts.jsonl").write_text("not json\n")
    return "cuts.jsonl"


def empty(made: list[object]) -> str:
    Path("cuts.jsonl").write_text("")
    return "cuts.jsonl"


def unknown(made: list[object]) -> str:
    return write(cuts(language="Klingon"))


def lost(made: list[object]) -> str:
    Path("1.wav").unlink()
    return write(made)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_supervision, "utterance cut-0: is a cut of 0 supervisions, not of one"),
        (twice, "utterance cut-0: is in it twice"),
        (half, r"cuts\.jsonl: is no manifest of lhotse"),
        (recordings, r"r\.jsonl: is a RecordingSet, not cuts"),
        (text, r"cuts\.jsonl: is no manifest of lhotse"),
        (empty, r"cuts\.jsonl: is no manifest of lhotse"),
        (unknown, "utterance cut-0: is in 'Klingon', which is unknown"),
        (lost, "1 of 3 utterances have no usable audio.*ann_1-cut-1: lhotse cannot read it"),
    ],
)
def test_what_is_no_transcribed_set_is_refused(make: Callable[[list[object]], str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        shard(make(cuts()))
