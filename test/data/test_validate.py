"""Validation: a sound set of sets passes; warnings, long lists, audio that is read once. Each rule is provoked in
test_broken_directories.py."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.common.errors import DataError
from jointst.config import Config, CorpusConfig, DataConfig
from jointst.config.context import Context
from jointst.data import validate
from jointst.data.rules.segments import place
from jointst.kaldi import recordings
from jointst.kaldi.directory import DataDirectory

CONTEXT = Context(
    config=Config(data=DataConfig(train=("x_train",), dev=("x_dev",), test=("x_test",), unpaired=("x_unpaired",))),
    name="t",
)
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 32000)
TRAIN = Path("data/x_train")
TEST = Path("data/x_test")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three paired sets of two utterances and an unpaired one, without a fault."""
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    for name in ("x_train", "x_dev", "x_test"):
        keys = [f"{name}-1", f"{name}-2"]
        for key in keys:
            soundfile.write(f"audio/{key}.wav", NOISE[:16000], 16000)
        text = {key: f"sentence {word} of {name[2:]}" for key, word in zip(keys, ("one", "two"))}
        DataDirectory(
            Path(name),
            text,
            utt2spk=dict.fromkeys(keys, name),
            utt2lang=dict.fromkeys(keys, "en"),
            wav_scp={key: f"audio/{key}.wav" for key in keys},
        ).write(Path("data") / name)
    unpaired = DataDirectory(Path("u"), {"u-1": "nothing but text"}, utt2lang={"u-1": "en"})
    unpaired.write(Path("data/x_unpaired"))


