"""``jointst transcribe`` as its user runs it: files good and bad, formats, a pipe, and the Python object."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from jointst import Recogniser
from jointst.common.errors import ConfigError, DataError
from jointst.config import LmConfig
from jointst.config.context import Context
from jointst.recipe.cli import main
from jointst.training import language_model

RATE = 16000


@pytest.fixture
def sound_files(tmp_path: Path) -> dict[str, Path]:
    """Speech-like noise, silence, nothing, and files that cannot be read."""
    folder = tmp_path / "audio"
    folder.mkdir()
    generator = np.random.default_rng(0)
    noise = 0.1 * generator.standard_normal(3 * RATE) * (1 + np.sin(np.arange(3 * RATE) / 900))
    kinds = {"good": noise, "silent": np.zeros(RATE), "nothing": np.zeros(0), "nan": np.full(RATE, np.nan)}
    for name, samples in kinds.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="FLOAT")
    whole = (folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "zero.wav").touch()
    return {path.stem: path for path in folder.iterdir()}


def test_bad_files_are_named_and_the_others_transcribed(
    packed: Path, sound_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["zero", "silent", "cut", "good", "nan", "nothing"]
    status = main(["transcribe", "--model", str(packed), "--format", "jsonl", *(str(sound_files[n]) for n in names)])
    out, err = capsys.readouterr()
    assert status == 1
    for name in ("zero", "cut", "nan"):
        assert f"{name}.wav: " in err
    assert "3 of 6 files failed" in err
    assert "Traceback" not in err
    found = [json.loads(line) for line in out.splitlines()]
    spoken = {Path(record["file"]).stem for record in found if record["text"]}
    assert spoken <= {"good"}, "silence says nothing"
    assert "silent.wav: no words were recognised" in err


def test_a_stream_without_a_word_is_told(
    packed: Path, sound_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", "--model", str(packed), "--stream", str(sound_files["silent"])]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert "silent.wav: no words were recognised" in err


def test_the_object_and_the_command_agree(
    packed: Path, sound_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", "--model", str(packed), str(sound_files["good"])]) == 0
    assert capsys.readouterr().out.strip() == Recogniser.load(packed).transcribe(sound_files["good"]).text.strip()


def test_a_pipe_says_what_the_file_says(
    packed: Path, sound_files: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, _ = soundfile.read(sound_files["good"], dtype="float32")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(samples.astype("<f4").tobytes())))
    options = ["transcribe", "--model", str(packed), "--stream", "--format", "jsonl"]
    assert main([*options, "--raw-format", "f32le", "-"]) == 0
    piped = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main([*options, str(sound_files["good"])]) == 0
    filed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["text"] for record in piped if record["final"]] == [r["text"] for r in filed if r["final"]]
    assert not piped[0]["final"], "a partial result comes before the final one"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to transcribe"),
        (["-"], "is a pipe: add --stream"),
        (["--stream", "a.wav", "b.wav"], "takes one source"),
        (["--format", "docx", "a.wav"], "invalid choice: 'docx'"),
        (["--model", "absent", "a.wav"], "absent: there is no such folder of a packed model"),
        (["--search", "widest", "a.wav"], "invalid choice: 'widest'"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", *arguments]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--search", "beam", "--beam", "0"], "beam: is 0"),
        (["--lm", "absent", "--search", "beam"], "absent: there is no such language model"),
        (["--lm", "."], "lm: is neural in greedy search (search: beam)"),
        (["--lm", ".", "--search", "beam"], "model.safetensors: there is no language model (run jointst lm)"),
        (["--label-bonus", "1"], "label_bonus: is 1.0 in greedy search"),
        (["--phrases", "absent.txt"], "absent.txt: there is no such file of phrases"),
        (["--phrases", "phrases.txt"], "phrases.txt:2: has the weight 'much'"),
        (["--phrase-weight", "nan"], "phrase_weight: is nan"),
        (["--phrase-weight", "0"], "phrase_weight: is 0"),
        (["--phrase-language", "xx"], "phrase_language: is xx"),
    ],
)
def test_searches_that_cannot_be(
    packed: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("phrases.txt").write_text("door\t2\nwindow\tmuch\n")
    assert main(["transcribe", "--model", str(packed), *arguments, "a.wav"]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_all_commands_search_alike(
    toy: Context, packed: Path, sound_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A beam with the language model of ``jointst lm`` and phrases: in files, in a stream, and as an object."""
    language_model.run(replace(toy, config=replace(toy.config, lm=LmConfig(dim=8, max_updates=2, validate_every=2))))
    capsys.readouterr()
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("the window\nоткрой дверь\n门今天\t30\n", encoding="utf-8")
    options = ["--search", "beam", "--beam", "2", "--lm", str(toy.exp / "lm"), "--lm-weight", "0.5"]
    command = ["transcribe", "--model", str(packed), *options, "--phrases", str(phrases)]
    assert main([*command, str(sound_files["good"])]) == 0
    said = capsys.readouterr().out.strip()
    assert said
    assert main([*command, "--stream", str(sound_files["good"])]) == 0
    assert capsys.readouterr().out.strip() == said
    recogniser = Recogniser.load(packed, search="beam", beam=2, lm=toy.exp / "lm", lm_weight=0.5)
    given = ["the window", "открой дверь", ("门今天", 30.0)]
    assert recogniser.transcribe(sound_files["good"], phrases=given).text == said
    assert recogniser.transcribe(sound_files["good"]).text != said
    with pytest.raises(ConfigError, match="width: there is no such setting of a search"):
        Recogniser.load(packed, width=3)


