"""Models without a streaming decoder: full-context graphs alone, with their pretrained encoder inside."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest
from export.graphs import AS_APPS, RATE, changed, exported, give_audio, ours, recordings
from pretrained.tiny import write_model

from jointst import Recogniser
from jointst.common.errors import ConfigError
from jointst.config import AudioEncoderConfig, ModelConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.export.onnx import limits
from jointst.export.onnx.limits import CannotExport, require_exportable
from jointst.export.onnx.sherpa import Sherpa
from jointst.models.packed import load_packed
from jointst.recipe.cli import main
from jointst.serving.searches import Searches
from jointst.serving.service import Service
from jointst.serving.settings import ServerSettings
from jointst.transcription.graphs import GraphRecogniser

FEATURES = {**AS_APPS, "mel_bins": 80}


def with_w2v_bert(toy: Context, use: str) -> Context:
    """The toy experiment on a tiny w2v-BERT, whose dev and test sets have audio."""
    write_model(Path("hub"), "w2v_bert")
    for name in ("t_dev", "t_test"):
        give_audio(toy.data / name)
    encoder = {"kind": "w2v_bert", "source": "hub", "dim": 16, "use": use}
    return changed(toy, features=FEATURES, model={"audio_encoder": encoder})


@pytest.mark.parametrize("use", ["frozen", "fine_tuned"])
def test_w2v_bert_goes_into_the_graph(toy: Context, use: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    context = with_w2v_bert(toy, use)
    packed = exported(context, export={"shift": 20.794415416798357})
    onnx, samples = packed / "onnx", recordings()
    compared = "utterances of t_dev" if use == "frozen" else "pieces of noise"  # there are no features of 80 bins
    assert f"over 4 {compared}" in capsys.readouterr().out
    assert sorted(path.name for path in onnx.iterdir() if path.is_dir()) == ["full_context"]
    Path("hub").rename("away")
    trained = load_packed(packed)
    wanted = [ours(trained, "full_context", part, 3) for part in samples]
    assert len(set("".join(wanted))) > 8, "it writes something"
    assert Sherpa(onnx, "full_context", "float32", trained.config.features).texts(samples) == wanted
    recognisers: list[Recogniser] = [kind.load(packed) for kind in (Recogniser, GraphRecogniser)]
    said = [[recogniser.transcribe(part, RATE).text for part in samples] for recogniser in recognisers]
    assert said[0] == said[1]
    with pytest.raises(ConfigError, match="this model cannot stream"):
        recognisers[1].stream()
    with pytest.raises(ConfigError, match="this model cannot stream"):
        GraphRecogniser.load(packed, decoder="streaming")
    searches = Searches(recognisers[0].trained, packed, lm=None, beam={}, phrase_weight=None)
    Service(recognisers[0], searches, "greedy", ServerSettings(name="toy")).warm_up()
    run_readme(onnx, wanted)
    check_test_set(context, capsys)


def run_readme(folder: Path, wanted: list[str]) -> None:
    readme = (folder / "README.md").read_text()
    assert "streaming/" not in readme
    assert "sherpa-onnx-offline-websocket-server --port=6006 --tokens=tokens.txt --encoder=full_context/" in readme
    assert (folder / "one_pass.py").read_text() == readme.split("```python\n")[1].split("```")[0]
    with wave.open(str(folder / "a.wav"), "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes((recordings()[1] * 32767).astype("<i2").tobytes())
    done = subprocess.run([sys.executable, "one_pass.py", "a.wav"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("final: ")
    assert len(done.stdout) > len("final: ") + 1


def check_test_set(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    Path("toy.yaml").write_text(to_yaml(context.config))
    assert main(["export", "--conf", "toy.yaml", "--name", context.name, "--nj", "1", "--check", "t_test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "sherpa-onnx, float32" in line and "full context" in line and "12 of 12" in line]
    assert not [line for line in lines if "streaming" in line]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "whisper": ({}, "it reads Whisper's log-mel features, cut off 8 below the loudest"),
    "wav2vec2": ({}, "it reads samples, and to a transducer sherpa-onnx gives log-mel features"),
    "hubert": ({}, "it reads samples"),
    "wavlm": ({}, "it reads samples"),
    "nemotron": ({"subsampling": 8}, "it reads NeMo's log-mel features"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_encoders_that_hear_otherwise_are_refused(packed_once: Path, kind: str) -> None:
    trained = load_packed(packed_once)
    settings, reason = REFUSED[kind]
    encoder = AudioEncoderConfig(kind=kind, source="hub", dim=16)  # type: ignore[arg-type]
    model: ModelConfig = dataclasses.replace(trained.config.model, audio_encoder=encoder, **settings)
    with pytest.raises(CannotExport, match=f"model.audio_encoder.kind is {kind}: {reason}"):
        require_exportable(dataclasses.replace(trained, config=dataclasses.replace(trained.config, model=model)))


def test_graphs_that_no_file_holds_are_refused(packed_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = load_packed(packed_once)
    require_exportable(trained)
    monkeypatch.setattr(limits, "LARGEST", 4000)
    with pytest.raises(CannotExport, match="M parameters are .* GB in float32: a file of a graph holds less than"):
        require_exportable(trained)
