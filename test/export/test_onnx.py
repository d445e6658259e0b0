"""The exported folder: sherpa-onnx writes the text that our greedy search finds, and says why where it cannot."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from export.graphs import AS_APPS, RATE, changed, exported, ours, recordings, write_model

from jointst.common.errors import DataError, EnvironmentFault, JointstError
from jointst.config.context import Context
from jointst.export import pack
from jointst.export.onnx import limits, write
from jointst.export.onnx.files import KINDS, Graphs, check_tokens
from jointst.export.onnx.limits import CannotExport
from jointst.export.onnx.sherpa import Sherpa
from jointst.models.packed import load_packed

HEARD = {
    "features as ours": ({"mel_bins": 20}, 0.0),
    "features of apps, and a model trained with them": (AS_APPS, 2 * math.log(32768)),
}


@pytest.mark.parametrize("heard", HEARD)
def test_sherpa_onnx_writes_what_our_greedy_search_finds(toy: Context, heard: str) -> None:
    settings, shift = HEARD[heard]
    packed = exported(toy, features=settings, export={"shift": shift})
    trained, samples = load_packed(packed), recordings()
    features = trained.config.features
    for kind in KINDS:
        wanted = [ours(trained, kind, part, 3) for part in samples]
        assert Sherpa(packed / "onnx", kind, "float32", features).texts(samples) == wanted
        assert len(set("".join(wanted))) > 8, "it writes something"
        assert wanted != [ours(trained, kind, part, 1) for part in samples], "one label a position would not do"
        assert all(Sherpa(packed / "onnx", kind, "float32", features, beam=True).texts(samples))
        small = Sherpa(packed / "onnx", kind, "int8", features).texts(samples)
        assert len(small) == len(samples), "it runs; what it says of a model that is not trained means nothing"


FORMS: dict[str, dict[str, dict[str, Any]]] = {
    "as it is": {},
    "features of apps": {"export": {"shift": 20.794}},
    "subsampling 2": {"model": {"subsampling": 2}},
    "subsampling 8": {"model": {"subsampling": 8, "chunk": 3, "left_chunks": 2}},
    "limited right context": {"model": {"right_context": 5, "full_context_layers": 2}},
    "a language embedding": {"model": {"language_embedding": True}},
    "no audio layers": {"model": {"audio_layers": 0, "left_chunks": 0}},
    "one softmax": {"model": {"decoder": {"kind": "rnnt", "context": 1}}},
    "one label a position": {"export": {"labels_per_position": 1}, "model": {"decoder": {"context": 3}}},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_can_be_exported_is_as_in_torch(toy: Context, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    packed = exported(toy, **FORMS[form])
    said = capsys.readouterr().out
    assert not said or "largest difference between onnxruntime and torch over 4 utterances of t_dev" in said
    readme = (packed / "onnx/README.md").read_text()
    assert "{" not in readme.split("```python")[0]
    assert (packed / "onnx/bpe.vocab").read_text().startswith("<blk>\t0\n<unk>\t0\n")
    if "subsampling" in form:
        samples = recordings((0.7, 1.1))
        trained = load_packed(packed)
        texts = Sherpa(packed / "onnx", "streaming", "float32", trained.config.features).texts(samples)
        assert texts == [ours(trained, "streaming", part, 3) for part in samples]


REFUSED: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "an LSTM": (
        {"model": {"decoder": {"predictor": "lstm"}}},
        "predictor is lstm: sherpa-onnx gives its predictor the",
    ),
    "another shift": ({"features": {"hop": 12.5}}, r"features.hop 12.5 ms: sherpa-onnx computes features of 25 ms"),
    "half a hertz": ({"features": {"sampling_rate": 8000.5}}, "sampling_rate is 8000.5: sherpa-onnx takes whole"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_cannot_be_exported_is_packed_all_the_same(
    toy: Context, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, reason = REFUSED[form]
    context = changed(toy, export={"onnx": "auto"}, **settings)
    write_model(context)
    made = pack.run(context)
    assert "no onnx" in made.what
    assert (made.where / "model.safetensors").is_file()
    assert not (made.where / "onnx").exists()
    said = capsys.readouterr().err
    assert said.startswith("onnx/ is not made: ")
    assert reason.split(": ")[1] in said
    with pytest.raises(CannotExport, match=reason):
        pack.run(changed(context, export={"onnx": "yes"}))
    assert not (context.exp / "packed.writing").exists()
    assert (made.where / "model.safetensors").is_file(), "what was packed before stays"


def test_without_the_packages_one_line_says_so(
    toy: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(limits.importlib.util, "find_spec", lambda name: None)
    made = pack.run(changed(toy, export={"onnx": "auto"}))
    assert "no onnx" in made.what
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(EnvironmentFault, match=r"packages onnx onnxruntime \(pip install 'jointst\[export\]'"):
        pack.run(changed(toy, export={"onnx": "yes"}))


def test_graphs_that_differ_are_refused(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "MOST", 1e-12)
    with pytest.raises(CannotExport, match="more than 1e-12"):
        exported(toy, export={"labels_per_position": 4})


def test_without_features_of_dev_sets_noise_is_compared(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(toy.data / "t_dev")
    exported(toy, export={"labels_per_position": 2})
    assert "over 4 pieces of noise, for want of features of the dev sets" in capsys.readouterr().out


def without(path: Path, key: str, value: str | None = None) -> None:
    """Take a number out of a graph's metadata, or put something else there."""
    graph = onnx.load(path)
    kept = {entry.key: entry.value for entry in graph.metadata_props if entry.key != key}
    del graph.metadata_props[:]
    for name, stated in {**kept, **({} if value is None else {key: value})}.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = name, stated
    onnx.save(graph, path)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no encoder": (lambda f: (f / "streaming/encoder.onnx").unlink(), r"streaming/encoder.onnx: is missing"),
    "half an encoder": (lambda f: half(f / "full_context/encoder.onnx"), r"encoder.onnx: is no graph that onnxruntime"),
    "a text": (lambda f: (f / "streaming/joiner.onnx").write_text("no"), r"joiner.onnx: is no graph"),
    "nothing in it": (lambda f: (f / "streaming/decoder.onnx").write_bytes(b""), r"decoder.onnx: is no graph"),
    "no T": (lambda f: without(f / "streaming/encoder.onnx", "T"), r"encoder.onnx: has no T in its metadata"),
    "no context": (lambda f: without(f / "full_context/decoder.onnx", "context_size"), "has no context_size"),
    "no number": (lambda f: without(f / "streaming/encoder.onnx", "num_heads", "two"), "has num_heads 'two'"),
    "no shift": (lambda f: without(f / "streaming/encoder.onnx", "shift", "far"), "has shift 'far'"),
    "another joiner": (
        lambda f: without(f / "streaming/decoder.onnx", "vocab_size", "7"),
        r"joiner.onnx: joins \[128, 128\] to \d+ labels, the graphs beside it give \[128, 128\] and have 7",
    ),
    "no tokens": (lambda f: (f / "tokens.txt").unlink(), r"tokens.txt: is missing"),
    "fewer tokens": (lambda f: half(f / "tokens.txt"), r"tokens.txt"),
    "other tokens": (lambda f: (f / "tokens.txt").write_text("a b c\n"), r"tokens.txt:1: is 'a b c'"),
    "tokens in latin-1": (lambda f: (f / "tokens.txt").write_bytes(b"\xff 0\n"), r"is not UTF-8 at byte 0"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_folder_is_refused_before_sherpa_onnx_ends_the_process(toy: Context, case: str) -> None:
    packed = exported(toy)
    damage, said = HOSTILE[case]
    damage(packed / "onnx")

    def read() -> None:
        for kind in KINDS:
            graphs = Graphs(packed / "onnx", kind, "float32")
            check_tokens(packed / "onnx", graphs.numbers["vocab_size"])

    with pytest.raises(DataError, match=said) as caught:
        read()
    assert "stage 10" in str(caught.value)


RUN = """
import sys, numpy, sherpa_onnx
files = {part: f"streaming/{part}.onnx" for part in ("encoder", "decoder", "joiner")}
form = dict(tokens="tokens.txt", sample_rate=16000, feature_dim=8)
recogniser = sherpa_onnx.OnlineRecognizer.from_transducer(**files, **form)
stream = recogniser.create_stream()
stream.accept_waveform(16000, numpy.zeros(16000, numpy.float32))
while recogniser.is_ready(stream):
    recogniser.decode_stream(stream)
print("alive")
"""


def test_missing_metadata_ends_the_process(toy: Context) -> None:
    folder = exported(toy) / "onnx"

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", RUN], cwd=folder, capture_output=True, text=True)

    done = run()
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
    without(folder / "streaming/encoder.onnx", "left_context_len")
    assert run().returncode == 255
    with pytest.raises(JointstError, match="left_context_len"):
        Sherpa(folder, "streaming", "float32", toy.config.features)


def test_the_readme_runs(toy: Context, tmp_path: Path) -> None:
    import wave

    packed = exported(toy, export={"shift": 20.794})
    lines = (packed / "onnx/README.md").read_text().split("```python\n")[1].split("```")[0]
    assert (packed / "onnx/two_passes.py").read_text() == lines
    with wave.open(str(tmp_path / "a.wav"), "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes((recordings((1.3,))[0] * 32767).astype("<i2").tobytes())
    command = [sys.executable, "two_passes.py", str(tmp_path / "a.wav")]
    done = subprocess.run(command, cwd=packed / "onnx", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[-1].startswith("final: ")
    assert len(said[-1]) > len("final: ")
    assert any(len(line) > len("partial: ") for line in said[:-1])
