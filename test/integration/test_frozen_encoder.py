"""The toy recipe on the states of a frozen pretrained encoder that hears whole utterances, through all its stages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import kaldiio
import pytest
import torch
from integration.toy_recipe import stage
from pretrained.small_whisper import small_whisper, write_hub

from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory
from jointst.models.packed import load_packed
from jointst.pretrained.whisper import WhisperEncoder
from jointst.recipe.cli import main

CONF = """
model: {audio_encoder: {kind: whisper, source: small, dim: 16}, subsampling: 4}
"""


def run(name: str, *options: str) -> int:
    return stage(name, "--conf", "frozen.yaml", "--name", "toy", *options)


@pytest.fixture
def frozen(recipe: Path) -> Path:
    """The working directory: the toy recipe, a small Whisper in ``small``."""
    (recipe / "frozen.yaml").write_text(CONF)
    write_hub(recipe / "small", small_whisper())
    return recipe


def test_from_features_to_a_packed_model(frozen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("features", "train", "decode", "score", "align", "export"):
        assert run(name) == 0, capsys.readouterr().err
    assert not list(Path("exp").rglob("streaming")), "there is no streaming decoder"
    scores = json.loads(Path("exp/toy/score/scores.json").read_text())
    assert all(list(record["decoders"]) == ["full_context"] for record in scores["sets"].values())
    log = [json.loads(line) for line in Path("exp/toy/log.jsonl").read_text().splitlines()]
    assert {key for line in log for key in line if key.startswith("dev_")} == {"dev_loss", "dev_full_context"}
    assert not any("speech_streaming" in line for line in log)
    report = Path("exp/toy/report.html").read_text()
    assert "hears a whole utterance" in report
    test = DataDirectory.read(Path("data/mini_test"))
    packed = frozen.parent / "packed"
    shutil.move("exp/toy/packed", packed)
    shutil.rmtree("small")
    _packed_hears_the_same(packed, test)
    sound = test.wav_scp[test.recording(test.utterances[0])]
    assert main(["transcribe", "--model", str(packed), sound]) == 0
    capsys.readouterr()
    for options in (["--stream"], ["--decoder", "streaming"], ["--chunk", "4"]):
        assert main(["transcribe", "--model", str(packed), *options, sound]) == 1
        error = capsys.readouterr().err
        assert "this model cannot stream: its whisper encoder hears whole utterances" in error
        assert "Traceback" not in error
    shutil.rmtree(packed / "audio_encoder")
    assert main(["transcribe", "--model", str(packed), sound]) == 1
    assert "audio_encoder: is missing" in capsys.readouterr().err


@torch.inference_mode()
def _packed_hears_the_same(packed: Path, test: DataDirectory) -> None:
    """A packed model makes of samples what stage 4 made of them, but for the rounding of both."""
    trained = load_packed(packed)
    waveforms = [
        torch.from_numpy(load_audio(test.wav_scp[test.recording(u)], test.segments.get(u), 16000, utterance=u, path=u))
        for u in test.utterances
    ]
    for utterance, states in zip(test.utterances, trained.front_end(waveforms), strict=True):
        stored = torch.from_numpy(kaldiio.load_mat(test.feats_scp[utterance]).copy())
        assert stored.shape == states.shape
        assert float((stored - states).norm() / states.norm()) < 0.02


def test_states_follow_the_weights(frozen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("features") == 0
    before = {path: path.read_bytes() for path in Path("dump").rglob("*.ark")}
    for path in Path("dump").rglob("*.json"):
        os.utime(path, ns=(0, 0))
    assert run("features") == 0
    assert "up to date" in capsys.readouterr().out
    other = small_whisper()
    torch.nn.init.normal_(other.conv1.weight)
    write_hub(frozen / "small", other)
    assert run("features") == 0
    after = {path: path.read_bytes() for path in Path("dump").rglob("*.ark")}
    assert before.keys() == after.keys()
    assert all(before[path] != after[path] for path in before)


@pytest.mark.usefixtures("frozen")
def test_more_gpus_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    gpus = torch.cuda.device_count()
    assert run("features", "--ngpu", str(gpus + 1)) == 1
    assert f"--ngpu {gpus + 1}: torch sees {gpus} GPUs" in capsys.readouterr().err


@pytest.mark.usefixtures("frozen")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_states_are_made_on_gpus() -> None:
    assert run("features") == 0
    test = DataDirectory.read(Path("data/mini_test"))
    before = {u: kaldiio.load_mat(place).copy() for u, place in test.feats_scp.items()}
    assert run("features", "--ngpu", "1", "--force") == 0
    for utterance, states in before.items():
        assert abs(kaldiio.load_mat(test.feats_scp[utterance]) - states).max() < 0.05 * abs(states).max()


def test_log_mel_features_are_made_anew(frozen: Path) -> None:
    del frozen
    assert run("features") == 0
    assert stage("features") == 0  # of the same data, for a conformer
    test = DataDirectory.read(Path("data/mini_test"))
    assert kaldiio.load_mat(test.feats_scp[test.utterances[0]]).shape[1] == 80


BAD = {
    "width": (["--model.audio_encoder.dim", "24"], r"is 24, and the states of small are 16 wide"),
    "no such folder": (["--model.audio_encoder.source", "smal"], "there is no such folder"),
    "no kind": (["--model.audio_encoder.kind", "conformer"], "of no use to a conformer"),
    "no width": (["--model.audio_encoder.dim", "null"], "is not stated for small"),
    "no source": (["--model.audio_encoder.source", "null"], "is not stated for whisper"),
    "rate": (["--features.sampling_rate", "8000"], "is 8000 (whisper hears 16000"),
    "right context": (["--model.right_context", "4"], "whisper hears the whole utterance"),
    "chunks": (["--training.dynamic_chunks", "[4, 8]"], "is for a streaming first pass"),
    "pseudo-labels": (["--pseudo_label.decoder", "streaming"], "whisper hears the whole utterance"),
}


@pytest.mark.parametrize(("options", "said"), BAD.values(), ids=BAD)
def test_settings_that_cannot_be_overwrite_nothing(
    frozen: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    before = {path: path.read_bytes() for path in Path("dump").rglob("*.ark")}
    assert run("features", *options) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert {path: path.read_bytes() for path in Path("dump").rglob("*.ark")} == before


def test_states_of_an_encoder_that_computes_otherwise_are_written_anew(
    frozen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written() -> int:
        next(Path("data/.stages").glob("*features.json")).unlink(missing_ok=True)
        assert run("features") == 0
        line = Path("data/mini_test/feats.scp").read_text().splitlines()[0]
        return os.stat(line.split(" ", 1)[1].rsplit(":", 1)[0]).st_mtime_ns

    assert run("features") == 0
    first = written()
    assert written() == first, "what is there already is kept"
    monkeypatch.setattr(WhisperEncoder, "version", WhisperEncoder.version + 1)
    assert written() > first
