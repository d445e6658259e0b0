"""``jointst transcribe`` as its user runs it: files good and bad, formats, a pipe, and the Python object."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jointst import Recogniser
from jointst.cli import main

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
    ],
)
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", *arguments]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
