"""``jointst transcribe --runtime onnx`` writes what torch writes: files, streams, beams and phrases."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile
from export.graphs import RATE, exported, recordings

from jointst import Recogniser
from jointst.common.errors import ConfigError, DataError
from jointst.config.context import Context
from jointst.recipe.cli import main
from jointst.transcription.graphs import GraphRecogniser
from jointst.transcription.result import Transcription


def said(result: Transcription) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in result.words]


@pytest.fixture
def packed(toy: Context) -> Path:
    """A toy model with its graphs for features as apps have them, as by default."""
    return exported(toy, features={"mel_bins": 20}, export={"shift": 20.794})


def test_files_streams_beams_and_phrases_are_those_of_torch(packed: Path) -> None:
    heard = recordings()
    for decoder in ("full_context", "streaming"):
        loaded: list[Recogniser] = [kind.load(packed, decoder=decoder) for kind in (Recogniser, GraphRecogniser)]  # type: ignore[arg-type]
        torch_said, graphs_said = ([said(r.transcribe(samples, RATE)) for samples in heard] for r in loaded)
        assert graphs_said == torch_said
        assert any(torch_said)
        raised = [[said(r.transcribe(heard[1], RATE, phrases=["red door"]))] for r in loaded]
        assert raised[0] == raised[1]
        streams = [recogniser.stream(RATE) for recogniser in loaded]
        found = [
            [t for start in range(0, len(heard[1]), 700) for t in stream.accept(heard[1][start : start + 700])]
            + stream.finish()
            for stream in streams
        ]
        texts = [[(transcript.text, transcript.final) for transcript in one] for one in found]
        assert texts[0] == texts[1]
        assert texts[0][-1][1]
    beams: list[Any] = [kind.load(packed, search="beam", beam=3) for kind in (Recogniser, GraphRecogniser)]
    assert said(beams[0].transcribe(heard[0], RATE)) == said(beams[1].transcribe(heard[0], RATE))


def test_the_command(packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = tmp_path / "a.wav"
    soundfile.write(sound, recordings()[1], RATE)
    texts = {}
    for runtime in ("torch", "onnx", "onnx-int8"):
        assert main(["transcribe", "--model", str(packed), "--runtime", runtime, str(sound)]) == 0
        texts[runtime] = capsys.readouterr().out
    assert texts["onnx"] == texts["torch"]
    assert main(["transcribe", "--model", str(packed), "--runtime", "onnx", "--chunk", "4", str(sound)]) == 1
    assert "chunk: is not for graphs" in capsys.readouterr().err


def test_graphs_of_another_model_are_refused(packed: Path) -> None:
    tokens = packed / "onnx/tokens.txt"
    tokens.write_text("".join(tokens.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=r"tokens.txt: has \d+ labels"):
        GraphRecogniser.load(packed)
    shutil.rmtree(packed / "onnx")
    with pytest.raises(DataError, match=r"onnx: there is no exported folder .*stage 10"):
        GraphRecogniser.load(packed)
    with pytest.raises(ConfigError, match="ngpu: is not for graphs"):
        GraphRecogniser.load(packed, ngpu=1)
