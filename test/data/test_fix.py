"""jointst fix: what it refuses, what it only shows, what it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.data.rules import RULES
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import read_table
from jointst.recipe.cli import main

TRAIN = Path("data/x_train")
CONF = "data: {train: [x_train], dev: [x_dev], test: [x_test], unpaired: [x_unpaired]}\n"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound sets of four utterances, and four unpaired sentences."""
    monkeypatch.chdir(tmp_path)
    Path("conf.yaml").write_text(CONF)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 32000)
    for name in ("train", "dev", "test", "unpaired"):
        keys = [f"{name}-{number}" for number in range(1, 5)]
        text = {key: f"words of {name} {word}" for key, word in zip(keys, ("one", "two", "three", "four"))}
        audio = {}
        if name != "unpaired":
            audio = {key: f"{key}.wav" for key in keys}
            for path in audio.values():
                soundfile.write(path, noise, 16000)
        speakers = dict.fromkeys(keys, name) if audio else {}
        languages = dict.fromkeys(keys, "en")
        folder = Path("data") / f"x_{name}"
        DataDirectory(folder, text, utt2spk=speakers, utt2lang=languages, wav_scp=audio).write(folder)


def fix(*options: str) -> int:
    return main(["fix", "--conf", "conf.yaml", "--nj", "1", *options])


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path("data").glob("x_*/*")}


def test_a_dry_run_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    (TRAIN / "text").write_bytes((TRAIN / "text").read_bytes().replace(b"\n", b"\r\n"))
    before = files()
    assert fix("--dry-run") == 0
    assert files() == before
    assert not Path("data/backup").exists()
    shown = capsys.readouterr().out
    assert "data/x_train/text: carriage-return: 1 changed" in shown
    assert "1 files would be changed" in shown


def test_a_set_that_would_lose_much_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (TRAIN / "utt2lang").read_text().splitlines(keepends=True)
    (TRAIN / "utt2lang").write_text("".join(lines[:2]))
    (Path("data/x_dev/text")).write_text((Path("data/x_dev/text")).read_text() + "\n")
    before = (TRAIN / "text").read_bytes()
    assert fix() == 1
    assert (TRAIN / "text").read_bytes() == before
    shown = capsys.readouterr().out
    assert "data/x_train: left as it is: 2 of 4 utterances would be dropped" in shown
    assert "data/x_dev/text: blank-line: 1 dropped" in shown
    assert "2 errors and 0 warnings are left" in shown
    assert fix("--max-dropped", "0.5") == 0
    assert list(read_table(TRAIN / "text")) == ["train-1", "train-2"]
    assert list(read_table(TRAIN / "wav.scp")) == ["train-1", "train-2"]
    assert (TRAIN / "spk2utt").read_text() == "train train-1 train-2\n"


def test_the_backup_restores_what_was_there_and_names_every_line() -> None:
    (TRAIN / "text").write_text(
        "train-4 words of train four\n\ntrain-1 words of test one\ntrain-2 a\x07b\ntrain-3 so\n"
    )
    before = files()
    assert fix("--max-dropped", "0.25") == 0
    assert read_table(TRAIN / "text") == {"train-2": "a b", "train-3": "so", "train-4": "words of train four"}
    (backup,) = Path("data/backup").iterdir()
    rows = [line.split("\t") for line in (backup / "changes.tsv").read_text().splitlines()[1:]]
    assert ["sentence-overlap", "data/x_train/text", "train-1", "dropped", "words of test one"] in rows
    assert ["control-character", "data/x_train/text", "train-2", "changed", "a\x07b"] in rows
    assert {row[0] for row in rows} == {"sentence-overlap", "control-character", "blank-line", "sorting", "spk2utt"}
    for path in backup.glob("x_train/*"):
        (TRAIN / path.name).write_bytes(path.read_bytes())
    assert files() == before


def test_lines_for_a_person_are_kept_in_order() -> None:
    content = b"train-1 one\ntrain-2 caf\xe9\ntrain-4 four\ntrain-3 three\ntrain-3 drei\n"
    (TRAIN / "text").write_bytes(content)
    assert fix() == 1
    assert (TRAIN / "text").read_bytes() == b"train-1 one\ntrain-2 caf\xe9\ntrain-3 three\ntrain-3 drei\ntrain-4 four\n"
    assert len(read_table(TRAIN / "wav.scp")) == 4


@pytest.mark.parametrize("left", [0, 1])
def test_a_transcript_file_that_was_cut_short_takes_nothing_with_it(
    left: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (TRAIN / "text").write_text("train-1 words of train one\n" * left)
    before = files()
    assert fix() == 1
    assert files() == before
    assert f"data/x_train: left as it is: {4 - left} of 4 utterances would be dropped" in capsys.readouterr().out


def test_an_utterance_with_a_second_transcript_is_left_to_a_person() -> None:
    lines = (TRAIN / "text").read_text().splitlines(keepends=True)
    (TRAIN / "text").write_text("".join(["train-1\n", *lines]))
    before = files()
    assert fix() == 1
    assert files() == before


def test_sets_of_the_same_name_are_kept_apart() -> None:
    for part, lang in (("train", "de"), ("dev", "en")):
        (Path("data") / lang).mkdir()
        (Path("data") / f"x_{part}").rename(Path("data") / lang / "own")
        text = Path("data") / lang / "own" / "text"
        text.write_text(text.read_text() + "\n")
    Path("conf.yaml").write_text(CONF.replace("x_train", "de/own").replace("x_dev", "en/own"))
    before = {lang: (Path("data") / lang / "own" / "text").read_bytes() for lang in ("de", "en")}
    assert fix() == 0
    (backup,) = Path("data/backup").iterdir()
    assert {lang: (backup / lang / "own" / "text").read_bytes() for lang in ("de", "en")} == before


def test_a_set_outside_is_kept_inside_the_backup() -> None:
    Path("elsewhere").mkdir()
    Path("data/x_train").rename("elsewhere/x_train")
    Path("conf.yaml").write_text(CONF.replace("x_train", "../elsewhere/x_train"))
    text = Path("elsewhere/x_train/text")
    text.write_text(text.read_text() + "\n")
    before = text.read_bytes()
    assert fix() == 0
    (backup,) = Path("data/backup").iterdir()
    assert (backup / "elsewhere/x_train/text").read_bytes() == before


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "--rules"]) == 0
    shown = capsys.readouterr().out
    for rule in RULES.values():
        assert f"{rule.level:8s}{rule.name:24s}{rule.sentence}" in shown
        assert rule.sentence.endswith(".") or rule.sentence[-1].isalpha()
    assert shown.count("mended by hand") == sum(not rule.mends for rule in RULES.values())


@pytest.mark.parametrize("share", ["2", "many", "-1"])
def test_an_impossible_share(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fix("--max-dropped", share) == 1
    assert "--max-dropped" in capsys.readouterr().err