def replace(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def found() -> list[tuple[str, str, str, int, str]]:
    """Level, rule, file, line and utterance of every finding in the report."""
    rows = [line.split("\t") for line in Path("data/validate.tsv").read_text().splitlines()[1:]]
    return [(row[0], row[1], row[2], int(row[3]), row[4]) for row in rows]


def test_sound_data_pass() -> None:
    made = validate.run(CONTEXT)
    assert found() == []
    assert made.what == "4 sets, 7 utterances, 0 errors, 0 warnings"


def test_warnings_do_not_stop() -> None:
    replace(TRAIN / "utt2spk", "x_train-1 x_train", "x_train-1 x_")
    (TRAIN / "spk2utt").write_text("x_ x_train-1\nx_train x_train-2\n")
    replace(TEST / "utt2spk", "x_test-1 x_test", "x_test-1 x_")
    (TEST / "spk2utt").write_text("x_ x_test-1\nx_test x_test-2\n")
    replace(Path("data/x_test/text"), "sentence one of test", "sentence one of dev")
    soundfile.write("audio/x_test-2.wav", NOISE[:9600], 16000)  # 20 characters, 15 positions
    validate.run(CONTEXT)
    assert found() == [
        ("WARNING", "more-labels-than-frames", "data/x_test/text", 2, "x_test-2"),
        ("WARNING", "dev-test-overlap", "data/x_test/text", 1, "x_test-1"),
        ("WARNING", "speaker-overlap", "data/x_test/utt2spk", 1, "x_test-1"),
    ]


def test_same_sentence_in_another_language_is_no_leak() -> None:
    (TRAIN / "text").write_text("x_train-1 sentence two of test\nx_train-2 sentence of others\n")
    (TRAIN / "utt2lang").write_text("x_train-1 de\nx_train-2 en\n")
    validate.run(CONTEXT)
    assert found() == []


def fixes() -> dict[str, tuple[str, str]]:
    """Message and fix of the last finding of each rule."""
    rows = [line.split("\t") for line in Path("data/validate.tsv").read_text().splitlines()[1:]]
    return {row[1]: (row[5], row[6]) for row in rows}


def test_another_encoding_is_named_with_the_command_that_converts_it() -> None:
    text = "x_train-1 это первое предложение\nx_train-2 а это второе предложение\n"
    (TRAIN / "text").write_bytes(text.encode("cp1251"))
    (TRAIN / "utt2lang").write_text("x_train-1 ru\nx_train-2 ru\n")
    with pytest.raises(DataError):
        validate.run(CONTEXT)
    assert "iconv -f CP1251 -t UTF-8 data/x_train/text > data/x_train/text.utf8" in fixes()["encoding"][1]


def test_transcripts_that_are_not_normalised_are_counted_and_the_first_is_shown() -> None:
    (TRAIN / "text").write_text("x_train-1 SENTENCE 1 OF TRAIN.\nx_train-2 SENTENCE TWO OF TRAIN\n")
    validate.run(CONTEXT)
    message, fix = fixes()["not-normalised"]
    assert message.startswith("2 of 2 transcripts are not as the normaliser writes them (capital letters 2, digits 1,")
    assert "'SENTENCE 1 OF TRAIN.' would be 'sentence one of train'" in message
    assert fix.startswith("jointst fix writes them so")
    assert "two alphabets in one model" in fixes()["two-alphabets"][0]


def test_own_marks_of_transcribers_are_counted() -> None:
    (TRAIN / "text").write_text("x_train-1 <unk> one #hm#\nx_train-2 so <unk>\n")
    corpus = CorpusConfig(transcriber_marks=("#hm#",))
    validate.run(dataclasses.replace(CONTEXT, config=dataclasses.replace(CONTEXT.config, corpus=corpus)))
    assert fixes()["transcriber-mark"][0] == "3 marks of transcribers in 2 transcripts (<unk> 2, #hm# 1)"


def test_many_findings_are_cut_short_on_the_screen_only(capsys: pytest.CaptureFixture[str]) -> None:
    keys = [f"u-{number:03d}" for number in range(100)]
    Path("data/x_unpaired/text").write_text("".join(f"{key}\n" for key in keys))
    Path("data/x_unpaired/utt2lang").write_text("".join(f"{key} en\n" for key in keys))
    with pytest.raises(DataError, match="100 errors"):
        validate.run(CONTEXT)
    assert len(found()) == 100
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == validate.SHOWN + 1
    assert shown[-1] == "ERROR empty-transcript: 80 more, see validate.tsv"


def test_audio_is_read_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    examine = recordings.facts_of

    def spy(entry: str) -> recordings.Recording:
        read.append(entry)
        return examine(entry)

    monkeypatch.setattr(recordings, "facts_of", spy)
    validate.run(CONTEXT)
    assert len(read) == 6
    validate.run(CONTEXT)
    assert len(read) == 6
    soundfile.write("audio/x_dev-1.wav", NOISE, 16000)
    validate.run(CONTEXT)
    assert read[6:] == ["audio/x_dev-1.wav"]
    Path("data/.stages/audio_x_dev.json").write_text("damaged")
    validate.run(CONTEXT)
    assert read[7:] == ["audio/x_dev-1.wav", "audio/x_dev-2.wav"]


def test_what_is_found_in_audio_does_not_depend_on_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "JOB_FILES", 1)
    entries = {path.stem: str(path) for path in Path("audio").iterdir()}
    one, two = (recordings.examine(entries, nj, Path(f"cache{nj}")) for nj in (1, 2))
    assert one == two
    assert one["x_dev-1"].seconds == 1.0
    assert one["x_dev-1"].peak == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(
    "entry",
    [
        "a.wav",
        "./a.wav",
        "sub/../a.wav",
        "link.wav",
        "linked/b.wav",
        "sub/b.wav",
        "gone/c.wav",
        "sub",
        "sub/.",
        "{root}/a.wav",
    ],
)
def test_one_file_has_one_place(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.wav").touch()
    (tmp_path / "sub" / "b.wav").touch()
    (tmp_path / "link.wav").symlink_to("sub/b.wav")
    (tmp_path / "linked").symlink_to("sub")
    monkeypatch.chdir(tmp_path)
    entry = entry.replace("{root}", str(tmp_path))
    assert place(entry) == os.path.realpath(entry)
    assert place(f"{entry}.ark:12") == f"{os.path.realpath(entry + '.ark')}:12"