def test_subtitles_stay_in_their_folder(
    packed: Path, sound_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    for folder in (here, other):
        folder.mkdir()
        (folder / "x.wav").write_bytes(sound_files["good"].read_bytes())
    options = ["--model", str(packed.resolve()), "--format", "srt", "--output", "out"]
    monkeypatch.chdir(here)
    assert main(["transcribe", *options, "../other/x.wav", "x.wav", str(other / "x.wav")]) == 0
    assert len(list((here / "out").rglob("*.srt"))) == 3
    assert [path.name for path in other.iterdir()] == ["x.wav"]


def test_a_device_is_written_to_and_not_replaced(packed: Path, sound_files: dict[str, Path], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert main(["transcribe", "--model", str(packed), "--output", str(pipe), str(sound_files["silent"])]) == 0
        assert pipe.is_fifo()
        assert os.read(reader, 100) == b"\n"
    finally:
        os.close(reader)


def test_what_cannot_be_written_is_known_at_once(
    packed: Path, sound_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for output, message in ((tmp_path, "is a folder: name a file in it"), (tmp_path / "file" / "out", "file")):
        assert main(["transcribe", "--model", str(packed), "--output", str(output), str(sound_files["zero"])]) == 1
        err = capsys.readouterr().err
        assert message in err
        assert "is an empty file" not in err, "nothing is recognised before"


@pytest.mark.parametrize("kind", ["text", "jsonl"])
def test_names_that_are_no_text(packed: Path, sound_files: dict[str, Path], tmp_path: Path, kind: str) -> None:
    odd = os.fsdecode(b"\xff \xe4.wav")
    (tmp_path / odd).write_bytes(sound_files["good"].read_bytes())
    command = ["transcribe", "--model", str(packed), "--format", kind, str(tmp_path / odd), str(sound_files["silent"])]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "jointst", *command], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode("utf-8").splitlines()
    if kind == "jsonl":
        assert json.loads(lines[0])["file"] == str(tmp_path / odd)
    else:
        assert lines[0].startswith(str(tmp_path) + "/\\udcff \\udce4.wav\t")
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_bytes() == done.stdout


def test_nobody_reads_what_it_prints(packed: Path, sound_files: dict[str, Path]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "jointst", "transcribe", "--model", str(packed), str(sound_files["good"])]
    with os.fdopen(writing, "wb") as pipe:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, env=environment, check=False)
    assert done.returncode == 1
    assert b"nobody reads what it prints" in done.stderr
    assert b"BrokenPipeError" not in done.stderr


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ([0.0] * RATE, "samples are of type list"),
        (b"RIFF", "samples are of type bytes"),
        (None, "samples are of type NoneType"),
        (torch.zeros(RATE), "samples are of type torch.Tensor"),
        (np.zeros(RATE, np.int16), r"samples are int16 \(16000,\).*divide them by 2\*\*15"),
        (np.zeros((RATE, 2), np.float32), r"samples are float32 \(16000, 2\)"),
        (np.zeros((1, RATE)), r"samples are float64 \(1, 16000\)"),
        (np.float32(0), "samples are of type numpy.float32"),
        (np.full(RATE, 3000.0), "where 1 is full scale, as of 16-bit integers"),
        (np.full(RATE, np.inf), "the sample at 0.000 s is not a finite number"),
    ],
)
def test_what_a_caller_must_give(packed: Path, audio: Any, words: str) -> None:
    recogniser = Recogniser.load(packed)
    with pytest.raises(DataError, match=words):
        recogniser.transcribe(audio)
    with pytest.raises(DataError, match=words):
        recogniser.stream().accept(audio)


def test_what_else_a_caller_must_give(packed: Path) -> None:
    recogniser = Recogniser.load(packed)
    with pytest.raises(DataError, match="a.wav: is one path, not many"):
        list(recogniser.transcribe_files("a.wav"))
    for rate in (0, -1, float("nan"), "16k"):
        with pytest.raises(ConfigError, match=f"rate: is {rate}"):
            recogniser.transcribe(np.zeros(RATE), rate=rate)  # type: ignore[arg-type]


def test_names_and_samples_of_no_use_are_explained(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    tone = np.sin(np.arange(RATE) / 20)
    soundfile.write("audio/clip.wav", tone, RATE)
    soundfile.write("sides.wav", np.stack((tone, -tone), axis=1), RATE)
    soundfile.write("large.wav", tone * 32768, RATE, subtype="FLOAT")
    assert main(["transcribe", "--model", str(packed), "audio", "audio\\clip.wav", "sides.wav", "large.wav"]) == 1
    said = capsys.readouterr().err
    assert "audio: is a folder, not a sound file (name the files in it: audio/*.wav)" in said
    assert "write audio/clip.wav, which is there" in said
    assert "sides.wav: its 2 channels cancel each other" in said
    assert "large.wav: has samples up to 32768 where 1 is full scale, as of 16-bit integers" in said


@pytest.mark.parametrize("chunk", [0, 10**9])
def test_a_chunk_that_cannot_be(packed: Path, chunk: int) -> None:
    with pytest.raises(ConfigError, match=f"chunk: is {chunk}"):
        Recogniser.load(packed, chunk=chunk).stream().accept(np.zeros(2 * RATE, np.float32))
