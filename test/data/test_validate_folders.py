"""``jointst validate DIR ...``: data directories anywhere, without settings, with nothing written into them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst.kaldi.directory import DataDirectory, Segment
from jointst.recipe.cli import main

ROOT = Path(__file__).resolve().parents[2]
WORDS = "one two three four five six".split()


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Kaldi recipe with sets a and b, of two utterances each, and a text-only set c."""
    folder = tmp_path / "recipe"
    (folder / "audio").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for number, name in enumerate("ab"):
        keys = [f"anna-{name}1", f"anna-{name}2"]
        for key in keys:
            soundfile.write(f"audio/{key}.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 32000), 16000)
        DataDirectory(
            Path(name),
            {key: f"{WORDS[2 * number + i]} words" for i, key in enumerate(keys)},
            utt2spk=dict.fromkeys(keys, "anna"),
            utt2lang=dict.fromkeys(keys, "en"),
            wav_scp={key: f"audio/{key}.wav" for key in keys},
        ).write(Path("data", name))
    DataDirectory(Path("c"), {"c1": "five words"}, utt2lang={"c1": "en"}).write(Path("data/c"))
    return folder


def edit(path: str, old: str, new: str) -> None:
    content = Path(path).read_text()
    assert old in content
    Path(path).write_text(content.replace(old, new))


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("broken", "options", "status", "said"),
    [
        ("", ["data/a"], 0, "data/a: 2 utterances, 0 errors, 0 warnings"),
        ("", ["data/a", "data/b", "--unpaired", "data/c"], 0, "3 data directories: 5 utterances, 0 errors"),
        ("", ["data/c"], 1, "ERROR missing-file data/c/wav.scp: is missing (make it; or --no-wav where"),
        ("", ["nowhere"], 1, "ERROR missing-folder nowhere: there is no such folder (correct its path; this is run in"),
        ("rm data/a/utt2lang", ["data/a"], 1, "utt2lang: is missing (awk '{print $1, \"en\"}' text > utt2lang"),
        ("rm data/a/utt2lang", ["data/a", "--lang", "en"], 0, "0 errors"),
        ("rm data/a/text", ["data/a"], 1, "ERROR missing-file data/a/text"),
        ("rm data/a/text", ["data/a", "--no-text"], 0, "data/a: 2 utterances, 0 errors"),
        (
            "rm data/a/text; sed -i 1d data/a/utt2spk",
            ["data/a", "--no-text"],
            1,
            "wav.scp:1 anna-a1: is not in utt2spk",
        ),
        ("rm data/a/wav.scp", ["data/a", "--no-wav"], 0, "0 errors"),
        ("rm audio/anna-a1.wav", ["data/a"], 1, "ERROR audio-missing data/a/wav.scp:1 anna-a1"),
        ("rm audio/anna-a1.wav", ["data/a", "--no-wav"], 0, "0 errors"),
        ("cp data/a/text data/b/text", ["data/a", "data/b"], 1, "ERROR missing-key data/b/text:1 anna-a1"),
        ("sed -i 's/three/one/' data/b/text", ["data/a", "data/b"], 0, "0 errors, 0 warnings"),
        (
            "sed -i 's/three/one/' data/b/text",
            ["--train", "data/a", "--test", "data/b"],
            1,
            "ERROR sentence-overlap data/a/text:1 anna-a1: the same sentence is in b anna-b1 (",
        ),
        ("", ["data/a", "--lang", "xx"], 1, "--lang: is 'xx' (one of: ar de"),
        ("", ["data/a", "--lnag", "en"], 1, "unrecognized arguments: --lnag"),
        ("", ["--report", "x.tsv"], 1, "nothing to check: name data directories"),
    ],
)
def test_what_is_said_and_nothing_is_written(
    broken: str, options: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["bash", "-c", broken], check=True)
    before = files()
    assert main(["validate", *options, "--nj", "1"]) == status
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
    assert files() == before


def test_a_report_where_it_is_wanted() -> None:
    Path("data/a/utt2spk").unlink()
    assert main(["validate", "data/a", "--report", "found.tsv"]) == 1
    assert Path("found.tsv").read_text().splitlines()[1].startswith("ERROR\tmissing-file\tdata/a/utt2spk\t")


def test_from_another_folder(recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe / "sub").mkdir()
    monkeypatch.chdir(recipe / "sub")
    assert main(["validate", "../data/a"]) == 1
    said = f"../data/a/wav.scp: 2 of the 2 missing files are there if paths start from {recipe}: run it there"
    assert said in capsys.readouterr().out
    assert main(["validate", "--nj", "1"]) == 1
    said = capsys.readouterr().err
    assert "data: there is none of the data directories mini_train, " in said
    assert f" (in {recipe / 'sub'}) (run it in the recipe's folder" in said


def test_recordings_that_no_segment_is_of_may_be_broken() -> None:
    data = DataDirectory.read(Path("data/a"))
    recordings = {**data.wav_scp, "tape": "audio/none.wav"}
    segments = {key: Segment(key, 0.0, 1.0) for key in data.text}
    DataDirectory(
        data.path, data.text, utt2spk=data.utt2spk, utt2lang=data.utt2lang, wav_scp=recordings, segments=segments
    ).write(data.path)
    assert main(["validate", "data/a"]) == 0


@pytest.mark.parametrize(
    ("lines", "findings"),
    [
        ({"BAC009S0002W0122": "S0002", "BAC009S0002W0123": "S0002", "BAC009S0003W0001": "S0003"}, 0),  # AISHELL
        ({"utt1": "utt1", "utt2": "utt2"}, 0),
        ({"001": "bert", "002": "anna", "003": "bert"}, 1),
        ({"001": "bert", "002": "bert"}, 0),
    ],
)
def test_speakers_need_not_be_prefixes(
    lines: dict[str, str], findings: int, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = {key: f"audio/{key}.wav" for key in lines}
    for number, path in enumerate(audio.values()):
        soundfile.write(path, np.random.default_rng(number).uniform(-0.3, 0.3, 32000), 16000)
    text = {key: f"word {number}" for key, number in zip(lines, WORDS)}
    DataDirectory(Path("d"), text, utt2spk=lines, utt2lang=dict.fromkeys(lines, "zh"), wav_scp=audio).write(
        Path("data/d")
    )
    assert main(["validate", "data/d"]) == 0
    assert capsys.readouterr().out.count("WARNING speaker-prefix") == findings


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
@pytest.mark.parametrize("command", [["validate", "data/a"], ["validate", "--conf", "conf.yaml"]])
def test_what_a_terminal_cannot_show_is_escaped(encoding: str, command: list[str]) -> None:
    Path("conf.yaml").write_text("data: {train: [a], dev: [b], test: [b], unpaired: []}\n")
    for name in ("text", "utt2spk", "utt2lang", "wav.scp"):
        edit(f"data/a/{name}", "anna-a2 ", "anna-录音 ")
    edit("data/a/wav.scp", "audio/anna-a2.wav", "audio/没有.wav")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    words = [sys.executable, "-m", "jointst", *command]
    done = subprocess.run(words, capture_output=True, env=environment)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    expected = "anna-录音" if encoding == "utf-8" else "anna-\\u5f55\\u97f3"
    assert expected.encode() in done.stdout
