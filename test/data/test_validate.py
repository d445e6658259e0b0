"""Validation: a sound set of sets passes, and each way to break one is found by its rule, file, line and utterance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.config import Config, DataConfig
from jointst.data import validate
from jointst.data.directory import DataDirectory
from jointst.data.rules import RULES
from jointst.errors import DataError
from jointst.stage import Context

CONTEXT = Context(
    config=Config(data=DataConfig(train=("x_train",), dev=("x_dev",), test=("x_test",), unpaired=("x_unpaired",))),
    name="t",
)
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
            soundfile.write(f"audio/{key}.wav", np.zeros(16000), 16000)
        text = {key: f"sentence {key[-1]} of {name}" for key in keys}
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


def sets_with_segments() -> None:
    DataDirectory.read(TRAIN)
    (TRAIN / "wav.scp").write_text("r audio/x_train-1.wav\n")
    (TRAIN / "segments").write_text("x_train-1 r 0 0.9\nx_train-2 q 0 0.9\n")


def late_segment() -> None:
    (TRAIN / "wav.scp").write_text("r audio/x_train-1.wav\n")
    (TRAIN / "segments").write_text("x_train-1 r 0 0.9\nx_train-2 r 0.5 7\n")


def leak(into: str, old: str) -> Callable[[], None]:
    return lambda: replace(Path("data") / into / "text", old, "sentence 2 of x_test")


BREAKS: dict[str, tuple[Callable[[], object], str, str, int, str]] = {
    "folder": (lambda: TEST.rename("gone"), "missing-file", "data/x_test", 0, ""),
    "file": (lambda: (TEST / "utt2spk").unlink(), "missing-file", "data/x_test/utt2spk", 0, ""),
    "utf8": (lambda: (TEST / "text").write_bytes(b"x_test-1 \xff\n"), "malformed-line", "data/x_test/text", 1, ""),
    "duplicate": (
        lambda: replace(TEST / "utt2spk", "x_test-2", "x_test-1"),
        "malformed-line",
        "data/x_test/utt2spk",
        2,
        "x_test-1",
    ),
    "blank": (lambda: replace(TEST / "text", "\n", "\n\n"), "malformed-line", "data/x_test/text", 2, ""),
    "empty": (lambda: (TEST / "text").write_text(""), "empty-set", "data/x_test/text", 0, ""),
    "order": (
        lambda: (TEST / "utt2lang").write_text("x_test-2 en\nx_test-1 en\n"),
        "sorting",
        "data/x_test/utt2lang",
        2,
        "x_test-1",
    ),
    "no language": (
        lambda: (TEST / "utt2lang").write_text("x_test-1 en\n"),
        "missing-key",
        "data/x_test/text",
        2,
        "x_test-2",
    ),
    "no text": (
        lambda: (TEST / "text").write_text("x_test-1 some words\n"),
        "missing-key",
        "data/x_test/wav.scp",
        2,
        "x_test-2",
    ),
    "recording": (sets_with_segments, "segments", "data/x_train/segments", 2, "x_train-2"),
    "late": (late_segment, "segments", "data/x_train/segments", 2, "x_train-2"),
    "prefix": (
        lambda: replace(TEST / "utt2spk", "x_test-1 x_test", "x_test-1 anna"),
        "speaker-prefix",
        "data/x_test/utt2spk",
        1,
        "x_test-1",
    ),
    "spk2utt": (
        lambda: (TEST / "spk2utt").write_text("x_test x_test-1\n"),
        "speaker-prefix",
        "data/x_test/spk2utt",
        0,
        "",
    ),
    "language": (
        lambda: replace(TEST / "utt2lang", "x_test-2 en", "x_test-2 tlh"),
        "unknown-language",
        "data/x_test/utt2lang",
        2,
        "x_test-2",
    ),
    "transcript": (
        lambda: replace(TEST / "text", "x_test-1 sentence 1 of x_test", "x_test-1"),
        "empty-transcript",
        "data/x_test/text",
        1,
        "x_test-1",
    ),
    "no audio": (lambda: Path("audio/x_test-2.wav").unlink(), "audio", "data/x_test/wav.scp", 2, "x_test-2"),
    "damaged audio": (
        lambda: Path("audio/x_test-2.wav").write_bytes(b"RIFF?"),
        "audio",
        "data/x_test/wav.scp",
        2,
        "x_test-2",
    ),
    "no samples": (
        lambda: soundfile.write("audio/x_test-1.wav", np.zeros(0), 16000),
        "audio",
        "data/x_test/wav.scp",
        1,
        "x_test-1",
    ),
    "labels": (
        lambda: soundfile.write("audio/x_test-1.wav", np.zeros(4000), 16000),
        "labels-per-second",
        "data/x_test/text",
        1,
        "x_test-1",
    ),
    "training": (leak("x_train", "sentence 2 of x_train"), "sentence-overlap", "data/x_test/text", 2, "x_test-2"),
    "unpaired": (leak("x_unpaired", "nothing but text"), "unpaired-leak", "data/x_test/text", 2, "x_test-2"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    damage, rule, path, line, utterance = BREAKS[name]
    damage()
    with pytest.raises(DataError, match=rf"errors \(.*{rule}"):
        validate.run(CONTEXT)
    assert ("ERROR", rule, path, line, utterance) in found()
    where = f"{path}:{line}" if line else path
    assert f"ERROR {rule} {where}{' ' + utterance if utterance else ''}: " in capsys.readouterr().out


def test_every_rule_that_gives_errors_is_provoked() -> None:
    assert {case[1] for case in BREAKS.values()} == RULES.keys() - {"speaker-overlap", "dev-test-overlap"}


def test_warnings_do_not_stop() -> None:
    replace(TRAIN / "utt2spk", "x_train-1 x_train", "x_train-1 x_")
    (TRAIN / "spk2utt").write_text("x_ x_train-1\nx_train x_train-2\n")
    replace(TEST / "utt2spk", "x_test-1 x_test", "x_test-1 x_")
    (TEST / "spk2utt").write_text("x_ x_test-1\nx_test x_test-2\n")
    replace(Path("data/x_dev/text"), "sentence 1 of x_dev", "sentence 1 of x_test")
    soundfile.write("audio/x_test-2.wav", np.zeros(9600), 16000)  # 20 characters in 0.6 s: between 30 and 40 a second
    validate.run(CONTEXT)
    assert found() == [
        ("WARNING", "labels-per-second", "data/x_test/text", 2, "x_test-2"),
        ("WARNING", "dev-test-overlap", "data/x_test/text", 1, "x_test-1"),
        ("WARNING", "speaker-overlap", "data/x_test/utt2spk", 0, ""),
    ]


def test_same_sentence_in_another_language_is_no_leak() -> None:
    (TRAIN / "text").write_text("x_train-1 sentence 2 of x_test\nx_train-2 other words\n")
    (TRAIN / "utt2lang").write_text("x_train-1 de\nx_train-2 en\n")
    validate.run(CONTEXT)
    assert found() == []


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
